"""Supervisors' own tests: the texts in `flows/sms.yaml` are answered as real ones are, and the answers compared.

Each mismatch is a `Fault` at the line of its step. Nothing is sent or kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from fund.clock import CHINA
from fund.yaml_source import Fault, Source
from sms.answers import Answers, World
from sms.deciding import Peer
from sms.keyword_file import TextStep
from sms.keywords import Table
from sms.templates import Templates

NewWorld = Callable[[], Awaitable[World]]


class Phone:
    """A telephone that texts the keywords as a real one would; nothing is sent or kept."""

    def __init__(self, table: Table, templates: Templates, world: World, number: str, at: datetime) -> None:
        self.now = at
        self._table, self._templates = table, templates
        self._answers = Answers(templates, world)
        self._peer = Peer(number)
        self._asked_at = at

    async def text(self, words: str) -> str:
        """The reply to a text; empty for silence. A little time goes by with each."""
        self.now += timedelta(seconds=20)
        peer = self._peer
        if self.now - self._asked_at > timedelta(minutes=self._table.file.wait):
            peer = replace(peer, session=None)
        answer = await self._answers.answer(self._table, peer, words, self.now)
        reply = ""
        if answer.template:
            reply = self._templates[answer.template].render(answer.params).text
            peer = replace(peer, sent=((answer.template, self.now), *peer.sent))
        if answer.session:
            self._asked_at = self.now
        self._peer = replace(peer, session=answer.session, off=answer.off)
        return reply


async def rehearse(table: Table, source: Source, templates: Templates, new_world: NewWorld) -> tuple[int, list[Fault]]:
    """Play every test: (how many there are, what did not go as written)."""
    faults = []
    for number, test in enumerate(table.file.tests):
        at = datetime.strptime(test.at, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)
        phone = Phone(table, templates, await new_world(), test.sender, at)
        got = ""
        for n, step in enumerate(test.steps):
            if step.after is not None:
                phone.now += timedelta(minutes=step.after)
            elif step.text is not None:
                got = await phone.text(step.text)
            if wrong := _compared(step, got):
                zh, en = wrong
                faults.append(source.fault(("tests", number, "steps", n), f"{test.name}:{zh}", f"{test.name}: {en}"))
    return len(table.file.tests), faults


def _compared(step: TextStep, got: str) -> tuple[str, str] | None:
    """What did not go as written, in Chinese and in English."""
    if step.expect and step.expect not in got:
        shown = got or "（没有回复）"
        return f"回复里没有“{step.expect}”。回复的是：{shown}", f"“{step.expect}” is not in the reply: {shown}"
    if step.expect_not and step.expect_not in got:
        return f"回复里不该有“{step.expect_not}”：{got}", f"“{step.expect_not}” is in the reply: {got}"
    if step.silence and got:
        return f"不该回复，却回复了：{got}", f"no reply was expected, but: {got}"
    return None
