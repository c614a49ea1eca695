"""A telephone at Twilio, by Twilio's documented rules, over real HTTP with real signatures.

    phone = TwilioPhone({"https://hotline.example": "http://127.0.0.1:8123"}, caller="+8613900000001")
    await phone.start()                 # dials; plays what it is told until it listens
    await phone.press("135790#")        # "" is silence; keys left over are pressed into what comes next
    await phone.hang_up()               # Twilio posts the status callback
    phone.heard                         # what was said, in order

Time is not waited for: a prompt is heard at once, and a timeout is over at once. A document that Twilio would not take
(an unknown verb or attribute, a wrong voice, a sound that is not there) fails the test.
"""

import asyncio
import io
import re
import secrets
import wave
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

ACCOUNT, TOKEN = "AC" + "0" * 32, "twilio-auth-token"
PUBLIC = "https://hotline.example"
FALLBACK = f"{PUBLIC}/twilio/fallback.xml"
START, STATUS = f"{PUBLIC}/twilio/voice/start", f"{PUBLIC}/twilio/voice/status"
MUSIC = "https://music.example/hold.mp3"
MOST_REQUESTS = 60  # in a row without the caller doing anything: a loop

KNOWN = {
    "Gather": {"input", "action", "method", "timeout", "finishOnKey", "numDigits", "actionOnEmptyResult"},
    "Say": {"language", "voice"},
    "Play": set[str](),
    "Pause": {"length"},
    "Redirect": {"method"},
    "Dial": {"action", "method", "timeout", "callerId", "sequential"},
    "Enqueue": {"action", "method", "waitUrl", "waitUrlMethod"},
    "Hangup": set[str](),
    "Leave": set[str](),
    "Record": {"action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "recordingStatusCallback",
               "recordingStatusCallbackMethod", "recordingStatusCallbackEvent", "trim"},
}  # fmt: skip
SPEAKS = {"cmn-CN": {"Polly.Zhiyu", "Polly.Zhiyu-Neural"}, "en-US": {"Polly.Joanna", "Polly.Joanna-Neural"}}


