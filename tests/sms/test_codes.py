"""Codes: once, bound, counted before compared, limited in every direction, on both engines."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sms.codes import BY_OTHERS, WITHHELD, Checked, Codes
from sms.errors import Refused, TryLater
from sms.messages import LANES
from sms.outbox import Outbox
from sms.sender import Sender
from sms.settings import CodeSettings, TextSettings
from sms.store import Store
from sms.templates import load

PHONE = "13900000001"


class Desk:
    """Codes with a clock of the test's, and the phone they arrive on."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.now = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
        self.outbox = Outbox(store, lambda: self.now)
        self.rung: list[tuple[str, str]] = []
        self.exchange_away = False
        sender = Sender(self.outbox, load(Path("prompts/sms.yaml")), TextSettings())
        self.codes = Codes(store, sender, CodeSettings(**settings), self.ring)

    async def ring(self, to: str, code: str) -> None:
        if self.exchange_away:
            raise TryLater("exchange_away", 30)
        self.rung.append((to, code))

    async def received(self) -> list[str]:
        return [each.params["code"] for each in await self.outbox.claim(LANES, 100, 60)]

    async def begin(self, to: str = PHONE, purpose: str = "login", client: str = "hall", **more: Any) -> Any:
        return await self.codes.begin(client, to, purpose, **more)

    async def state(self, id: str, code: str, client: str = "hall") -> Any:
        checked = await self.codes.check(client, id, code)
        return checked and (checked.status, checked.attempts_left)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_code_is_good_once(store: Store) -> None:
    desk = Desk(store)
    begun = await desk.begin()
    (code,) = await desk.received()
    assert (len(code), begun.to_masked) == (6, "*******0001")
    assert await desk.state(begun.id, wrong(code)) == ("pending", 4)
    assert await desk.state(begun.id, code) == ("approved", 3)
    assert await desk.codes.check("hall", begun.id, code) == Checked("expired", 0, used=True)


async def test_a_resend_carries_the_same_code_and_the_same_count(store: Store) -> None:
    desk = Desk(store)
    begun = await desk.begin()
    assert begun.resend_after == desk.now + timedelta(seconds=60)
    (code,) = await desk.received()
    await desk.state(begun.id, wrong(code))
    with pytest.raises(TryLater) as soon:
        await desk.begin()
    assert (soon.value.reason, soon.value.after_seconds) == ("too_soon", 60)
    desk.later(seconds=60)
    again = await desk.begin()
    assert (again.id, await desk.received()) == (begun.id, [code])
    assert await desk.state(begun.id, wrong(code)) == ("pending", 3)


async def test_a_resend_says_how_long_the_code_still_lives(store: Store) -> None:
    desk, said = Desk(store), []
    for seconds in (0, 130, 105, 60):
        desk.later(seconds=seconds)
        begun = await desk.begin()
        assert begun.resend_after <= begun.expires_at
        (claimed,) = await desk.outbox.claim(LANES, 100, 60)
        said.append((begun.id, claimed.params["minutes"]))
        assert f"{claimed.params['minutes']}分钟" in claimed.text
    first, last = said[0][0], said[-1][0]
    assert said == [(first, "5"), (first, "2"), (first, "1"), (last, "5")]
    assert first != last, "a code about to end is not sent again: there is a new one"


async def test_a_code_is_bound_to_its_purpose_client_and_time(store: Store) -> None:
    desk = Desk(store, wait_seconds=0)
    login = await desk.begin(purpose="login")
    await desk.begin(purpose="reset_pin")
    first, second = await desk.received()
    if first != second:
        assert await desk.state(login.id, second) == ("pending", 4)
    assert await desk.state(login.id, first, client="app") is None
    desk.later(minutes=5)
    assert await desk.state(login.id, first) == ("expired", 0)


async def test_five_hundred_guesses_at_once_get_five(store: Store) -> None:
    desk = Desk(store)
    begun = await desk.begin()
    (code,) = await desk.received()
    results = await asyncio.gather(*(desk.state(begun.id, wrong(code)) for _ in range(60)))
    assert sorted(left for state, left in results if state == "pending") == [1, 2, 3, 4]
    assert await desk.state(begun.id, code) == ("exhausted", 0)


async def test_the_right_code_twice_at_once_is_approved_once(store: Store) -> None:
    desk = Desk(store)
    begun = await desk.begin()
    (code,) = await desk.received()
    results = await asyncio.gather(*(desk.state(begun.id, code) for _ in range(5)))
    assert [state for state, _ in results].count("approved") == 1


async def test_wrong_codes_of_a_phone_add_up_over_new_codes(store: Store) -> None:
    desk = Desk(store, wait_seconds=0)
    for _ in range(2):
        begun = await desk.begin()
        for code in await desk.received():
            for _ in range(5):
                await desk.state(begun.id, wrong(code))
    with pytest.raises(TryLater) as limit:
        await desk.begin()
    assert limit.value.reason == "too_many_wrong_codes"
    desk.later(hours=1)
    await desk.begin()


