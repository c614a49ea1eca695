"""Twilio, by its official SDK: the text itself is sent, signed webhooks tell what became of it.

The SDK's requests go through our session: never a second time (its own client would repeat a POST whose answer was
lost), and into no log, which would hold numbers and texts.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
from multidict import MultiDict
from pydantic import Field, SecretStr
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.rest import Client

from fund.phone import e164
from sms.errors import Forged, Garbled, NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.messages import Status
from sms.providers.base import (
    NEVER_CONNECTED,
    Accepted,
    Acknowledgement,
    Inbound,
    Outgoing,
    Posted,
    Provider,
    ProviderSettings,
    Receipt,
)

TRY_LATER = {  # nothing was taken; seconds until it is worth another try here
    "20003": 300,  # authentication
    "20005": 300,  # the account is not active
    "20429": 2,  # too many requests
    "21611": 30,  # the sender's queue is full
    "30001": 30,  # queue overflow
    "30002": 300,  # the account is suspended
    "30003": 600,  # the telephone is unreachable
    "30022": 10,  # the campaign's rate
    "30410": 10,  # the provider's own time-out
}
OF_ONE_TEXT = ("30003", "30410")
STATUSES: dict[str, Status] = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
UNSURE = "30008"  # "unknown error": it may have arrived all the same


class TwilioSettings(ProviderSettings):
    """One Twilio account or subaccount."""

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token: SecretStr = Field(min_length=1, description="signs webhooks; also logs in when there is no API key")
    api_key: str = Field("", pattern=r"^(SK[0-9a-fA-F]{32})?$")
    api_secret: SecretStr = SecretStr("")
    sender: str = Field(
        pattern=r"^(\+\d{5,15}|\d{3,8}|MG[0-9a-fA-F]{32})$", description="a number, or a messaging service (MG...)"
    )
    status_callback: str = Field("", pattern=r"^(https?://\S+)?$", description="the public /providers/NAME/receipts")
    endpoint: str = Field("https://api.twilio.com", pattern=r"^https?://[^/?#]+$")


class Twilio(Provider):
    """One text a request."""

    Settings = TwilioSettings
    settings: TwilioSettings
    acknowledgement = Acknowledgement(content_type="text/xml", body=b"<Response/>")

    def __init__(self, name: str, settings: ProviderSettings, session: aiohttp.ClientSession) -> None:
        super().__init__(name, settings, session)
        token = self.settings.auth_token.get_secret_value()
        user, password = self.settings.account_sid, token
        if self.settings.api_key:
            user, password = self.settings.api_key, self.settings.api_secret.get_secret_value()
        self._client = Client(
            user, password, self.settings.account_sid, http_client=Wire(session, self.settings.timeout())
        )
        self._client.api.base_url = self.settings.endpoint
        self._validator = RequestValidator(token)

    async def send(self, message: Outgoing) -> Accepted:
        try:
            sent = await self._client.messages.create_async(**self._fields(message))
        except NEVER_CONNECTED as fault:
            raise NotSent(type(fault).__name__) from None
        except (TwilioRestException, TwilioServiceException) as fault:
            raise _fault(fault.status, str(fault.code or "")) from None
        except Exception as fault:  # no answer, or one the SDK can make nothing of, whatever it raises then
            raise OutcomeUnknown(type(fault).__name__) from None
        if not isinstance(sent.sid, str):
            raise OutcomeUnknown("no_sid")
        if sent.status in ("failed", "undelivered"):
            raise _fault(400, str(sent.error_code or ""))
        return Accepted((sent.sid,))

    def _fields(self, message: Outgoing) -> dict[str, str | int]:
        service = self.settings.sender.startswith("MG")
        fields: dict[str, str | int] = {
            "to": e164(message.to),
            "body": message.signed_text,
            "messaging_service_sid" if service else "from_": self.settings.sender,
            "validity_period": max(6, min(message.life_seconds, 36000)),  # shorter ones are not recommended
        }
        if self.settings.status_callback:
            fields["status_callback"] = self.settings.status_callback
        return fields

    def parse_receipt(self, posted: Posted) -> Sequence[Receipt]:
        form = self._form(posted)
        status = STATUSES.get(form.get("MessageStatus", ""))
        code = form.get("ErrorCode", "")
        if not status or not form.get("MessageSid"):
            raise Garbled("MessageStatus or MessageSid")
        if status == "failed" and code == UNSURE:
            status = "unknown"
        return [Receipt(status, ref=form["MessageSid"], reason=(code or form["MessageStatus"])[:64])]

    def parse_inbound(self, posted: Posted) -> Sequence[Inbound]:
        form = self._form(posted)
        if not form.get("MessageSid") or not form.get("From"):
            raise Garbled("MessageSid or From")
        return [Inbound(form["From"], form.get("Body", ""), id=form["MessageSid"], to=form.get("To", ""))]

    def _form(self, posted: Posted) -> MultiDict[str]:
        """The fields of a webhook whose signature is right."""
        try:
            body = posted.body.decode()
        except UnicodeDecodeError:
            raise Garbled("not UTF-8") from None
        signature = posted.headers.get(SIGNATURE_HEADER, "")
        algorithm = get_signature_algorithm(posted.headers.get(SIGNATURE_SETTINGS_HEADER))
        json = posted.headers.get("Content-Type", "").startswith("application/json")
        if json and "bodySHA256" not in parse_qs(urlsplit(posted.url).query):
            raise Forged("the body is not signed")
        try:
            form = MultiDict(parse_qsl(body, keep_blank_values=True, max_num_fields=200) if not json else ())
        except ValueError:
            raise Garbled("too many fields") from None
        if not signature or not self._validator.validate(posted.url, body if json else form, signature, algorithm):
            raise Forged("signature")
        return form


class Wire(AsyncHttpClient):  # type: ignore[misc]
    """How the SDK's requests go: once, on our session. It logs in by a header: aiohttp's `auth` is deprecated."""

    def __init__(self, session: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout | None = None) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._session, self._timeout = session, timeout or session.timeout

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: dict[str, str],
        auth: tuple[str, str] | None = None,
        **_: Any,
    ) -> Response:
        if auth:
            headers = headers | {"Authorization": aiohttp.encode_basic_auth(*auth)}
        async with self._session.request(
            method, url, params=params, data=data, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as reply:
            return Response(reply.status, await reply.text(), reply.headers)


def _fault(http_status: int, code: str) -> TextError:
    if code in TRY_LATER or http_status in (401, 403, 429):
        seconds = TRY_LATER.get(code, 2 if http_status == 429 else 300)
        of_all = http_status in (401, 429) or (code in TRY_LATER and code not in OF_ONE_TEXT)
        return TryLater(code or f"http_{http_status}", seconds, link=of_all)
    if not 400 <= http_status < 500:
        return OutcomeUnknown(code or f"http_{http_status}")
    return Refused(code or f"http_{http_status}")  # 21211, 21408, 21606, 21610 (opted out), 21612, 21614, 21617, ...
