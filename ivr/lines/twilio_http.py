"""Twilio's requests: `POST /twilio/voice/...`, each signed over its public address, and the fallback document.

What is not signed is refused without a word. Our own fault is answered with a person's number, never with an error.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import (
    HMAC_SHA1,
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from fund.networks import within
from ivr.addresses import AddressRefused
from ivr.lines import twiml
from ivr.lines.twilio_asked import ENDED, PLACED, Asked
from ivr.lines.twilio_calls import TwilioVoice
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twilio_tapes import TwilioTapes
from ivr.transferring import CHOICES

log = structlog.get_logger()
PATH = "/twilio/voice"
_CALL = re.compile(r"CA[0-9a-fA-F]{32}")
_TAPE = re.compile(r"tape=([0-9A-Za-z]{1,32}-[0-9]{1,4})")
_TOLD = re.compile(r"(part|most|quiet|closing)=(\d{1,12})")


class Gate:
    """Lets in what Twilio signed for our account: over `public_url`, or what a trusted proxy says it was called by."""

    def __init__(self, settings: TwilioVoiceSettings, public_url: str, trusted_proxies: Sequence[str]) -> None:
        self._account = settings.account_sid
        self._public = public_url.rstrip("/")
        self._proxies = trusted_proxies
        token, key = settings.auth_token.get_secret_value(), settings.shared_key.get_secret_value()
        self._by_token, self._by_key = RequestValidator(token), RequestValidator(key or token)

    async def form(self, request: web.Request) -> Mapping[str, str] | None:
        """The fields of a request that Twilio signed; None for any other."""
        try:
            posted = await request.post()
        except (ValueError, web.HTTPException):
            return None
        fields = MultiDict((name, value) for name, value in posted.items() if isinstance(value, str))
        if not self._signed(request, fields) or fields.get("AccountSid") != self._account:
            log.warning("twilio_refused", path=request.path, remote=request.remote)
            return None
        return fields if _CALL.fullmatch(fields.get("CallSid", "")) else None

    def _signed(self, request: web.Request, fields: MultiDict[str]) -> bool:
        signature = request.headers.get(SIGNATURE_HEADER, "")
        algorithm = get_signature_algorithm(request.headers.get(SIGNATURE_SETTINGS_HEADER))
        validator = self._by_token if algorithm == HMAC_SHA1 else self._by_key
        return bool(signature) and any(
            validator.validate(base + request.path_qs, fields, signature, algorithm) for base in self._bases(request)
        )

    def _bases(self, request: web.Request) -> list[str]:
        host = request.headers.get("X-Forwarded-Host", "")
        if not (host and within(request.remote or "", self._proxies)):
            return [self._public]
        return [self._public, f"{request.headers.get('X-Forwarded-Proto', 'https')}://{host}"]


Told = Callable[[str, Mapping[str, str]], Awaitable[None]]  # our id of a call that we placed, Twilio's fields about it


def routes(
    voice: TwilioVoice, gate: Gate, settings: TwilioVoiceSettings, told_of_ours: Told | None = None
) -> list[web.RouteDef]:
    """What is set at Twilio: `/start` for calls that come in, `/status` for their end; `/turn/` follows by itself.

    Calls that we placed have the same under `/{our id}/`, and `told_of_ours` hears of each request.
    """

    async def opened(request: web.Request) -> tuple[str, Mapping[str, str]]:
        """The call that a request is about, and what Twilio says."""
        form = await gate.form(request)
        if form is None:
            raise web.HTTPForbidden(text="")
        if ours := request.match_info.get("call", ""):
            if told_of_ours is None:
                raise web.HTTPNotFound(text="")
            await told_of_ours(ours, form)
        return ours or form["CallSid"], form

    async def turn(request: web.Request) -> web.Response:
        call, form = await opened(request)
        told = {name: int(value) for name, value in _TOLD.findall(request.query_string)}
        n = int(request.match_info.get("n", 0))
        try:
            return _xml(await voice.answer(Asked(call, n, told, form, _tape(request))))
        except Exception:
            log.exception("twilio_request_failed", call=call)
            return _xml(twiml.fallback(settings, call))

    async def wait(request: web.Request) -> web.Response:
        call, form = await opened(request)
        keys = "".join(key for key in request.query.get("keys", "") if key in CHOICES)
        return _xml(await voice.wait(call, int(request.match_info["n"]), keys, form))

    async def status(request: web.Request) -> web.Response:
        call, form = await opened(request)
        if form.get("CallStatus") in ENDED:
            await voice.close(call)
        return web.Response(status=204)

    async def recording(request: web.Request) -> web.Response:
        call, form = await opened(request)
        if form.get("RecordingStatus") == "completed":
            await voice.recorded(call, _tape(request), form.get("RecordingUrl", ""))
        return web.Response(status=204)

    async def fallback(_: web.Request) -> web.Response:
        return _xml(twiml.fallback(settings))

    paths = {"/start": turn, "/turn/{n:[0-9]{1,6}}": turn, "/wait/{n:[0-9]{1,6}}": wait}
    paths |= {"/status": status, "/recording": recording}
    ours = f"{PATH}/{{call:{PLACED}}}"
    return [
        *(web.post(base + path, act) for base in (PATH, ours) for path, act in paths.items()),
        web.get("/twilio/fallback.xml", fallback),
        web.post("/twilio/fallback.xml", fallback),
    ]


def tape_routes(tapes: TwilioTapes) -> list[web.RouteDef]:
    """What a caller has said, for Twilio to play to them: at an address that is signed and expires."""

    async def tape(request: web.Request) -> web.Response:
        try:
            wav = await tapes.fetch(request.match_info["name"], request.match_info["ticket"])
        except (AddressRefused, OSError):
            return web.Response(status=403)
        return web.Response(body=wav, content_type="audio/wav", headers={"Cache-Control": "private, no-store"})

    return [web.get("/twilio/audio/{ticket}/{name}.wav", tape)]


def _tape(request: web.Request) -> str:
    found = _TAPE.search(request.query_string)
    return found[1] if found else ""


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml", charset="utf-8", headers={"Cache-Control": "no-store"})
