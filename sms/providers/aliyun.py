"""Aliyun (Dysmsapi): filed templates, requests signed with ACS3-HMAC-SHA256, receipts and replies pushed unsigned.

Texts go one by one (`SendSms`) although `SendBatchSms` takes a hundred: a batch shares one answer and one `OutId`, so a
lost answer would leave a hundred texts unknown. https://help.aliyun.com/document_detail/101414.html
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr

from sms.errors import Garbled, OutcomeUnknown, Refused, TryLater
from sms.providers.base import (
    Accepted,
    Acknowledgement,
    HttpProvider,
    Inbound,
    Outgoing,
    Posted,
    Receipt,
    Reply,
    Request,
)
from sms.providers.unsigned import UnsignedSettings, authenticate

VERSION = "2017-05-25"
News = TypeVar("News", Receipt, Inbound)
BEIJING = timezone(timedelta(hours=8))

TRY_LATER: Mapping[str, float] = {  # nothing was taken; seconds until it is worth another try here
    "isv.BUSINESS_LIMIT_CONTROL": 60,  # one a minute, five an hour, ten a day to one number
    "isv.DAY_LIMIT_CONTROL": 3600,
    "isv.MONTH_LIMIT_CONTROL": 3600,
    "isv.OUT_OF_SERVICE": 300,  # the account is overdue
    "isv.AMOUNT_NOT_ENOUGH": 300,
    "isv.ACCOUNT_ABNORMAL": 300,
    "isp.RAM_PERMISSION_DENY": 300,
    "isp.GATEWAY_ERROR": 5,
    "isp.SYSTEM_ERROR": 5,
    "InvalidAccessKeyId.NotFound": 300,
    "InvalidAccessKeyId.Inactive": 300,
    "SignatureDoesNotMatch": 300,
    "InvalidTimeStamp.Expired": 60,
    "SignatureNonceUsed": 1,
}
OF_ONE_TEXT = ("isv.BUSINESS_LIMIT_CONTROL", "isp.GATEWAY_ERROR", "isp.SYSTEM_ERROR", "SignatureNonceUsed")


class AliyunSettings(UnsignedSettings):
    """One Aliyun account."""

    access_key_id: str = Field(min_length=1)
    access_key_secret: SecretStr = Field(min_length=1)
    endpoint: str = Field("https://dysmsapi.aliyuncs.com", pattern=r"^https?://[^/?#]+$")


class Aliyun(HttpProvider):
    """One text a request; the signature is added by Aliyun from the filed `SignName`."""

    Settings = AliyunSettings
    settings: AliyunSettings
    wants_ids = True
    acknowledgement = Acknowledgement(body='{"code":0,"msg":"成功"}'.encode())

    def build_request(self, message: Outgoing) -> Request:
        if not message.provider_template:
            raise TryLater("no_provider_template", 300)  # others may take it; here, once it is filed
        query = {
            "OutId": message.id,
            "PhoneNumbers": message.to.removeprefix("+"),
            "SignName": message.signature,
            "TemplateCode": message.provider_template,
            "TemplateParam": json.dumps(dict(message.params), ensure_ascii=False, separators=(",", ":")),
        }
        at, nonce = datetime.now(UTC), secrets.token_hex(16)
        settings = self.settings
        return signed(
            settings.endpoint,
            "SendSms",
            VERSION,
            query,
            settings.access_key_id,
            settings.access_key_secret.get_secret_value(),
            at,
            nonce,
        )

    def parse_reply(self, reply: Reply) -> Accepted:
        answer = _object(reply.body)
        code = str(answer.get("Code", ""))
        if reply.status == 200 and code == "OK" and isinstance(answer.get("BizId"), str):
            return Accepted((answer["BizId"],))
        if code.startswith("Throttling"):
            raise TryLater(code, 2, link=True)
        if code in TRY_LATER:
            raise TryLater(code, TRY_LATER[code], link=code not in OF_ONE_TEXT)
        if reply.status >= 500 or not code or code == "OK":
            raise OutcomeUnknown(f"http_{reply.status}")
        raise Refused(code[:64])

    def parse_receipt(self, posted: Posted) -> Sequence[Receipt]:
        authenticate(self.settings, posted)
        return _each(posted.body, _receipt)

    def parse_inbound(self, posted: Posted) -> Sequence[Inbound]:
        authenticate(self.settings, posted)
        return _each(posted.body, _inbound)


def signed(
    endpoint: str,
    action: str,
    version: str,
    query: Mapping[str, str],
    key_id: str,
    key_secret: str,
    at: datetime,
    nonce: str,
) -> Request:
    """A POST signed as https://help.aliyun.com/document_detail/2712560.html says: everything in the query, no body."""
    line = "&".join(f"{_escape(name)}={_escape(value)}" for name, value in sorted(query.items()))
    headers = {
        "host": urlsplit(endpoint).netloc,
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(headers)
    written = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n{line}\n{written}\n{names}\n{headers['x-acs-content-sha256']}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key_secret.encode(), to_sign.encode(), hashlib.sha256).hex()
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={signature}"
    return Request("POST", f"{endpoint}/?{line}", headers)


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _each(body: bytes, one: Callable[[dict[str, Any]], News]) -> list[News]:
    try:
        items = json.loads(body)
        if not isinstance(items, list):
            raise TypeError
        return [one(item) for item in items]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise Garbled(type(fault).__name__) from None


def _receipt(item: dict[str, Any]) -> Receipt:
    if not isinstance(item["success"], bool):
        raise TypeError
    return Receipt(
        "delivered" if item["success"] else "failed",
        ref=str(item["biz_id"]),
        id=str(item.get("out_id") or ""),
        reason=str(item.get("err_code") or "")[:64],
        at=_at(item.get("report_time")),
    )


def _inbound(item: dict[str, Any]) -> Inbound:
    return Inbound(
        sender=str(item["phone_number"]),
        text=str(item["content"]),
        id=str(item.get("sequence_id") or ""),
        to=str(item.get("dest_code") or ""),
        at=_at(item.get("send_time")),
    )


def _at(written: object) -> datetime | None:
    try:
        return datetime.strptime(str(written), "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None
