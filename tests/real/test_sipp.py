"""Calls by SIPp through the real Asterisk: keys by RFC 4733, and what each caller heard, decoded and found in order."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from fund.demo.accounts import account
from fund.demo.people import Who, unit
from ivr.utterance import Utterance
from tests import hearing
from tests.leaks import told
from tests.real import sipp
from tests.real.asterisk import Asterisk
from tests.real.running import Running
from tests.real.sipp import Press, Relay, Wait
from tests.real.spoken import PHRASES, said, sound
from tests.real.telephone import pin_only

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
WELCOME = said("您好，欢迎致电镇江市住房公积金热线。")
ASK = said(PHRASES["ask_pin_bound"]["zh"])


async def calls(
    folder: Path, asterisk: Asterisk, callers: list[tuple[str, ...]], *acts: sipp.Act, rate: float = 1
) -> sipp.Calls:
    try:
        return await sipp.run(folder, asterisk.sip_port, callers, acts, rate=rate)
    except sipp.NoSipp as reason:
        pytest.skip(str(reason))


async def test_a_caller_hears_their_balance(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = lines
    keys = Wait(7), Press("1"), Wait(5), Press("111222"), Wait(7), Press("135790"), Wait(14)
    made = await calls(tmp_path, asterisk, [("13900000001",)], *keys)
    assert (made.done, made.failed) == (1, 0), made.told
    wrong = said(PHRASES["wrong_pin"]["zh"], left=("number", 2))
    balance = said("您的账户余额为{balance}。", personal=True, balance=("money", Decimal("12345.67")))
    hearing.assert_in_order(
        made.heard(),
        [
            ("welcome", sound(running, WELCOME)),
            ("pin", sound(running, ASK)),
            ("wrong", sound(running, wrong, ASK)),
            ("balance", sound(running, balance)),
        ],
        whole=["welcome", "balance"],
    )
    assert not told("135790", running.events()) and not told("135790", asterisk.console())


def balance_of(who: Who, today: date) -> Utterance:
    yuan = Decimal(account(who, unit(who.employer), today).row["balance"]) / 100
    return said("您的账户余额为{balance}。", personal=True, balance=("money", yuan))


async def test_thirty_callers_at_once_hear_their_balances(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = lines
    people = pin_only()[:30]
    before = len(running.calls())
    keys = Wait(6), Press("1"), Wait(3), Relay(1, 6), Wait(20)
    made = await calls(tmp_path, asterisk, [(who.phone, who.pin or "") for who in people], *keys, rate=3)
    assert (made.done, made.failed) == (30, 0), made.told
    today = date.fromisoformat((running.home / "ledger.made").read_text())
    for n, who in enumerate(people):
        hearing.assert_in_order(made.heard(n), [("balance", sound(running, balance_of(who, today)))], whole=["balance"])
    kept = running.calls()[: len(running.calls()) - before]
    assert {call["node"] for call in kept} == {"account/balance"}
