"""Templates without an id at a cloud: another provider may have the text, and whoever runs this is told."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hotline.keywords import text_faults
from hotline.settings import Settings
from sms import templates
from sms.messages import LANES, Message
from sms.outbox import Outbox
from sms.providers.smpp import Smpp, SmppSettings
from sms.providers.tencent import Tencent, TencentSettings
from sms.routing import Router
from sms.settings import TextSettings
from sms.store import Store, utc_now
from sms.tables import message
from sms.unfiled import unfiled
from sms.workers import Rules, Worker

CENTRE = {"host": "127.0.0.1", "port": 9, "system_id": "a", "password": "b", "sender": "12329"}
CLOUD = {"secret_id": "k", "secret_key": "s", "app_id": "1400006666"}
FILE = """signature: 镇江公积金
templates:
  code: {lane: code, kind: code, text: "验证码{code}", params: {code: code}, life: 5m, providers: {cloud: 1800001}}
  balance: {lane: reply, kind: account, text: 余额, params: {}, life: 2h}
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_stand_by_without_the_template_kills_no_text(outbox: Outbox) -> None:
    async with aiohttp.ClientSession() as session:
        smpp = Smpp("smpp", SmppSettings.model_validate(CENTRE), session)  # not bound yet
        cloud = Tencent("cloud", TencentSettings.model_validate(CLOUD), session)
        router = Router({"smpp": smpp, "cloud": cloud}, [], random.Random(1))
        worker = Worker(LANES, outbox, router, Rules(None, 9, lambda *_: ""), random.Random(1))
        await outbox.add(Message(to="13900000001", text="您好"))
        await worker._turn()
        await asyncio.gather(*worker._busy)
    async with outbox.store.read() as connection:
        row = (await connection.execute(message.select())).one()
    assert (row.status, row.dead_at) == ("queued", None)
    assert router.breakers["cloud", ""]._row == 0, "nothing is wrong with the cloud: filed texts still go there"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_text_that_no_provider_could_take_waits_to_be_filed_and_ends_by_its_expiry(store: Store) -> None:
    now = utc_now()
    outbox = Outbox(store, lambda: now)
    async with aiohttp.ClientSession() as session:
        router = Router(
            {"cloud": Tencent("cloud", TencentSettings.model_validate(CLOUD), session)}, [], random.Random(1)
        )
        worker = Worker(LANES, outbox, router, Rules(None, 9, lambda *_: ""), random.Random(1))
        await outbox.add(Message(to="13900000001", text="您好", expires_at=now + timedelta(hours=2)))
        rows = []
        for _ in range(120):
            await worker._turn()
            await asyncio.gather(*worker._busy)
            async with store.read() as connection:
                rows.append((await connection.execute(message.select())).one())
            now += timedelta(minutes=1)
    assert (rows[60].status, rows[60].dead_at) == ("queued", None), "somebody may file it meanwhile"
    assert (rows[-1].status, rows[-1].reason) == ("failed", "no_provider_template") and rows[-1].dead_at


@pytest.mark.parametrize(
    ("providers", "routes", "told"),
    [
        (["cloud"], [], {"balance": ["cloud"]}),
        (["smpp", "cloud"], [], {}),
        (["sandbox"], [], {}),
        (["smpp", "cloud"], [{"lanes": ["reply"], "providers": {"cloud": 1}}, {"providers": ["smpp"]}], {"balance": ["cloud"]}),
        (["smpp", "cloud"], [{"operators": ["mobile"], "providers": ["smpp"]}, {"providers": ["cloud"]}], {"balance": ["cloud"]}),
        (["smpp", "cloud"], [{"templates": ["balance"], "providers": ["smpp"]}, {"providers": ["cloud"]}], {}),
    ],
)  # fmt: skip
def test_texts_that_no_provider_could_take(
    tmp_path: Path, providers: list[str], routes: list[Any], told: dict[str, list[str]]
) -> None:
    (tmp_path / "sms.yaml").write_text(FILE, "utf-8")
    known = {"smpp": CENTRE, "cloud": CLOUD | {"kind": "tencent"}, "sandbox": {}}
    given = {"providers": {name: known[name] for name in providers}, "routes": routes}
    assert unfiled(TextSettings.model_validate(given), templates.load(tmp_path / "sms.yaml")) == told


def test_the_check_tells_where(tmp_path: Path) -> None:
    (tmp_path / "sms.yaml").write_text(FILE, "utf-8")
    sms = TextSettings(providers={"cloud": CLOUD | {"kind": "tencent"}}, templates=tmp_path / "sms.yaml")
    found = text_faults(Settings(_env_file=None, home=tmp_path, sms=sms), tmp_path)  # type: ignore[call-arg]
    (fault,) = [each for each in found if "备案" in each.zh]
    assert (fault.line, fault.warning) == (4, True)
    assert fault.zh.startswith("balance 没有服务商能发：在 cloud 还没有备案编号")