async def test_a_right_code_is_not_counted_as_wrong(store: Store) -> None:
    desk = Desk(store, wait_seconds=0, sends_an_hour=50, sends_a_day=50)
    for _ in range(12):
        begun = await desk.begin()
        (code,) = await desk.received()
        assert (await desk.state(begun.id, code))[0] == "approved"


async def test_sends_are_limited_by_hour_and_day(store: Store) -> None:
    desk = Desk(store)
    for hour in range(2):
        for _ in range(5):
            await desk.begin()
            desk.later(seconds=60)
        with pytest.raises(TryLater) as limit:
            await desk.begin()
        assert limit.value.reason == "too_many_sends"
        assert 3200 < limit.value.after_seconds < 3600 if hour == 0 else limit.value.after_seconds > 80_000
        desk.later(hours=1)


async def test_sends_are_limited_by_address_and_network(store: Store) -> None:
    desk = Desk(store, address_an_hour=2, network_an_hour=3)
    for n in range(2):
        await desk.begin(f"1390000000{n}", address="203.0.113.7")
    for n, reason in ((2, "address_limit"), (3, "")):
        if reason:
            with pytest.raises(TryLater, match=reason):
                await desk.begin(f"1390000000{n}", address="203.0.113.7")
        else:
            await desk.begin(f"1390000000{n}", address="203.0.113.8")
    with pytest.raises(TryLater, match="network_limit"):
        await desk.begin("13900000009", address="203.0.113.9")


async def sent(desk: Desk, addresses: Sequence[str]) -> int:
    """How many codes go out when each of these asks for one, to a phone of its own."""
    gone = 0
    for n, address in enumerate(addresses):
        with suppress(TryLater):
            await desk.begin(f"138{n:08d}", address=address)
            gone += 1
    return gone


@pytest.mark.parametrize("way", ["{}", "::ffff:{}", "64:ff9b::{}"])
async def test_people_far_apart_share_no_limit_however_their_ipv4_is_written(store: Store, way: str) -> None:
    desk = Desk(store, network_an_hour=2, wait_seconds=0)
    assert await sent(desk, [way.format(f"1.2.{n}.4") for n in range(6)]) == 6
    assert await sent(desk, [way.format(f"203.0.113.{n}") for n in range(6)]) == 2


@pytest.mark.parametrize(
    "ways",
    [
        ["2001:db8:7::1", "2001:DB8:7::1", "2001:0db8:7:0::1", "2001:db8:7::1%eth0"],
        ["203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107", "64:ff9b::203.0.113.7"],
    ],
)
async def test_one_address_has_one_count_however_it_is_written(store: Store, ways: list[str]) -> None:
    assert await sent(Desk(store, address_an_hour=2), ways) == 2


@pytest.mark.parametrize("address", ["nonsense", "1.2.3.4 ", "01.2.3.4", "1.2.3.4/24", "1.2.3.4%eth0"])
async def test_what_is_no_address_is_refused(store: Store, address: str) -> None:
    with pytest.raises(Refused, match="bad_address"):
        await Desk(store).begin(address=address)


async def test_many_at_once_do_not_slip_through(store: Store) -> None:
    desk = Desk(store)
    results = await asyncio.gather(*(desk.begin() for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in results) == 1


async def test_many_phones_at_once_do_not_slip_through_the_limits_of_an_address(store: Store) -> None:
    desk = Desk(store, address_an_hour=3, network_an_hour=5)
    there = [f"203.0.113.{n % 2}" for n in range(40)]
    asked = (desk.begin(f"138{n:08d}", address=address) for n, address in enumerate(there))
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in results) == 5
    assert {str(each) for each in results if isinstance(each, Exception)} <= {"address_limit", "network_limit"}


async def test_codes_nobody_uses_stop_the_client(store: Store) -> None:
    desk = Desk(store, conversion_sample=10, conversion_floor=0.2)
    for n in range(10):
        await desk.begin(f"139000001{n:02d}")
    desk.later(minutes=6)
    with pytest.raises(TryLater, match="conversion_too_low"):
        await desk.begin()
    await desk.begin(client="app")


async def test_test_numbers_have_their_code_and_get_no_text(store: Store) -> None:
    desk = Desk(store, test_numbers={"13800000000": SecretStr("246810")})
    begun = await desk.begin("13800000000")
    begun = await desk.begin("13800000000")
    assert await desk.received() == []
    assert (await desk.state(begun.id, "246810"))[0] == "approved"


async def test_a_monitor_whose_codes_nobody_uses_stops_nobody(store: Store) -> None:
    desk = Desk(store, test_numbers={"13800000000": SecretStr("246810")}, conversion_sample=10, minutes=1)
    for _ in range(12):
        await desk.begin("13800000000")
        desk.later(seconds=61)
    await desk.begin()


async def test_the_telephone_reads_the_code_out(store: Store) -> None:
    desk = Desk(store)
    begun = await desk.begin(channel="voice")
    assert await desk.received() == []
    ((to, of),) = desk.rung
    code = await desk.codes.spoken(of)
    assert to == PHONE and (await desk.state(begun.id, code))[0] == "approved"
    assert await desk.codes.spoken(of) == "" == await desk.codes.spoken("nothing"), "used up: there is nothing to read"


