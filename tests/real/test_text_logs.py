"""A run with everything a text may be: neither the log nor the metrics hold a number, a code, a PIN or a text."""

import asyncio
import re
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fund import demo
from tests.leaks import told
from tests.real.running import Running

pytestmark = pytest.mark.real
PHONES = ("13900000001", "13911112222", "13911113333")
TEXTS = ("机密内容甲", "机密内容乙", "余额查询丙")


async def shown(session: aiohttp.ClientSession, to: str, many: int) -> list[str]:
    while True:
        async with session.get("/sandbox/messages", params={"to": to}) as reply:
            if len(found := await reply.json()) >= many:
                return [str(each["text"]) for each in found]
        await asyncio.sleep(0.05)


async def fetched(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return await reply.text()


async def post(session: aiohttp.ClientSession, path: str, **body: Any) -> Any:
    async with session.post(path, **body) as reply:
        return await reply.json()


async def use_everything(running: Running) -> str:
    """Codes right and wrong, texts good and bad, a campaign, a text to us, strangers at the webhooks; the code."""
    key = (running.home / "keys" / "demo_api_key").read_text().strip()
    base = f"http://127.0.0.1:{running.port}"
    async with aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {key}"}) as session:
        begun = await post(
            session, "/v1/verifications", json={"to": PHONES[1], "purpose": "login", "ip": "203.0.113.77"}
        )
        (text,) = await shown(session, PHONES[1], 1)
        (code,) = re.findall(r"(?<!\d)\d{6}(?!\d)", text)
        for tried in ("000000", code, code):
            await post(session, f"/v1/verifications/{begun['id']}/check", json={"code": tried})
        news = {"template": "policy_notice", "params": {"news": TEXTS[0]}}
        await post(session, "/v1/messages", json=news | {"to": PHONES[2]})
        await post(session, "/v1/messages", json=news | {"to": [PHONES[2]], "params": {"news": TEXTS[0]}})
        await post(session, "/v1/messages", json=news | {"to": PHONES[2], "params": {"x": TEXTS[0]}})
        rows = f"to,news\n{PHONES[2]},{TEXTS[1]}\n1391,{TEXTS[1]}\n".encode()
        query = {"template": "policy_notice", "start": "true"}
        await post(session, "/v1/campaigns", data=rows, params=query, headers={"Content-Type": "text/csv"})
        await shown(session, PHONES[2], 2)
        for said in (TEXTS[2], "余额"):
            await post(session, "/sandbox/inbound", json={"from": PHONES[0], "text": said})
        await shown(session, PHONES[0], 2)
        await session.post("/providers/sandbox/receipts", data=TEXTS[0].encode())
    return code


async def test_nothing_personal_is_in_the_log_or_the_metrics(tmp_path: Path) -> None:
    with Running(tmp_path / "home", HOTLINE_LOG_LEVEL="debug") as running:
        code = await use_everything(running)
        metrics = await fetched(f"http://127.0.0.1:{running.port}/metrics")
    log = running.events()
    assert "hotline_open" in log and "sms_outcomes_total" in metrics
    assert not [secret for secret in (*PHONES, *TEXTS, "203.0.113.77") if secret in log or secret in metrics]
    pins = [pin for _, pin in islice(demo.pins(), 3)]
    assert not [secret for secret in (code, *pins) if told(secret, log) or told(secret, metrics)]