class TwilioApi:
    """Twilio's REST API, behind the account's login: keeps recordings, which are not there at first; places calls."""

    def __init__(self) -> None:
        self.recordings: dict[str, bytes] = {}
        self.late: int = 1  # how often a recording is asked for in vain
        self.removed: list[str] = []
        self.keeps = 0  # how often the line breaks when a recording is to be removed, and it stays
        self.placed: list[dict[str, str]] = []  # the fields of each call that was asked for, by Twilio's names
        self.refuse: tuple[int, int] | None = None  # (HTTP status, Twilio's code) of the next call that is asked for
        self.loses_answers = False  # a call is placed, and the answer is lost
        self.states: dict[str, str] = {}  # of each call by its sid
        self.changed: list[tuple[str, dict[str, str]]] = []  # what was asked of calls under way
        self._news = asyncio.Event()

    async def __aenter__(self) -> "TwilioApi":
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{account}/Calls.json", self._place)
        app.router.add_get("/2010-04-01/Accounts/{account}/Calls/{sid}.json", self._look)
        app.router.add_post("/2010-04-01/Accounts/{account}/Calls/{sid}.json", self._change)
        app.router.add_get("/2010-04-01/Accounts/{account}/Recordings/{sid}.wav", self._get)
        app.router.add_delete("/2010-04-01/Accounts/{account}/Recordings/{sid}.json", self._delete)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def called(self, times: int = 1) -> dict[str, str]:
        """The call that makes it so many: what was asked, with its `Sid`."""
        async with asyncio.timeout(10):
            while len(self.placed) < times:
                self._news.clear()
                await self._news.wait()
        return self.placed[times - 1]

    async def _place(self, request: web.Request) -> web.Response:
        self._let_in(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self.refuse:
            (status, code), self.refuse = self.refuse, None
            self.placed.append(form)
            self._news.set()
            return web.json_response({"code": code, "message": "no", "status": status}, status=status)
        sid = f"CA{secrets.token_hex(16)}"
        self.placed.append(form | {"Sid": sid})
        self.states[sid] = "queued"
        self._news.set()
        if self.loses_answers:
            raise web.HTTPBadGateway
        return web.json_response({"sid": sid, "status": "queued"}, status=201)

    async def _look(self, request: web.Request) -> web.Response:
        self._let_in(request)
        sid = request.match_info["sid"]
        return web.json_response({"sid": sid, "status": self.states[sid]})

    async def _change(self, request: web.Request) -> web.Response:
        self._let_in(request)
        sid, form = request.match_info["sid"], {name: str(value) for name, value in (await request.post()).items()}
        self.changed.append((sid, form))
        return web.json_response({"sid": sid, "status": form.get("Status", "")})

    def address(self, sid: str) -> str:
        return f"{self.url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{sid}"

    def _let_in(self, request: web.Request) -> None:
        login = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
        if request.headers.get("Authorization") != login or request.match_info["account"] != ACCOUNT:
            raise web.HTTPUnauthorized

    async def _get(self, request: web.Request) -> web.Response:
        self._let_in(request)
        if self.late > 0 or request.match_info["sid"] not in self.recordings:
            self.late -= 1
            raise web.HTTPNotFound
        return web.Response(body=self.recordings[request.match_info["sid"]], content_type="audio/x-wav")

    async def _delete(self, request: web.Request) -> web.Response:
        self._let_in(request)
        self.removed.append(request.match_info["sid"])
        if self.keeps > 0:
            self.keeps -= 1
            assert request.transport
            request.transport.close()
            raise web.HTTPBadGateway
        self.recordings.pop(request.match_info["sid"], None)
        return web.Response(status=204)


class Unreachable(Exception):
    """No TwiML came: Twilio goes to the fallback address."""


def signature(url: str, fields: dict[str, str], token: str = TOKEN, algorithm: str = "HMAC_SHA1") -> str:
    signed: str = RequestValidator(token).compute_signature(url, fields, algorithm)
    return signed


@dataclass
class TwilioPhone:
    """One call. `places` maps public addresses to where they really are; a list of them is a balancer, in turn."""

    places: dict[str, str | list[str]]
    caller: str = "+8613900000001"
    words: Callable[[str], str] = lambda address: f"<{address}>"  # what is heard at an address that is played
    people: list[str] = field(default_factory=lambda: ["completed"])  # what becomes of each hand-over
    tells_finish: bool = True  # sends FinishedOnKey, as Twilio does without promising it
    doubles: bool = False  # every request comes twice, at the same time
    stale: bool = False  # after every turn, the turn before is asked for again
    fallback: str = FALLBACK
    placed: Mapping[str, str] = field(default_factory=dict)  # `TwilioApi.called`: it is we who are called

    def __post_init__(self) -> None:
        self.call_sid = self.placed.get("Sid") or f"CA{secrets.token_hex(16)}"
        self.heard: list[str] = []
        self.dialled: list[str] = []
        self.queued: list[str] = []
        self.played: list[bytes] = []
        self.spoken: list[bytes] = []
        self.fell_back = False
        self.status = "ringing"
        self.asked: list[tuple[str, dict[str, str], str]] = []  # what was requested, and the answer
        self.sent: list[str] = []  # every address asked, answered or not
        self._gather: ElementTree.Element | None = None
        self._rest: list[ElementTree.Element] = []
        self._recorder: ElementTree.Element | None = None
        self._base = START
        self._left = ""  # keys pressed before anybody listened
        self._turn = 0
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> "TwilioPhone":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @property
    def listening(self) -> bool:
        return self._gather is not None

    @property
    def recording(self) -> bool:
        return self._recorder is not None

    @property
    def over(self) -> bool:
        return self.status == "completed"

    @property
    def said(self) -> str:
        return "".join(self.heard)

    async def start(self) -> None:
        """Dial, or pick up, and hear what is said until keys are wanted."""
        self.status = "in-progress" if self.placed else self.status
        await self._go_to(self.placed.get("Url", START), {})

    async def press(self, keys: str) -> None:
        """Press keys into the `<Gather>` that listens, and hear what comes of it."""
        assert self._gather is not None, "nobody listens"
        gather, self._gather = self._gather, None
        digits, finished, self._left = _collect(gather, keys)
        if not digits and gather.get("actionOnEmptyResult") != "true":
            await self._execute(self._rest)
            return
        fields = {"Digits": digits} | ({"FinishedOnKey": finished} if self.tells_finish else {})
        await self._go_to(gather.get("action") or self._base, fields)

    async def speak(self, api: TwilioApi, wav: bytes, *, then: str = "#", callback: bool = True) -> None:
        """Speak after the beep, then press # (or `hangup`); no `wav` is silence."""
        assert self._recorder is not None, "nothing is recorded"
        recorder, self._recorder = self._recorder, None
        if then == "hangup":
            await self.hang_up()
        if not wav:
            following = None if self.over else await self._execute(self._rest)
            await self._go_to(*following) if following else None
            return
        self.spoken.append(wav)
        sid = f"RE{secrets.token_hex(16)}"
        api.recordings[sid] = wav
        told = {"RecordingSid": sid, "RecordingUrl": api.address(sid), "RecordingDuration": "3"}
        await self._go_to(recorder.get("action", ""), told | {"Digits": then})
        if callback:
            ready = told | {"RecordingStatus": "completed"}
            for _ in range(2):
                assert (await self.post(recorder.get("recordingStatusCallback", ""), ready))[0] == 204

    async def hang_up(self, status: str = "completed") -> None:
        """The caller hangs up: only the status callback tells us."""
        self._gather = None
        with suppress(aiohttp.ClientError):
            await self.post_status(status)
        self.status = "completed"

    async def post_status(self, status: str, **more: str) -> int:
        """The status callback, which Twilio may send late, doubled, or out of order."""
        code, _ = await self.post(self.placed.get("StatusCallback", STATUS), {"CallStatus": status} | more)
        return code

    async def post(self, url: str, fields: dict[str, str], *, where: str = "", **headers: str) -> tuple[int, str]:
        """One signed request, as it is: (status, body)."""
        self.sent.append(url)
        fields = self._standard() | fields
        sent = {"X-Twilio-Signature": signature(url, fields), "User-Agent": "TwilioProxy/1.1"} | headers
        place = where or self._place(url)
        async with self._session.post(place, data=fields, headers=sent) as reply:
            return reply.status, await reply.text()

    # inside

    def _standard(self) -> dict[str, str]:
        return {
            "CallSid": self.call_sid,
            "AccountSid": ACCOUNT,
            "From": self.placed.get("From", self.caller),
            "To": self.placed.get("To", "+8651112329"),
            "CallStatus": self.status,
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-api" if self.placed else "inbound",
        }

    def _place(self, url: str) -> str:
        for public, real in self.places.items():
            if url.startswith(public):
                if isinstance(real, list):
                    self._turn += 1
                    real = real[self._turn % len(real)]
                return real + url.removeprefix(public)
        raise AssertionError(f"nobody knows {url}")

    async def _go_to(self, url: str, fields: dict[str, str]) -> None:
        url = urljoin(self._base, url)
        for _ in range(MOST_REQUESTS):
            try:
                document = await self._fetch(url, fields)
            except Unreachable:
                assert self.fallback and not self.fell_back, f"no TwiML from {url}"
                self.fell_back = True
                url, fields = self.fallback, {"ErrorCode": "11200", "ErrorUrl": url}
                continue
            self._base = url
            following = await self._execute(list(document))
            if following is None:
                return
            url, fields = following
        raise AssertionError(f"Twilio is sent round and round: {url}")

    async def _fetch(self, url: str, fields: dict[str, str]) -> ElementTree.Element:
        body = await self._body(url, fields)
        if self.doubles:
            again, third = await asyncio.gather(self._body(url, fields), self._body(url, fields))
            assert again == third == body, "a repeated request gets the same answer"
        if self.stale and (turn := re.search(r"/turn/(\d+)", url)) and int(turn[1]) >= 2:
            await self._ask_for_a_stale_turn()
        self.asked.append((url, fields, body))
        self.status = "in-progress" if self.status == "ringing" else self.status
        root = ElementTree.fromstring(body)
        assert root.tag == "Response"
        for element in root.iter():
            _check(element)
        return root

    async def _body(self, url: str, fields: dict[str, str]) -> str:
        try:
            code, body = await self.post(url, fields)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unreachable from None
        if code != 200:
            raise Unreachable
        return body

    async def _ask_for_a_stale_turn(self) -> None:
        url, fields, _ = next(asked for asked in self.asked if "/turn/1?" in asked[0])
        code, body = await self.post(url, fields)
        assert code == 200
        assert [element.tag for element in ElementTree.fromstring(body)] in (["Redirect"], ["Hangup"]), body

    async def _execute(self, verbs: list[ElementTree.Element]) -> tuple[str, dict[str, str]] | None:
        """Do what a document says: the next request, or None when the caller is listened to or the call is over."""
        while verbs:
            verb = verbs.pop(0)
            match verb.tag:
                case "Say" | "Play" | "Pause":
                    self._left = ""  # what is pressed while nobody gathers is lost
                    await self._hear(verb)
                case "Gather":
                    if await self._listen(verb, verbs):
                        return await self._leftovers()
                    return None
                case "Redirect":
                    return urljoin(self._base, verb.text or ""), {}
                case "Dial" | "Enqueue":
                    result = await self._hand_over(verb)
                    if result == "hangup":
                        break
                    if verb.get("action"):
                        name = "DialCallStatus" if verb.tag == "Dial" else "QueueResult"
                        return urljoin(self._base, verb.get("action", "")), {name: result}
                case "Record" if self.over:
                    break
                case "Record":
                    self._recorder, self._rest = verb, verbs
                    return None
                case "Hangup":
                    break
        if not self.over:
            await self.hang_up()
        return None

    async def _listen(self, gather: ElementTree.Element, rest: list[ElementTree.Element]) -> bool:
        """Whether keys were pressed before: then they stop the prompt before it is heard."""
        self._gather, self._rest = gather, rest
        if self._left:
            return True
        for nested in gather:
            await self._hear(nested)
        return False

    async def _leftovers(self) -> tuple[str, dict[str, str]]:
        gather, keys = self._gather, self._left
        assert gather is not None
        self._gather = None
        digits, finished, self._left = _collect(gather, keys)
        assert digits or gather.get("actionOnEmptyResult") == "true"
        fields = {"Digits": digits} | ({"FinishedOnKey": finished} if self.tells_finish else {})
        return urljoin(self._base, gather.get("action") or ""), fields

    async def _hear(self, verb: ElementTree.Element) -> None:
        if verb.tag == "Say":
            self.heard.append(verb.text or "")
        elif verb.tag == "Play":
            address = (verb.text or "").strip()
            if address == MUSIC:
                self.heard.append("♪")
                return
            self.played.append(await self._sound(address))
            self.heard.append(self.words(address))

    async def _sound(self, address: str) -> bytes:
        async with self._session.get(self._place(address)) as reply:
            body = await reply.read()
            assert reply.status == 200, f"Twilio cannot fetch {address}: {reply.status}"
            assert reply.content_type in ("audio/wav", "audio/x-wav", "audio/mpeg")
        with wave.open(io.BytesIO(body)) as sound:
            assert sound.getnframes() > 0
        return body

    async def _hand_over(self, verb: ElementTree.Element) -> str:
        """What `people` says next; `keys 92` is the caller pressing 9, then 2, while waiting in a queue."""
        result = self.people.pop(0)
        if verb.tag == "Dial":
            self.dialled += [number.text or "" for number in verb] or [verb.text or ""]
            return result
        self.queued.append(verb.text or "")
        word, _, keys = result.partition(" ")
        return await self._wait_in_queue(verb.get("waitUrl"), keys) if word == "keys" else result

    async def _wait_in_queue(self, url: str | None, keys: str) -> str:
        assert url
        place = {"QueuePosition": "3", "CurrentQueueSize": "3", "AvgQueueTime": "50", "QueueTime": "10"}
        for key in ("", *keys):
            document = await self._fetch(url, place | ({"Digits": key, "FinishedOnKey": ""} if key else {}))
            if document.find("Leave") is not None:
                return "leave"
            assert {verb.tag for verb in document} <= {"Gather", "Play", "Say", "Pause", "Redirect", "Hangup", "Leave"}
            gather = document.find("Gather")
            assert gather is not None
            for nested in gather:
                await self._hear(nested)
            url = gather.get("action", "")
        raise AssertionError("still in the queue")


def _collect(gather: ElementTree.Element, keys: str) -> tuple[str, str, str]:
    """(digits, the key that finished, keys left over)."""
    finish, most = gather.get("finishOnKey", "#"), int(gather.get("numDigits", "100"))
    digits = ""
    for at, key in enumerate(keys):
        if key == finish:
            return digits, key, keys[at + 1 :]
        digits += key
        if len(digits) == most:
            return digits, "", keys[at + 1 :]
    return digits, "", ""


def _check(element: ElementTree.Element) -> None:
    """What Twilio would refuse."""
    tag, attributes = element.tag, element.attrib
    if tag in ("Response", "Number", "Sip"):
        assert tag == "Response" or element.text
        return
    assert tag in KNOWN, f"Twilio knows no <{tag}>"
    assert set(attributes) <= KNOWN[tag], f"<{tag}> has no {set(attributes) - KNOWN[tag]}"
    if tag == "Say":
        assert attributes["voice"] in SPEAKS[attributes["language"]], "a voice that does not speak this language"
        assert (element.text or "").strip() and len(element.text or "") <= 4096
    if tag == "Gather":
        assert {nested.tag for nested in element} <= {"Say", "Play", "Pause"}
        assert int(attributes["timeout"]) > 0 and int(attributes["numDigits"]) > 0
        assert attributes["finishOnKey"] in ("", *"0123456789#*")
    for name in ("action", "waitUrl"):
        if name in attributes:
            assert urlsplit(attributes[name]).scheme in ("", "https", "http")
