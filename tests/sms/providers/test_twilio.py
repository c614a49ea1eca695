"""Twilio: its own SDK talks to a pretended Twilio over HTTP; webhooks are signed as Twilio signs them."""

import asyncio
import base64
import hashlib
import logging
from urllib.parse import urlencode

import aiohttp
import pytest
from multidict import CIMultiDict
from twilio.request_validator import RequestValidator

from sms.errors import Forged, Garbled, NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.providers.base import Accepted, Inbound, Outgoing, Posted, Receipt
from sms.providers.twilio import Twilio, TwilioSettings
from tests.sms.providers.peer import MISHAPS, Answer, Peer, answer

SID, TOKEN = "AC" + "0" * 32, "auth-token"
MESSAGE = Outgoing("01JD0000000000000000000000", "13900000001", "验证码012345。", "镇江公积金", life_seconds=300)


def _twilio(session: aiohttp.ClientSession, endpoint: str = "http://127.0.0.1:1", **given: object) -> Twilio:
    settings = {
        "account_sid": SID,
        "auth_token": TOKEN,
        "sender": "+15005550006",
        "endpoint": endpoint,
        "timeout_seconds": 10,
    }
    return Twilio("twilio", TwilioSettings.model_validate(settings | given), session)


def _created(**given: object) -> Answer:
    return answer(201, {"sid": "SM" + "1" * 32, "status": "queued", "num_segments": "1"} | given)


