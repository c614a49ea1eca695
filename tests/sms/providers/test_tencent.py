"""Tencent: the vendor's own signature vectors, exact requests, every answer, pulled receipts and replies."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
import pytest

from sms.errors import NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.providers.base import Accepted, Inbound, Outgoing, Receipt
from sms.providers.tencent import Tencent, TencentSettings, authorization
from tests.sms.providers.peer import MISHAPS, Answer, Peer, answer

EXAMPLE_ID, EXAMPLE_KEY = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"  # the vendor's
MESSAGE = Outgoing(
    "01JD0000000000000000000000",
    "13900000001",
    "验证码012345，5分钟内有效。",
    "镇江公积金",
    "code",
    "1800001",
    {"code": "012345", "minutes": "5"},
    "code",
    300,
)


def _tencent(session: aiohttp.ClientSession, endpoint: str = "http://127.0.0.1:1", **given: object) -> Tencent:
    settings = {
        "secret_id": "AKIDtest",
        "secret_key": "secretkey",
        "app_id": "1400006666",
        "endpoint": endpoint,
        "timeout_seconds": 10,
    }
    return Tencent("tencent", TencentSettings.model_validate(settings | given), session)


def _sent(code: str, serial: str = "2028:f825e6b16e23f73f4123") -> dict[str, object]:
    status = {"SerialNo": serial, "PhoneNumber": "+8613900000001", "Fee": 1, "SessionContext": MESSAGE.id, "Code": code}
    return {"Response": {"SendStatusSet": [status | {"Message": "..."}], "RequestId": "a0aabda6"}}


def test_the_vendors_own_examples() -> None:
    """https://cloud.tencent.com/document/api/213/30654: a POST of 2019 and a GET of 2018."""
    posted = authorization(
        "POST",
        "",
        {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"},
        b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}',
        "cvm",
        EXAMPLE_ID,
        EXAMPLE_KEY,
        1551113065,
    )
    assert posted == (
        f"TC3-HMAC-SHA256 Credential={EXAMPLE_ID}/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )
    got = authorization(
        "GET",
        "Limit=10&Offset=0",
        {"content-type": "application/x-www-form-urlencoded", "host": "cvm.tencentcloudapi.com"},
        b"",
        "cvm",
        EXAMPLE_ID,
        EXAMPLE_KEY,
        1539084154,
    )
    assert got.endswith("Signature=5da7a33f6993f0614b047e5df4582db9e9bf4672ba50567dba16c6ccf174c474")


async def test_the_exact_request(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [answer(200, _sent("Ok"))]
    assert await _tencent(session, peer.url).send(MESSAGE) == Accepted(("2028:f825e6b16e23f73f4123",))
    (asked,) = peer.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/", {})
    assert asked.json == {
        "PhoneNumberSet": ["+8613900000001"],
        "SmsSdkAppId": "1400006666",
        "SignName": "镇江公积金",
        "TemplateId": "1800001",
        "TemplateParamSet": ["012345", "5"],
        "SessionContext": "01JD0000000000000000000000",
    }
    assert {name: asked.headers[name] for name in ("X-TC-Action", "X-TC-Version", "X-TC-Region", "Content-Type")} == {
        "X-TC-Action": "SendSms",
        "X-TC-Version": "2021-01-11",
        "X-TC-Region": "ap-guangzhou",
        "Content-Type": "application/json; charset=utf-8",
    }


async def test_what_arrives_is_what_was_signed(peer: Peer, session: aiohttp.ClientSession) -> None:
    """The peer checks the signature by itself, from what came over the wire."""
    peer.answers = [answer(200, _sent("Ok"))]
    await _tencent(session, peer.url).send(MESSAGE)
    (asked,) = peer.asked
    at = asked.headers["X-TC-Timestamp"]
    day = datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d")
    headers = f"content-type:{asked.headers['Content-Type']}\nhost:{asked.headers['Host']}\n"
    canonical = f"POST\n/\n\n{headers}\ncontent-type;host\n{hashlib.sha256(asked.body).hexdigest()}"
    key = b"TC3secretkey"
    for step in (day, "sms", "tc3_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    to_sign = f"TC3-HMAC-SHA256\n{at}\n{day}/sms/tc3_request\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    assert asked.headers["Authorization"].endswith(f"Signature={expected}")


STATUS_CODES = [
    ("LimitExceeded.PhoneNumberThirtySecondLimit", TryLater),
    ("LimitExceeded.PhoneNumberOneHourLimit", TryLater),
    ("LimitExceeded.PhoneNumberDailyLimit", TryLater),
    ("LimitExceeded.AppDailyLimit", TryLater),
    ("LimitExceeded.AppMainlandChinaDailyLimit", TryLater),
    ("LimitExceeded.AppCountryOrRegionDailyLimit", TryLater),
    ("FailedOperation.InsufficientBalanceInSmsPackage", TryLater),
    ("FailedOperation.PhoneNumberInBlacklist", Refused),
    ("FailedOperation.ContainSensitiveWord", Refused),
    ("InvalidParameterValue.IncorrectPhoneNumber", Refused),
    ("InternalError.Timeout", OutcomeUnknown),
    ("", OutcomeUnknown),
]


@pytest.mark.parametrize("code, fault", STATUS_CODES)
async def test_what_statuses_mean(
    peer: Peer, session: aiohttp.ClientSession, code: str, fault: type[TextError]
) -> None:
    peer.answers = [answer(200, _sent(code))]
    with pytest.raises(fault) as told:
        await _tencent(session, peer.url).send(MESSAGE)
    assert getattr(told.value, "link", False) == code.startswith("FailedOperation.Insufficient"), (
        "for whom the pause is"
    )


@pytest.mark.parametrize(
    "code, fault",
    [
        ("AuthFailure.SignatureFailure", TryLater),
        ("UnauthorizedOperation.SdkAppIdIsDisabled", TryLater),
        ("RequestLimitExceeded", TryLater),
        ("RequestLimitExceeded.UinLimitExceeded", TryLater),
        ("RequestLimitExceeded.IPLimitExceeded", TryLater),
        ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", TryLater),
        ("RequestSizeLimitExceeded", Refused),
        ("IpNotInWhitelist", TryLater),
        ("ServiceUnavailable", OutcomeUnknown),
        ("InvalidParameter", Refused),
        ("InternalError", OutcomeUnknown),
    ],
)
async def test_what_errors_mean(peer: Peer, session: aiohttp.ClientSession, code: str, fault: type[TextError]) -> None:
    peer.answers = [answer(200, {"Response": {"Error": {"Code": code, "Message": "..."}, "RequestId": "1"}})]
    with pytest.raises(fault) as told:
        await _tencent(session, peer.url).send(MESSAGE)
    assert getattr(told.value, "link", False) == (fault is TryLater), "all texts wait, and are not tried one by one"


@pytest.mark.parametrize("mishap", [each for _, each in MISHAPS], ids=[name for name, _ in MISHAPS])
async def test_mishaps_leave_the_outcome_unknown(peer: Peer, session: aiohttp.ClientSession, mishap: Answer) -> None:
    peer.answers = [mishap]
    with pytest.raises(OutcomeUnknown):
        await _tencent(session, peer.url, timeout_seconds=1).send(MESSAGE)
    assert len(peer.asked) == 1, "never a second time by itself"


async def test_nobody_there_means_not_sent(session: aiohttp.ClientSession) -> None:
    with pytest.raises(NotSent):
        await _tencent(session).send(MESSAGE)


async def test_a_template_that_is_not_filed(session: aiohttp.ClientSession) -> None:
    with pytest.raises(TryLater, match="no_provider_template"):
        await _tencent(session).send(Outgoing("x", "13900000001", "y", "镇江公积金"))


def _status(serial: str, report: str = "SUCCESS") -> dict[str, object]:
    return {
        "UserReceiveTime": 1772416803,
        "CountryCode": "86",
        "SubscriberNumber": "13900000001",
        "PhoneNumber": "+8613900000001",
        "SerialNo": serial,
        "ReportStatus": report,
        "Description": "DELIVRD" if report == "SUCCESS" else "MK:0001",
        "SessionContext": MESSAGE.id,
    }


REPLY = {
    "CountryCode": "86",
    "SubscriberNumber": "13900000001",
    "PhoneNumber": "+8613900000001",
    "SignName": "镇江公积金",
    "ReplyContent": "YE",
    "ReplyTime": 1772416803,
    "ExtendCode": "01",
}
AT = datetime(2026, 3, 2, 2, 0, 3, tzinfo=UTC)


def _page(name: str, *items: object) -> Answer:
    return answer(200, {"Response": {name: list(items), "RequestId": "1"}})


class Taken:
    """Where what was pulled goes; away for the first `faults` times."""

    def __init__(self, faults: int = 0) -> None:
        self.receipts: list[Receipt] = []
        self.inbound: list[Inbound] = []
        self.faults = faults

    async def __call__(self, receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
        if self.faults:
            self.faults -= 1
            raise OSError("the database is away")
        self.receipts += receipts
        self.inbound += inbound


FULL = _page("PullSmsSendStatusSet", *(_status(str(n)) for n in range(100)))
ERRORS = {
    "refused": answer(200, {"Response": {"Error": {"Code": "InvalidParameter"}}}),
    "throttled": answer(200, {"Response": {"Error": {"Code": "RequestLimitExceeded"}}}),
    "unknown": answer(500, b""),
}


async def test_receipts_and_replies_are_pulled(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [
        _page("PullSmsSendStatusSet", _status("1"), _status("2", "FAIL")),
        _page("PullSmsReplyStatusSet", REPLY),
    ]
    await _tencent(session, peer.url).pull(taken := Taken())
    assert taken.receipts == [
        Receipt("delivered", "1", MESSAGE.id, "DELIVRD", AT),
        Receipt("failed", "2", MESSAGE.id, "MK:0001", AT),
    ]
    assert taken.inbound == [Inbound("+8613900000001", "YE", to="01", at=AT)]
    assert [asked.headers["X-TC-Action"] for asked in peer.asked] == ["PullSmsSendStatus", "PullSmsReplyStatus"]
    assert peer.asked[0].json == {"Limit": 100, "SmsSdkAppId": "1400006666"}


async def test_full_pages_are_followed_by_more(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [FULL, FULL, _page("PullSmsSendStatusSet", _status("200")), _page("PullSmsReplyStatusSet")]
    await _tencent(session, peer.url).pull(taken := Taken())
    assert len(taken.receipts) == 201 and len(peer.asked) == 4


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("first", [FULL, _page("PullSmsSendStatusSet", _status("1"))], ids=["more", "replies"])
async def test_what_was_pulled_before_a_fault_is_kept(
    peer: Peer, session: aiohttp.ClientSession, first: Answer, error: Answer
) -> None:
    peer.answers = [first, error]
    taken = Taken()
    with pytest.raises(TextError):
        await _tencent(session, peer.url).pull(taken)
    assert len(taken.receipts) == (100 if first is FULL else 1) and len(peer.asked) == 2


async def test_what_was_pulled_waits_for_a_database_that_is_away(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [_page("PullSmsSendStatusSet", _status("1"))]
    await _tencent(session, peer.url, pull_inbound=False).pull(taken := Taken(faults=1))
    assert len(taken.receipts) == 1 and len(peer.asked) == 1


async def test_a_stop_takes_in_the_page_that_was_asked_for(peer: Peer, session: aiohttp.ClientSession) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        await FULL(writer)

    peer.answers = [slowly]
    tencent, taken = _tencent(session, peer.url, timeout_seconds=5), Taken()
    pulling = asyncio.create_task(tencent.pull(taken))
    await asked.wait()
    pulling.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await tencent.stop()
    assert len(taken.receipts) == 100 and len(peer.asked) == 1
    assert pulling.cancelled()


@pytest.mark.parametrize("items", [[5, None, "x"], [{}], [{"UserReceiveTime": "soon", "SerialNo": None}]])
async def test_strange_pages(peer: Peer, session: aiohttp.ClientSession, items: list[object]) -> None:
    peer.answers = [_page("PullSmsSendStatusSet", *items)]
    await _tencent(session, peer.url, pull_inbound=False).pull(taken := Taken())
    assert all(receipt.at is None for receipt in taken.receipts)


def test_settings_tell_every_fault_at_once() -> None:
    with pytest.raises(ValueError) as told:
        TencentSettings.model_validate({"app_id": "x", "endpoint": "x", "colour": "red"})
    for name in ("secret_id", "secret_key", "app_id", "endpoint", "colour"):
        assert f"\n{name}\n" in str(told.value)
