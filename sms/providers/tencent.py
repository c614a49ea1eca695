"""Tencent Cloud SMS: filed templates, requests signed with TC3-HMAC-SHA256, receipts and replies pulled.

Pulling suits a service inside an intranet: nothing has to be reachable from outside. What is pulled once is gone at
their side, so each page is safe before the next is asked for. https://cloud.tencent.com/document/product/382/55981
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import Field, SecretStr

from sms.errors import OutcomeUnknown, Refused, TryLater
from sms.providers.base import (
    Accepted,
    HttpProvider,
    Inbound,
    Outgoing,
    ProviderSettings,
    Receipt,
    Reply,
    Request,
    Take,
    handed_over,
)

VERSION = "2021-01-11"
PULLED_AT_ONCE = 100
MOST_PULLS = 20  # a turn; the rest waits for the next one
TakeItems = Callable[[list[dict[str, Any]]], Awaitable[None]]

TRY_LATER: Mapping[str, float] = {  # nothing was taken; seconds until it is worth another try here
    "LimitExceeded": 3600,  # the application's day, the number's hour, and whatever is not told apart here
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30,
    "LimitExceeded.PhoneNumberDailyLimit": 6 * 3600,
    "LimitExceeded.PhoneNumberSameContentDailyLimit": 6 * 3600,
    "LimitExceeded.DeliveryFrequencyLimit": 30,
    "RequestLimitExceeded": 1,
    "FailedOperation.InsufficientBalanceInSmsPackage": 300,
}
OURS_TO_MEND = (  # keys, rights and bills: another provider may take it meanwhile
    "AuthFailure",
    "UnauthorizedOperation",
    "IpInBlacklist",
    "IpNotInWhitelist",
)
NOT_SURE = ("InternalError", "ServiceUnavailable")  # nobody says whether it was taken


class TencentSettings(ProviderSettings):
    """One application (SdkAppId) of a Tencent account."""

    secret_id: str = Field(min_length=1)
    secret_key: SecretStr = Field(min_length=1)
    app_id: str = Field(pattern=r"^\d{6,16}$", description="SmsSdkAppId")
    region: str = "ap-guangzhou"
    endpoint: str = Field("https://sms.tencentcloudapi.com", pattern=r"^https?://[^/?#]+$")
    pull_inbound: bool = Field(True, description="whether replies are pulled too")


class Tencent(HttpProvider):
    """One text a request; Tencent adds the signature from the filed `SignName`."""

    Settings = TencentSettings
    settings: TencentSettings
    wants_ids = True
    pull_seconds = 10.0

    def __init__(self, name: str, settings: ProviderSettings, session: aiohttp.ClientSession) -> None:
        super().__init__(name, settings, session)
        self._page: asyncio.Task[int] | None = None  # the last one asked for

    def build_request(self, message: Outgoing) -> Request:
        if not message.provider_template:
            raise TryLater("no_provider_template", 300)  # others may take it; here, once it is filed
        return self._request(
            "SendSms",
            {
                "PhoneNumberSet": [message.to if message.to.startswith("+") else f"+86{message.to}"],
                "SmsSdkAppId": self.settings.app_id,
                "SignName": message.signature,
                "TemplateId": message.provider_template,
                "TemplateParamSet": list(message.params.values()),
                "SessionContext": message.id,
            },
        )

    def parse_reply(self, reply: Reply) -> Accepted:
        answer = _response(reply)
        sent = answer.get("SendStatusSet")
        if not (isinstance(sent, list) and len(sent) == 1 and isinstance(sent[0], dict)):
            raise OutcomeUnknown("no_status")
        code, serial = str(sent[0].get("Code", "")), sent[0].get("SerialNo")
        if code == "Ok" and isinstance(serial, str) and serial:
            return Accepted((serial,))
        raise _fault("" if code == "Ok" else code)

    async def pull(self, take: Take) -> None:
        await self._pull_all("PullSmsSendStatus", lambda items: handed_over(take, [*map(_receipt, items)], ()))
        if self.settings.pull_inbound:
            await self._pull_all("PullSmsReplyStatus", lambda items: handed_over(take, (), [*map(_inbound, items)]))

    async def stop(self) -> None:
        """Take in what was asked for, unless the database stays away."""
        if self._page:
            await asyncio.wait([self._page], timeout=2 * self.settings.timeout_seconds)

    async def _pull_all(self, action: str, take: TakeItems) -> None:
        """Everything that waits at their side, up to `MOST_PULLS` pages."""
        for _ in range(MOST_PULLS):
            self._page = asyncio.create_task(self._pull_page(action, take))
            if await asyncio.shield(self._page) < PULLED_AT_ONCE:
                break

    async def _pull_page(self, action: str, take: TakeItems) -> int:
        """How many came, and are on the disk."""
        body = {"Limit": PULLED_AT_ONCE, "SmsSdkAppId": self.settings.app_id}
        page = _response(await self.post(self._request(action, body))).get(f"{action}Set")
        items = [item for item in page if isinstance(item, dict)] if isinstance(page, list) else []
        await take(items)
        return len(items)

    def _request(self, action: str, body: Mapping[str, Any]) -> Request:
        settings, at = self.settings, int(time.time())
        payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "host": urlsplit(settings.endpoint).netloc,
        }
        signature = authorization(
            "POST", "", headers, payload, "sms", settings.secret_id, settings.secret_key.get_secret_value(), at
        )
        common = {
            "Authorization": signature,
            "X-TC-Action": action,
            "X-TC-Version": VERSION,
            "X-TC-Timestamp": str(at),
            "X-TC-Region": settings.region,
        }
        return Request("POST", f"{settings.endpoint}/", headers | common, payload)


def authorization(
    method: str,
    query: str,
    headers: Mapping[str, str],
    payload: bytes,
    service: str,
    secret_id: str,
    secret_key: str,
    at: int,
) -> str:
    """The TC3 signature over `headers` (lower-case names, in order), `at` seconds since 1970.

    As https://cloud.tencent.com/document/api/213/30654 says.
    """
    day = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
    names = ";".join(headers)
    written = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n/\n{query}\n{written}\n{names}\n{hashlib.sha256(payload).hexdigest()}"
    scope = f"{day}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for step in (day, service, "tc3_request"):
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    signature = hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def _response(reply: Reply) -> dict[str, Any]:
    """What is inside `Response`. Raises what an error in it means."""
    try:
        answer = json.loads(reply.body)["Response"]
    except (ValueError, KeyError, TypeError, RecursionError):
        answer = None
    if reply.status != 200 or not isinstance(answer, dict):
        raise OutcomeUnknown(f"http_{reply.status}")
    if isinstance(error := answer.get("Error"), dict):
        raise _fault(str(error.get("Code", "")))
    return answer


def _fault(code: str) -> Refused | TryLater | OutcomeUnknown:
    code = code[:64]
    family = code.partition(".")[0]
    if wait := TRY_LATER.get(code) or TRY_LATER.get(family):
        return TryLater(code, wait, link=family != "LimitExceeded")  # most of those are of one number
    if family in OURS_TO_MEND:
        return TryLater(code, 300, link=True)
    if not code or family in NOT_SURE:
        return OutcomeUnknown(code or "no_code")
    return Refused(code)


def _receipt(item: dict[str, Any]) -> Receipt:
    return Receipt(
        "delivered" if item.get("ReportStatus") == "SUCCESS" else "failed",
        ref=str(item.get("SerialNo") or ""),
        id=str(item.get("SessionContext") or ""),
        reason=str(item.get("Description") or "")[:64],
        at=_at(item.get("UserReceiveTime")),
    )


def _inbound(item: dict[str, Any]) -> Inbound:
    return Inbound(
        sender=str(item.get("PhoneNumber") or ""),
        text=str(item.get("ReplyContent") or ""),
        to=str(item.get("ExtendCode") or ""),
        at=_at(item.get("ReplyTime")),
    )


def _at(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) and 0 < seconds < 2**33 else None