async def test_a_code_that_is_too_old_is_not_read_out(store: Store) -> None:
    desk = Desk(store)
    await desk.begin(channel="voice")
    desk.later(minutes=6)
    assert await desk.codes.spoken(desk.rung[0][1]) == ""


async def test_a_call_that_cannot_be_placed_counts_as_none(store: Store) -> None:
    desk = Desk(store, sends_an_hour=2, conversion_sample=10)
    desk.exchange_away = True
    for n in range(12):
        for phone in (PHONE, f"138{n:08d}"):
            with pytest.raises(TryLater, match="exchange_away"):
                await desk.begin(phone, channel="voice", address="203.0.113.7")
    desk.later(minutes=6)
    begun = await desk.begin()
    (code,) = await desk.received()
    desk.later(seconds=60)
    with pytest.raises(TryLater, match="exchange_away"):
        await desk.begin(channel="voice")
    assert (await desk.begin()).id == begun.id
    assert await desk.received() == [code], "a code by text after one that was not read out"
    assert await desk.state(begun.id, code) == ("approved", 4)


async def test_a_code_whose_text_cannot_be_stored_counts_as_none(store: Store) -> None:
    desk = Desk(store)
    await change(store, "ALTER TABLE message RENAME TO away")
    with pytest.raises(DBAPIError):
        await desk.begin()
    await change(store, "ALTER TABLE away RENAME TO message")
    await desk.begin()
    assert len(await desk.received()) == 1


async def change(store: Store, statement: str) -> None:
    async with store.engine.begin() as connection:
        await connection.execute(text(statement))


async def test_without_a_telephone_it_says_so(store: Store) -> None:
    desk = Desk(store)
    desk.codes.call = None
    with pytest.raises(Refused, match="no_voice_channel"):
        await desk.begin(channel="voice")


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "😀" * 6, "\ud800"])
async def test_nonsense_is_a_wrong_code(store: Store, code: str) -> None:
    desk = Desk(store)
    begun = await desk.begin()
    assert await desk.state(begun.id, code) == ("pending", 4)


async def test_a_code_says_what_it_is_for(store: Store) -> None:
    desk = Desk(store, wait_seconds=0)
    for purpose, template in (("reset_pin", "code_reset_pin"), ("withdraw", "code")):  # the second has none of its own
        await desk.begin(purpose=purpose)
        (claimed,) = await desk.outbox.claim(LANES, 100, 60)
        assert claimed.template == template


async def test_unknown_purposes_are_refused(store: Store) -> None:
    with pytest.raises(Refused, match="unknown_purpose"):
        await Desk(store).begin(purpose="anything")


async def asked_for(desk: Desk, to: str, caller: str) -> str:
    """What a caller from another number hears who asks for a code to `to`: `sent`, or why not; a minute goes by."""
    desk.later(seconds=61)
    try:
        await desk.begin(to, "reset_pin", BY_OTHERS, address=caller)
    except TryLater as later:
        return later.reason
    return "sent"


async def test_strangers_use_up_nothing_of_the_owner_s(store: Store) -> None:
    """Neither sends, nor the wait between two, nor tries: what they ask for is apart, and little."""
    desk = Desk(store)
    asked = [await asked_for(desk, PHONE, f"025888800{n:02d}") for n in range(12)]
    assert asked == ["sent"] * 3 + ["too_many_sends"] * 9
    mine = await desk.begin(PHONE, "reset_pin", "hotline")
    *_, code = await desk.received()
    assert await desk.state(mine.id, code, "hotline") == ("approved", 4)


async def test_wrong_codes_of_strangers_are_counted_apart(store: Store) -> None:
    desk = Desk(store)
    for n in range(2):
        theirs = await desk.begin(PHONE, "reset_pin", BY_OTHERS, address=f"025888800{n:02d}")
        *_, code = await desk.received()
        for _ in range(5):
            await desk.state(theirs.id, wrong(code), BY_OTHERS)
        desk.later(minutes=6)
    assert await asked_for(desk, PHONE, "02588889999") == "too_many_wrong_codes"
    mine = await desk.begin(PHONE, "reset_pin", "hotline")
    *_, code = await desk.received()
    assert await desk.state(mine.id, wrong(code), "hotline") == ("pending", 4)
    assert await desk.state(mine.id, code, "hotline") == ("approved", 3)


async def test_one_calling_number_texts_few_phones_and_withheld_ones_share_a_rate(store: Store) -> None:
    desk = Desk(store)
    phones = [f"139000010{n:02d}" for n in range(40)]
    assert [await asked_for(desk, phone, "02588888888") for phone in phones[:7]] == ["sent"] * 5 + ["caller_limit"] * 2
    asked = []
    for phone in phones:
        desk.later(seconds=-50)
        asked.append(await asked_for(desk, phone, WITHHELD))
    assert asked == ["sent"] * 30 + ["caller_limit"] * 10
