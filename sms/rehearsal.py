"""Supervisors' own tests: the texts in `flows/sms.yaml` are answered as real ones are, and the answers compared.

Each mismatch is a `Fault` at the line of its step. Nothing is sent or kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fund.yaml_source import Fault, Source
from sms.answers import Answers, World
from sms.deciding import Peer
from sms.keyword_file import TextStep, TextTest
from sms.keywords import Table
from sms.templates import Templates
from sms.timing import HOME

NewWorld = Callable[[], Awaitable[World]]


async def rehearse(table: Table, source: Source, templates: Templates, new_world: NewWorld) -> tuple[int, list[Fault]]:
    """Play every test: (how many there are, what did not go as written)."""
    faults = []
    for number, test in enumerate(table.file.tests):
        rehearsal = _Rehearsal(table, test, templates, await new_world())
        for n, step in enumerate(test.steps):
            if wrong := await rehearsal.play(step):
                zh, en = wrong
                faults.append(source.fault(("tests", number, "steps", n), f"{test.name}:{zh}", f"{test.name}: {en}"))
    return len(table.file.tests), faults


class _Rehearsal:
    """One phone that texts what a test says."""

    def __init__(self, table: Table, test: TextTest, templates: Templates, world: World) -> None:
        self._table, self._templates = table, templates
        self._answers = Answers(templates, world)
        self._peer = Peer(test.sender)
        self._now = datetime.strptime(test.at, "%Y-%m-%d %H:%M").replace(tzinfo=HOME)
        self._asked_at = self._now
        self._got: str | None = None

    async def play(self, step: TextStep) -> tuple[str, str] | None:
        """What did not go as written, in Chinese and in English."""
        if step.after is not None:
            self._now += timedelta(minutes=step.after)
        elif step.text is not None:
            await self._text(step.text)
        got = self._got or ""
        if step.expect and step.expect not in got:
            shown = got or "（没有回复）"
            return f"回复里没有“{step.expect}”。回复的是：{shown}", f"“{step.expect}” is not in the reply: {shown}"
        if step.expect_not and step.expect_not in got:
            return f"回复里不该有“{step.expect_not}”：{got}", f"“{step.expect_not}” is in the reply: {got}"
        if step.silence and got:
            return f"不该回复，却回复了：{got}", f"no reply was expected, but: {got}"
        return None

    async def _text(self, text: str) -> None:
        self._now += timedelta(seconds=20)
        peer = self._peer
        if self._now - self._asked_at > timedelta(minutes=self._table.file.wait):
            peer = replace(peer, session=None)
        answer = await self._answers.answer(self._table, peer, text, self._now)
        self._got = None
        if answer.template:
            self._got = self._templates[answer.template].render(answer.params).text
            peer = replace(peer, sent=((answer.template, self._now), *peer.sent))
        if answer.session:
            self._asked_at = self._now
        self._peer = replace(peer, session=answer.session, off=answer.off)