async def test_the_exact_request(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [_created()]
    callback = "https://hotline.example/providers/twilio/receipts"
    twilio = _twilio(session, peer.url, status_callback=callback)
    assert await twilio.send(MESSAGE) == Accepted(("SM" + "1" * 32,))
    (asked,) = peer.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{SID}/Messages.json")
    assert asked.form == {
        "To": "+8613900000001",
        "From": "+15005550006",
        "Body": "【镇江公积金】验证码012345。",
        "ValidityPeriod": "300",
        "StatusCallback": callback,
    }
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


async def test_a_messaging_service_and_an_api_key(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [_created()]
    key = "SK" + "2" * 32
    twilio = _twilio(session, peer.url, sender="MG" + "3" * 32, api_key=key, api_secret="hush")
    await twilio.send(Outgoing("x", "13900000001", "y", "镇江公积金", life_seconds=10**6))
    (asked,) = peer.asked
    assert asked.form["MessagingServiceSid"] == "MG" + "3" * 32 and "From" not in asked.form
    assert asked.form["ValidityPeriod"] == "36000", "Twilio's longest"
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"{key}:hush".encode()).decode()


ERRORS = [
    (400, 21211, Refused),  # not a number
    (400, 21408, Refused),  # not permitted to that region
    (400, 21606, Refused),  # not a number of ours
    (400, 21610, Refused),  # opted out
    (400, 21612, Refused),
    (400, 21614, Refused),
    (400, 21617, Refused),  # too long
    (400, 30007, Refused),  # filtered
    (400, 21611, TryLater),  # queue full
    (429, 20429, TryLater),
    (401, 20003, TryLater),  # our keys are wrong: another provider may have it
    (403, 20005, TryLater),
    (403, 21408, TryLater),  # that region, for this account
    (400, 30003, TryLater),  # the telephone is off
    (500, 20500, OutcomeUnknown),
    (503, None, OutcomeUnknown),
    (404, 20404, Refused),
]


@pytest.mark.parametrize("status, code, fault", ERRORS)
async def test_what_errors_mean(
    peer: Peer, session: aiohttp.ClientSession, status: int, code: int | None, fault: type[TextError]
) -> None:
    peer.answers = [answer(status, {"code": code, "message": "The number +8613900000001 ...", "status": status})]
    with pytest.raises(fault) as told:
        await _twilio(session, peer.url).send(MESSAGE)
    assert told.value.reason == str(code or f"http_{status}"), "the code and nothing personal"
    assert len(peer.asked) == 1, "never a second time by itself"
    of_one_text = code in (21408, 30003)
    assert getattr(told.value, "link", False) == (fault is TryLater and not of_one_text), "for whom the pause is"


async def test_refused_in_the_answer(peer: Peer, session: aiohttp.ClientSession) -> None:
    peer.answers = [_created(status="failed", error_code=30006)]
    with pytest.raises(Refused, match="30006"):
        await _twilio(session, peer.url).send(MESSAGE)


@pytest.mark.parametrize("mishap", [each for _, each in MISHAPS], ids=[name for name, _ in MISHAPS])
async def test_mishaps_leave_the_outcome_unknown(peer: Peer, session: aiohttp.ClientSession, mishap: Answer) -> None:
    peer.answers = [mishap]
    with pytest.raises(OutcomeUnknown):
        await _twilio(session, peer.url, timeout_seconds=1).send(MESSAGE)
    assert len(peer.asked) == 1, "never a second time by itself"


async def test_a_late_answer_still_counts(peer: Peer, session: aiohttp.ClientSession) -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await _created()(writer)

    peer.answers = [late]
    assert await _twilio(session, peer.url, timeout_seconds=5).send(MESSAGE)


async def test_nobody_there_means_not_sent(session: aiohttp.ClientSession) -> None:
    with pytest.raises(NotSent):
        await _twilio(session).send(MESSAGE)


async def test_nothing_personal_in_the_log(
    peer: Peer, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answers = [_created()]
    with caplog.at_level(logging.DEBUG):
        await _twilio(session, peer.url).send(MESSAGE)
    assert "13900000001" not in caplog.text and "012345" not in caplog.text


URL = "https://hotline.example/providers/twilio/receipts"
FORM = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+8613900000001", "From": "12329"}


def _form(fields: dict[str, str], url: str = URL, token: str = TOKEN, algorithm: str = "") -> Posted:
    signature = RequestValidator(token).compute_signature(url, fields, algorithm or None)
    headers = CIMultiDict({"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"})
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=k1,algorithm={algorithm}"
    return Posted("POST", url, headers, urlencode(fields).encode(), "203.0.113.9")


RECEIPTS = [
    ({}, Receipt("delivered", "SM1", reason="delivered")),
    ({"MessageStatus": "sent"}, Receipt("sent", "SM1", reason="sent")),
    ({"MessageStatus": "queued"}, Receipt("sent", "SM1", reason="queued")),
    ({"MessageStatus": "undelivered", "ErrorCode": "30006"}, Receipt("failed", "SM1", reason="30006")),
    ({"MessageStatus": "failed", "ErrorCode": "30008"}, Receipt("unknown", "SM1", reason="30008")),
]


@pytest.mark.parametrize("changed, receipt", RECEIPTS)
async def test_receipts(session: aiohttp.ClientSession, changed: dict[str, str], receipt: Receipt) -> None:
    assert _twilio(session).parse_receipt(_form(FORM | changed)) == [receipt]


async def test_inbound(session: aiohttp.ClientSession) -> None:
    fields = {"MessageSid": "SM9", "From": "+8613900000001", "To": "12329", "Body": "余额 & more", "NumMedia": "0"}
    assert _twilio(session).parse_inbound(_form(fields)) == [
        Inbound("+8613900000001", "余额 & more", id="SM9", to="12329")
    ]
    assert Twilio.acknowledgement.content_type == "text/xml"


async def test_the_newer_signature(session: aiohttp.ClientSession) -> None:
    assert _twilio(session).parse_receipt(_form(FORM, algorithm="HMAC_SHA256"))
    with pytest.raises(Forged):
        _twilio(session).parse_receipt(_form(FORM, algorithm="HMAC_SHA256", token="other"))


def _changed(posted: Posted, **changed: object) -> Posted:
    fields = {name: getattr(posted, name) for name in ("method", "url", "headers", "body", "remote")}
    return Posted(**(fields | changed))


async def test_forged_webhooks(session: aiohttp.ClientSession) -> None:
    good = _form(FORM)
    forged = [
        _form(FORM, token="guess"),
        _changed(good, headers=CIMultiDict()),
        _changed(good, headers=CIMultiDict({"X-Twilio-Signature": ""})),
        _changed(good, body=good.body.replace(b"delivered", b"failed")),
        _changed(good, body=good.body + b"&MessageStatus=failed"),
        _changed(good, body=b""),
        _changed(good, url=URL.replace("receipts", "inbound")),
        _changed(good, headers=CIMultiDict({**good.headers, "Content-Type": "application/json"})),
    ]
    for posted in forged:
        with pytest.raises(Forged):
            _twilio(session).parse_receipt(posted)


async def test_a_json_body_counts_only_with_its_digest(session: aiohttp.ClientSession) -> None:
    body = b'{"MessageSid":"SM1"}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = CIMultiDict(
        {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, {}), "Content-Type": "application/json"}
    )
    signed = Posted("POST", url, headers, body, "203.0.113.9")
    with pytest.raises(Garbled):  # rightly signed, but receipts come as forms
        _twilio(session).parse_receipt(signed)
    with pytest.raises(Forged):
        _twilio(session).parse_receipt(_changed(signed, body=b'{"MessageSid":"SM2"}'))


async def test_a_replay_says_the_same_again(session: aiohttp.ClientSession) -> None:
    twilio, posted = _twilio(session), _form(FORM)
    assert twilio.parse_receipt(posted) == twilio.parse_receipt(posted)


@pytest.mark.parametrize("fields", [{}, {"MessageSid": "SM1"}, {"MessageSid": "SM1", "MessageStatus": "flying"}])
async def test_garbled_webhooks(session: aiohttp.ClientSession, fields: dict[str, str]) -> None:
    with pytest.raises(Garbled):
        _twilio(session).parse_receipt(_form(fields))
    with pytest.raises(Garbled):
        _twilio(session).parse_inbound(_form(fields))
    with pytest.raises(Garbled):
        _twilio(session).parse_receipt(_changed(_form(FORM), body=b"\xff\xfe"))
    with pytest.raises(Garbled):
        _twilio(session).parse_receipt(_changed(_form(FORM), body=b"a=1&" * 200 + b"a=1"))


def test_settings_tell_every_fault_at_once() -> None:
    with pytest.raises(ValueError) as told:
        TwilioSettings.model_validate({"account_sid": "x", "sender": "me", "status_callback": "nowhere"})
    for name in ("account_sid", "auth_token", "sender", "status_callback"):
        assert f"\n{name}\n" in str(told.value)
