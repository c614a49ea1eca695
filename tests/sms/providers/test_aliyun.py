"""Aliyun: the vendor's own signature vector, exact requests, every answer, pushed receipts and replies."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from sms.errors import Forged, Garbled, NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.providers.aliyun import Aliyun, AliyunSettings, signed
from sms.providers.base import Accepted, Inbound, Outgoing, Posted, Receipt
from tests.sms.providers.peer import MISHAPS, Answer, Peer, answer

SECRET = "a-secret-of-enough-length"
MESSAGE = Outgoing(
    "01JD0000000000000000000000",
    "13900000001",
    "验证码012345，5分钟内有效。",
    "镇江公积金",
    "code",
    "SMS_460000001",
    {"code": "012345", "minutes": "5"},
    "code",
    300,
)


def _aliyun(session: aiohttp.ClientSession, endpoint: str = "http://127.0.0.1:1", **given: object) -> Aliyun:
    settings = AliyunSettings.model_validate(
        {
            "access_key_id": "LTAItest",
            "access_key_secret": "keysecret",
            "webhook_secret": SECRET,
            "endpoint": endpoint,
            "timeout_seconds": 10,
        }
        | given
    )
    return Aliyun("aliyun", settings, session)


def test_the_vendors_own_example() -> None:
    """https://help.aliyun.com/document_detail/2712560.html, the fixed parameters."""
    request = signed(
        "https://ecs.cn-shanghai.aliyuncs.com",
        "RunInstances",
        "2014-05-26",
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
        "YourAccessKeyId",
        "YourAccessKeySecret",
        datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
        "3156853299f313e23d1673dc12e1703d",
    )
    assert request.headers["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


async def test_the_exact_request(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [answer(200, {"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "F6"})]
    assert await _aliyun(session, peer.url).send(MESSAGE) == Accepted(("900619746936498440^0",))
    (asked,) = peer.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/", b"")
    assert asked.query == {
        "OutId": "01JD0000000000000000000000",
        "PhoneNumbers": "13900000001",
        "SignName": "镇江公积金",
        "TemplateCode": "SMS_460000001",
        "TemplateParam": '{"code":"012345","minutes":"5"}',
    }
    assert asked.headers["x-acs-action"] == "SendSms"
    assert asked.headers["x-acs-version"] == "2017-05-25"
    assert asked.headers["Host"] == peer.url.removeprefix("http://")


async def test_what_arrives_is_what_was_signed(peer: Peer, session: aiohttp.ClientSession) -> None:
    """The peer checks the signature by itself, from what came over the wire."""
    peer.answers = [answer(200, {"Code": "OK", "BizId": "1"})]
    await _aliyun(session, peer.url).send(MESSAGE)
    (asked,) = peer.asked
    names = asked.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0]
    raw = "OutId=01JD0000000000000000000000&PhoneNumbers=13900000001"
    raw += "&SignName=%E9%95%87%E6%B1%9F%E5%85%AC%E7%A7%AF%E9%87%91&TemplateCode=SMS_460000001"
    raw += "&TemplateParam=%7B%22code%22%3A%22012345%22%2C%22minutes%22%3A%225%22%7D"
    headers = "".join(f"{name}:{asked.headers[name]}\n" for name in names.split(";"))
    canonical = f"POST\n/\n{raw}\n{headers}\n{names}\n{hashlib.sha256(b'').hexdigest()}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    expected = hmac.new(b"keysecret", to_sign.encode(), hashlib.sha256).hexdigest()
    assert asked.headers["Authorization"].endswith(f"Signature={expected}")


ANSWERS = [
    (200, "isv.BUSINESS_LIMIT_CONTROL", TryLater),
    (200, "isv.DAY_LIMIT_CONTROL", TryLater),
    (200, "isv.OUT_OF_SERVICE", TryLater),
    (403, "isp.RAM_PERMISSION_DENY", TryLater),
    (400, "Throttling.User", TryLater),
    (503, "Throttling", TryLater),
    (404, "InvalidAccessKeyId.NotFound", TryLater),
    (200, "isv.MOBILE_NUMBER_ILLEGAL", Refused),
    (200, "isv.SMS_SIGNATURE_ILLEGAL", Refused),
    (200, "isv.SMS_CONTENT_ILLEGAL", Refused),
    (200, "isv.BLACK_KEY_CONTROL_LIMIT", Refused),
    (400, "MissingPhoneNumbers", Refused),
    (500, "InternalError", OutcomeUnknown),
    (200, "OK", OutcomeUnknown),  # but no BizId
]


@pytest.mark.parametrize("status, code, fault", ANSWERS)
async def test_what_answers_mean(
    peer: Peer, session: aiohttp.ClientSession, status: int, code: str, fault: type[TextError]
) -> None:
    peer.answers = [answer(status, {"Code": code, "Message": "号码 13900000001 ..."})]
    with pytest.raises(fault) as told:
        await _aliyun(session, peer.url).send(MESSAGE)
    assert "13900000001" not in told.value.reason
    of_one_number = code == "isv.BUSINESS_LIMIT_CONTROL"
    assert getattr(told.value, "link", False) == (fault is TryLater and not of_one_number), "for whom the pause is"


@pytest.mark.parametrize("mishap", [each for _, each in MISHAPS], ids=[name for name, _ in MISHAPS])
async def test_mishaps_leave_the_outcome_unknown(peer: Peer, session: aiohttp.ClientSession, mishap: Answer) -> None:
    peer.answers = [mishap]
    with pytest.raises(TextError) as told:
        await _aliyun(session, peer.url, timeout_seconds=1).send(MESSAGE)
    assert type(told.value) is OutcomeUnknown
    assert len(peer.asked) == 1, "never a second time by itself"


async def test_a_late_answer_still_counts(peer: Peer, session: aiohttp.ClientSession) -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await answer(200, {"Code": "OK", "BizId": "7"})(writer)

    peer.answers = [late]
    assert await _aliyun(session, peer.url, timeout_seconds=5).send(MESSAGE) == Accepted(("7",))


async def test_nobody_there_means_not_sent(session: aiohttp.ClientSession) -> None:
    with pytest.raises(NotSent):
        await _aliyun(session).send(MESSAGE)


async def test_a_template_that_is_not_filed(session: aiohttp.ClientSession) -> None:
    with pytest.raises(TryLater, match="no_provider_template"):
        await _aliyun(session).send(Outgoing("x", "13900000001", "y", "镇江公积金"))


REPORT = {
    "phone_number": "13900000001",
    "send_time": "2026-03-02 10:00:00",
    "report_time": "2026-03-02 10:00:03",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "用户接收成功",
    "sms_size": "1",
    "biz_id": "900619746936498440^0",
    "out_id": "01JD0000000000000000000000",
}


def _posted(body: object, secret: str = SECRET, remote: str = "203.0.113.9") -> Posted:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"https://hotline.example/providers/aliyun/receipts?secret={secret}"
    return Posted("POST", url, CIMultiDict(), content, remote)


async def test_receipts_pushed_many_at_once(session: aiohttp.ClientSession) -> None:
    failed = REPORT | {"success": False, "err_code": "MK:0001", "report_time": "garbage", "out_id": None}
    assert _aliyun(session).parse_receipt(_posted([REPORT, failed])) == [
        Receipt(
            "delivered",
            "900619746936498440^0",
            "01JD0000000000000000000000",
            "DELIVERED",
            datetime(2026, 3, 2, 2, 0, 3, tzinfo=UTC),
        ),
        Receipt("failed", "900619746936498440^0", "", "MK:0001"),
    ]
    assert json.loads(Aliyun.acknowledgement.body)["code"] == 0


async def test_replies_pushed(session: aiohttp.ClientSession) -> None:
    reply = {
        "phone_number": "13900000001",
        "content": "TD",
        "send_time": "2026-03-02 10:00:00",
        "dest_code": "12329",
        "sequence_id": 1234567890,
    }
    assert _aliyun(session).parse_inbound(_posted([reply])) == [
        Inbound("13900000001", "TD", "1234567890", "12329", datetime(2026, 3, 2, 2, 0, tzinfo=UTC))
    ]


async def test_forged_webhooks(session: aiohttp.ClientSession) -> None:
    aliyun = _aliyun(session, allowed=["203.0.113.0/24"])
    assert aliyun.parse_receipt(_posted([REPORT]))
    for forged in (_posted([REPORT], ""), _posted([REPORT], SECRET + "x"), _posted([REPORT], remote="198.51.100.1")):
        with pytest.raises(Forged):
            aliyun.parse_receipt(forged)
        with pytest.raises(Forged):
            aliyun.parse_inbound(forged)
    with pytest.raises(Forged):
        aliyun.parse_receipt(_posted([REPORT], remote="not an address"))


async def test_a_replay_says_the_same_again(session: aiohttp.ClientSession) -> None:
    aliyun = _aliyun(session)
    assert aliyun.parse_receipt(_posted([REPORT])) == aliyun.parse_receipt(_posted([REPORT]))


@pytest.mark.parametrize("body", [b"", b"{", b"5", b"null", b'["x"]', b"[{}]", b"[" * 100_000, b"\xff\xfe", {"a": 1}])
async def test_garbled_webhooks(session: aiohttp.ClientSession, body: object) -> None:
    with pytest.raises(Garbled):
        _aliyun(session).parse_receipt(_posted(body))
    with pytest.raises(Garbled):
        _aliyun(session).parse_inbound(_posted(body))


json_values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()) | st.just({"a": [1]})


@given(st.lists(st.fixed_dictionaries({name: json_values for name in REPORT}), max_size=2))
async def test_no_webhook_breaks_the_parser(items: list[object]) -> None:
    aliyun = _aliyun(cast(aiohttp.ClientSession, None))
    try:
        receipts = aliyun.parse_receipt(_posted(items))
    except Garbled:
        return
    assert all(receipt.status in ("delivered", "failed") for receipt in receipts)


def test_settings_tell_every_fault_at_once() -> None:
    with pytest.raises(ValueError) as told:
        AliyunSettings.model_validate({"webhook_secret": "short", "allowed": ["nonsense"], "endpoint": "ftp://x"})
    for name in ("access_key_id", "access_key_secret", "webhook_secret", "allowed", "endpoint"):
        assert f"\n{name}\n" in str(told.value)
    assert "keysecret" not in repr(
        AliyunSettings(access_key_id="a", access_key_secret="keysecret", webhook_secret=SECRET)
    )
