"""The people's side, put together: `open_desk(...)`, then `start`; `stop` mirrors it.

What a call leaves for people (messages, call-backs, ratings) is answered here for the engine; chores see to what a
crash or a hang-up left half done, tell callers about their orders, and remind staff.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.callbacks import CallBacks, Channel
from desk.order import UNDONE, News, Order, OrderRefused, Terms, Wanted, reminders
from desk.orders import Orders
from desk.surveys import Surveys
from desk.visits import Visits
from fund.calendar import PUBLIC, Calendar
from fund.clock import CHINA
from fund.phone import NotAPhone, is_mobile, normalise
from fund.privacy import Privacy, Unreadable
from hotline.settings import OrderSettings
from hotline.tapes import Take, Tapes
from sms.errors import Refused, TryLater
from sms.housekeeping import Chore, Housekeeper

log = structlog.get_logger()

SHORTEST_SECONDS = 1.5  # what is shorter is a breath, or a telephone put down
SETTLED_SECONDS = 2.0  # a file that nobody has written to for so long is complete
TALK_SECONDS = 60.0  # a talk that is on hold may be silent, but not for so long without a sample
ABANDONED = timedelta(minutes=30)  # longer than a call lasts: a message in which nothing has happened lost its caller
TELL_FOR = timedelta(days=2)  # what callers could not be told by then is no news any more
LONGEST_ANSWER = 120  # characters of an outcome in a text: `max` of the template
STATES = {
    "open": "已受理", "assigned": "正在办理", "forwarded": "已转承办部门", "reopened": "重新办理中",
    "answered": "已办结", "closed": "已办结",
}  # fmt: skip

Answer = tuple[str, Mapping[str, Any]]
Ask = Callable[[str, Mapping[str, Any], datetime], Awaitable[Answer]]


class Texts(Protocol):
    """What the desk may ask of the text side. Sending raises `Refused` or `TryLater`."""

    async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str: ...


class Desk:
    """Everything of the people's side that lives as long as the process."""

    def __init__(
        self, engine: AsyncEngine, privacy: Privacy, tapes: Tapes, texts: Texts, settings: OrderSettings
    ) -> None:
        self.calendar: Callable[[], Calendar] = lambda: PUBLIC  # the flows know better, once they are loaded
        self.queues: Callable[[], Collection[str]] = tuple  # those that may be asked for; none: any
        terms = Terms(settings.forward_days, settings.answer_days)
        self.orders = Orders(engine, privacy, lambda day, count: self.calendar().add_working_days(day, count), terms)
        self.call_backs = CallBacks(engine, privacy)
        self.surveys, self._visits = Surveys(engine), Visits(engine)
        self.tapes = tapes
        self._texts, self._settings = texts, settings
        self.answers: Mapping[str, Ask] = {
            "open_message": self._open_message,
            "recorded": self._recorded,
            "leave_message": self._leave_message,
            "ask_callback": self._ask_callback,
            "rate": self._rate,
            "order_state": self._order_state,
        }
        self._housekeeper = Housekeeper(
            [
                Chore("settle messages", 2, self.settle),
                Chore("tell callers", 15, self.tell),
                Chore("remind staff", 300, self.remind),
                Chore("remove what is old", 24 * 3600, self.remove_old),
            ]
        )

    def start(self) -> None:
        """Begin the chores."""
        self._housekeeper.start()

    async def stop(self) -> None:
        """End them; what is half done is done by the next process."""
        await self._housekeeper.stop()

    # what a call asks

    async def _open_message(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        about = {name: args[name] for name in ("topic", "caller", "account")}
        return "ready", {"number": await self.orders.draft(args["kind"], call_id=call, **about)}

    async def _recorded(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        seconds = await asyncio.to_thread(self.tapes.seconds, args["recording"])
        return ("ok", {"seconds": seconds}) if seconds else ("nothing", {})

    async def _leave_message(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        number = args["number"]
        if args["parted"]:
            await self.orders.part(number, args["recording"])
            return "opened", {}
        order = await self.orders.keep(number, args["recording"])
        texted = await self._tell_opened(number)
        return "opened", {"number": number, "days": self._settings.answer_days, "texted": texted and bool(order)}

    async def _tell_opened(self, number: str) -> bool:
        """Whether the caller's number gets a text; the text itself may also go later."""
        now = datetime.now(UTC)
        mine = [news for news in await self.orders.news(now - TELL_FOR) if news.order.number == number]
        for news in mine:
            await self._tell(news)
        return any(is_mobile(news.personal.caller) for news in mine)

    async def _ask_callback(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        try:
            number = callable_number(args["number"])
        except NotAPhone:
            return "bad_number", {}
        asked = await self.ask_back(number, args["queue"], reason=args["topic"], call_id=call)
        return ("asked" if asked.fresh else "already"), {"ahead": asked.ahead}

    async def ask_back(
        self, number: str, queue: str = "general", *, reason: str = "", call_id: str = "", channel: Channel = "voice"
    ) -> Any:
        """Ask for a number to be called by a queue's people; a queue that is not there is the general one."""
        known = self.queues()
        queue = queue if not known or queue in known else "general"
        return await self.call_backs.ask(number, queue=queue, reason=reason, call_id=call_id, channel=channel)

    async def tell_missed(self, id: str) -> None:
        """Text whoever asked to be called, and was tried in vain: once, and a mobile number only."""
        try:
            number, tries = await self.call_backs.number(id), await self.call_backs.tries(id)
        except Unreadable:
            log.error("call_back_unreadable", request=id)
            return
        if not (tries and is_mobile(number)):
            return
        params = {"time": f"{tries[-1].began_at.astimezone(CHINA):%H:%M}"}
        try:
            await self._texts.send_text(number, "callback_missed", params, f"callback:{id}:missed")
        except (Refused, TryLater) as fault:
            log.warning("callback_not_told", callback=id, reason=fault.reason.partition(":")[0])

    async def _rate(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        about = {name: args[name] for name in ("agent", "queue", "topic")}
        return ("kept" if await self.surveys.rate(call, args["rating"], **about) else "already"), {}

    async def _order_state(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        told = await self.orders.told(args["number"], phone=args["caller"], account=args["account"])
        if told is None:
            return "nothing", {}
        order, outcome = told
        day = order.answer_by.astimezone(CHINA).date()
        return "ok", {"state": _spoken(order), "answer_by": day.isoformat(), "outcome": outcome}

    # chores

    async def settle(self) -> None:
        """Messages whose caller hung up, or was lost with a service, become orders; finished ones are sealed."""
        takes = await asyncio.to_thread(lambda: list(self.tapes.takes()))
        now = datetime.now(UTC)
        by_order: dict[str, list[Take]] = {}
        for take in takes:
            if not take.order:
                if now.timestamp() - take.touched > TALK_SECONDS:
                    await self._file(take.name)
                continue
            by_order.setdefault(take.order, []).append(take)
        drafts = {draft.number: draft for draft in await self.orders.drafts(now)}
        for number, draft in drafts.items():
            await self._settle(draft, by_order.get(number, []), now)
        for number, mine in by_order.items():
            if number not in drafts and now.timestamp() - mine[-1].touched > SETTLED_SECONDS:
                await self._put_away(number, mine)

    async def _settle(self, draft: Order, takes: Sequence[Take], now: datetime) -> None:
        """One draft: an order if something was said, forgotten if not; left alone while its caller may be there."""
        touched = max((take.touched for take in takes), default=draft.opened_at.timestamp())
        parted = bool(draft.recording)
        wait = SETTLED_SECONDS if parted and takes else ABANDONED.total_seconds()  # the recording may yet come
        if now.timestamp() - touched < wait:
            return
        spoken = [take for take in takes if take.seconds >= SHORTEST_SECONDS]
        if spoken:
            await self.orders.keep(draft.number, spoken[-1].name)
            log.info("message_settled", call=draft.call_id, parted=parted)
        else:
            await self.orders.drop(draft.number)
            for take in takes:
                await asyncio.to_thread(self.tapes.forget, take.name)

    async def _put_away(self, number: str, takes: Sequence[Take]) -> None:
        """Seal the take of an order; the others were said anew. One whose order is not there is kept all the same."""
        order = await self.orders.find(number)
        for take in takes:
            await self._file(take.name, said_anew=order is not None and take.name != order.recording)

    async def _file(self, name: str, *, said_anew: bool = False) -> None:
        """Seal a recording, or remove it. One that cannot be read or written holds no other up, and no order."""
        try:
            await asyncio.to_thread(self.tapes.forget if said_anew else self.tapes.seal, name)
        except OSError as fault:
            log.error("recording_not_sealed", recording=name, fault=type(fault).__name__)

    async def tell(self) -> None:
        """Text callers the number of their order, and its outcome."""
        for news in await self.orders.news(datetime.now(UTC) - TELL_FOR):
            await self._tell(news)

    async def _tell(self, news: News) -> None:
        """One text, sent once whoever asks for it; a number that gets none is not tried again."""
        order, to = news.order, news.personal.caller
        days, answer = {"days": self._settings.answer_days}, {"answer": _short(news.personal.outcome)}
        params: dict[str, Any] = {"number": order.number, **(days if news.what == "opened" else answer)}
        key = f"order:{order.number}:{news.what}:{(order.answered_at or order.opened_at):%Y%m%d%H%M%S}"
        try:
            if is_mobile(to):
                await self._texts.send_text(to, f"order_{news.what}", params, key)
        except TryLater:
            return
        except Refused as refused:
            log.warning("order_not_told", order=order.number, what=news.what, reason=refused.reason.partition(":")[0])
            await self.orders.note(order.number, "hotline", "短信无法发送，请用电话答复。")
        await self.orders.mark_told(order.number, news.what)

    async def remind(self) -> None:
        """Remind the people on duty of orders that are nearly late."""
        now, ahead = datetime.now(UTC), timedelta(hours=self._settings.remind_hours)
        undone = await self.orders.list(Wanted(states=UNDONE, limit=1000))
        for reminder in reminders(undone, now, ahead):
            await self._remind(reminder.order, reminder.what, reminder.by)
            if await self.orders.reminded(reminder.order.number, reminder.what):
                log.warning("order_nearly_late", order=reminder.order.number, what=reminder.what, by=str(reminder.by))

    async def _remind(self, order: Order, what: str, by: datetime) -> None:
        """One text to each phone, sent once whoever asks for it; one that was reopened is due anew."""
        local = by.astimezone(CHINA)
        params = {"number": order.number, "date": local.date(), "time": f"{local:%H:%M}"}
        for phone in self._settings.duty_phones:
            try:
                key = f"due:{order.number}:{what}:{local:%Y%m%d}:{phone}"
                await self._texts.send_text(phone, f"order_due_{what}", params, key)
            except (Refused, TryLater) as fault:
                log.warning("staff_not_reminded", order=order.number, reason=fault.reason.partition(":")[0])

    async def remove_old(self) -> None:
        """Nothing is kept longer than its time."""
        now, keep = datetime.now(UTC), timedelta(days=self._settings.keep_recordings_days)
        await asyncio.to_thread(self.tapes.remove_old, now, keep)
        for store in (self.orders, self.call_backs, self.surveys, self._visits):
            await store.remove_old(now - timedelta(days=self._settings.keep_days))

    async def listen(self, number: str, who: str) -> bytes:
        """An order's recording as WAV; that `who` listened is kept first. Raises `OrderRefused`, `OSError`."""
        order = await self.orders.find(number)
        if order is None or not order.recording:
            raise OrderRefused("no_recording")
        await self.orders.listened(number, who)
        return await asyncio.to_thread(self.tapes.load, order.recording)

    async def listen_to_talk(self, name: str) -> bytes:
        """One of `tapes.talks(call)` as WAV; whoever shows it audits the look first. Raises `OSError`."""
        return await asyncio.to_thread(self.tapes.load, name)


def callable_number(raw: str) -> str:
    """A number we can call back: normalised, a mainland mobile or a land line. Raises `NotAPhone`."""
    number = normalise(raw)
    if not (number.isdigit() and 10 <= len(number) <= 12):
        raise NotAPhone("not a number that can be called back")
    return number


def _short(outcome: str) -> str:
    """As much of an outcome as a text may hold."""
    return outcome if len(outcome) <= LONGEST_ANSWER else outcome[: LONGEST_ANSWER - 1] + "…"


def _spoken(order: Order) -> str:
    """The word of the phrase that tells its state: open, working or answered."""
    return {"open": "open", "answered": "answered", "closed": "answered"}.get(order.state, "working")
