"""What to do about a text: the text, what we know of the phone, and the moment make one act. Pure.

Any text in any state gets exactly one act, and nothing is raised.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from fund.clock import CHINA
from fund.fields import Value
from sms.keyword_file import KeywordWritten
from sms.keywords import Found, Table
from sms.opt_outs import ALL
from sms.plain import MOST, choice_in, month_in, plain

WRONG_ANSWERS = 2  # to an open question; then it is closed
MOST_CHOICES = 9  # in one text; whoever has more asks for them
_MORE = ("更多", "下一页", "下页", "后面的")
_UNKNOWN = ("reply_unknown", "reply_did_you_mean")

# What machines text back: answered once a day at most, or two of them talk for ever.
_AUTOMATIC = re.compile(
    r"(?i)^\s*【|自动(回复|应答)|自動(回覆|應答)|请勿(直接)?回复|机器人|out of office|auto.?(reply|respon)|"
    r"正在(开会|开车|驾驶|忙)|稍后(再)?(联系|回复|给[您你])|不方便(接听|接电话)"
)
_BETWEEN_CLAUSES = re.compile(r"[，。！？；,.!?;\n]+")


@dataclass(frozen=True, slots=True)
class Session:
    """A question that is open."""

    question: Literal["month", "account"]
    keyword: str  # the name of the one that asked
    accounts: tuple[str, ...] = field(default=(), repr=False)
    month: str = ""
    wrong: int = 0
    first: int = 0  # of the accounts that were told last


@dataclass(frozen=True, slots=True)
class Peer:
    """What we know of the phone that texts, before its text."""

    phone: str = field(repr=False)
    session: Session | None = None
    off: frozenset[str] = frozenset()
    last_kind: str = ""  # of the last notice it got that may be turned off
    sent: Sequence[tuple[str, datetime]] = ()  # our answers to it, of today and of the last ten minutes

    def told(self, templates: Sequence[str], since: datetime) -> int:
        return sum(template in templates and at >= since for template, at in self.sent)


@dataclass(frozen=True, slots=True)
class Tell:
    template: str
    params: Mapping[str, Value] = field(default_factory=dict)
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    why: str


@dataclass(frozen=True, slots=True)
class Query:
    name: str
    keyword: KeywordWritten
    month: str = ""
    account: str = field(default="", repr=False)
    first: int = 0  # of the accounts to choose from


@dataclass(frozen=True, slots=True)
class Switch:
    kind: str
    on: bool
    quietly: bool = False


@dataclass(frozen=True, slots=True)
class CallBack:
    pass


@dataclass(frozen=True, slots=True)
class Order:
    number: str


Act = Tell | Silence | Query | Switch | CallBack | Order


def decide(table: Table, peer: Peer, text: str, now: datetime) -> Act:
    """What to do about a text. Pure: every text gets exactly one act."""
    local, words = now.astimezone(CHINA), plain(text)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    limits = table.file.limits
    closes = peer.session is not None and table.closes(words)
    declined = None if closes else _declined(table, text, local.date())
    if _AUTOMATIC.search(text) and not declined:
        return _unknown(table, peer, "", midnight, most=1)
    found = None if closes else declined or table.find(words, local.date())
    lately = sum(at >= now - timedelta(minutes=10) for _, at in peer.sent)
    if lately >= limits.replies_in_ten_minutes or len(peer.sent) >= limits.replies_a_day:
        switch = _switch(table, peer, found) if found else None
        return replace(switch, quietly=True) if switch else Silence("too_many")
    if closes:
        return Tell("reply_closed")
    if peer.session and (act := _continued(table, peer.session, words, found, local.date())):
        return _within_limit(table, peer, act, midnight)
    if found:
        return _within_limit(table, peer, _act(table, peer, found, local.date()), midnight)
    return _unknown(table, peer, words, midnight, most=limits.unknown_a_day)


def _declined(table: Table, text: str, today: date) -> Found | None:
    """What turns texts off, be it one clause among others: `我不方便接电话，请退订`. Who wants to be left alone, is."""
    clauses = [each for each in map(plain, _BETWEEN_CLAUSES.split(text[:MOST])) if len(each) > 1]
    unclear = {each for each in clauses if table.closes(each)}  # a `取消` among other words may cancel anything
    for each in [plain(text), *(clause for clause in clauses if clause not in unclear)]:
        if (found := table.find(each, today)) and found.keyword.do == "turn_off":
            return found
    return None


def _act(table: Table, peer: Peer, found: Found, today: date) -> Act:
    keyword = found.keyword
    if keyword.say:
        return Tell(keyword.say)
    if keyword.report:
        return Query(found.name, keyword, month_in(found.rest, today) or "")
    if switch := _switch(table, peer, found):
        return switch
    return CallBack() if keyword.do == "call_back" else Order(found.rest.upper())


def _switch(table: Table, peer: Peer, found: Found) -> Switch | None:
    if found.keyword.do not in ("turn_off", "turn_on"):
        return None
    turn_on = found.keyword.do == "turn_on"
    named = table.kind(found.rest) if found.rest else None
    kind = named or (ALL if turn_on else peer.last_kind or ALL)
    return Switch(ALL if kind == "all" else kind, turn_on)


def _continued(table: Table, session: Session, words: str, found: Found | None, today: date) -> Act | None:
    """The answer to the open question; None when the text is about something else."""
    keyword = table.file.keywords.get(session.keyword)
    if keyword is None or not keyword.report:  # the keywords were changed meanwhile
        return None
    if session.question == "month":
        if month := month_in(table.bare(words), today):
            return Query(session.keyword, keyword, month, session.accounts[0] if session.accounts else "")
        return None if found else _again(session, "reply_bad_month")
    if 1 <= (choice := choice_in(table.bare(words))) <= len(session.accounts):
        return Query(session.keyword, keyword, session.month, session.accounts[choice - 1])
    if words in _MORE and (more := session.first + MOST_CHOICES) < len(session.accounts):
        return Query(session.keyword, keyword, session.month, first=more)
    if found and not words.isdigit():
        return None
    return _again(session, "reply_bad_choice", count=len(session.accounts))


def _again(session: Session, template: str, **params: Value) -> Act | None:
    if session.wrong >= WRONG_ANSWERS:
        return None
    return Tell(template, params, replace(session, wrong=session.wrong + 1))


def _within_limit(table: Table, peer: Peer, act: Act, midnight: datetime) -> Act:
    """Accounts are looked at only so often a day; that it is over is told once."""
    if not isinstance(act, Query):
        return act
    reports = [each.template for each in table.file.keywords.values() if each.report]
    if peer.told(reports, midnight) < table.file.limits.queries_a_day:
        return act
    return Silence("limit_told") if peer.told(("reply_limit",), midnight) else Tell("reply_limit")


def _unknown(table: Table, peer: Peer, words: str, midnight: datetime, most: int) -> Act:
    if peer.told(_UNKNOWN, midnight) >= most:
        return Silence("not_understood_again")
    if meant := table.nearest(words):
        return Tell("reply_did_you_mean", {"title": meant.title, "word": meant.words[0]})
    return Tell("reply_unknown")
