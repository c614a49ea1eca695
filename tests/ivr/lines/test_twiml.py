"""The engine's actions as TwiML, exactly; and settings that Twilio would choke on, which do not get that far."""

import pytest
from pydantic import ValidationError

from ivr.actions import Action, HangUp, Listen, LookUp, Record, Say, Transfer
from ivr.lines import twiml
from ivr.lines.twilio_asked import Asked
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twiml import Sound, Ways
from ivr.utterance import Piece, Utterance, said
from tests.ivr.lines.twilio_nodes import settings

WELCOME, MENU, WAIT = said("您好。"), said("查询，请按1。"), said("请稍候。")
SOUNDS: dict[Utterance | str, Sound] = {
    "t-1": Sound("https://h.example/t-1.wav", 9),
    WELCOME: Sound("https://h.example/audio/w.wav", 2),
    MENU: Sound("https://h.example/audio/m.wav", 3),
    WELCOME + MENU: Sound("https://h.example/audio/wm.wav", 5),
    WAIT: Sound("https://h.example/audio/h.wav", 1),
}
WAYS = Ways("https://h.example/twilio/voice/turn", 4, now=1000)
GATHER = (
    '<Gather action="https://h.example/twilio/voice/turn/5?most={most}&amp;quiet={quiet}" actionOnEmptyResult="true"'
)
ONWARD = '<Redirect method="POST">https://h.example/twilio/voice/turn/5?most={most}&amp;quiet={quiet}</Redirect>'

DOCUMENTS: list[tuple[str, list[Action], str]] = [
    (
        "a menu: one key, with * and # among them; what is said can be cut, in one breath",
        [Say(WELCOME), Say(MENU), Listen(1, 5)],
        GATHER.format(most=1, quiet=1009) + ' finishOnKey="" input="dtmf" method="POST" numDigits="1" timeout="5">'
        "<Play>https://h.example/audio/wm.wav</Play></Gather>" + ONWARD.format(most=1, quiet=1009),
    ),
    (
        "a field: # ends it; what must be heard stands in front",
        [Say(WELCOME, interruptible=False), Say(MENU), Listen(6, 2.5, secret=True)],
        "<Play>https://h.example/audio/w.wav</Play>"
        + GATHER.format(most=6, quiet=1006)  # 1000 + 5 + 2.5 - 1, rounded
        + ' finishOnKey="#" input="dtmf" method="POST" numDigits="6" timeout="3">'
        "<Play>https://h.example/audio/m.wav</Play></Gather>" + ONWARD.format(most=6, quiet=1006),
    ),
    (
        "all of it must be heard when the last must",
        [Say(WELCOME), Say(MENU, interruptible=False), Listen(1, 5)],
        "<Play>https://h.example/audio/w.wav</Play><Play>https://h.example/audio/m.wav</Play>"
        + GATHER.format(most=1, quiet=1009)
        + ' finishOnKey="" input="dtmf" method="POST" numDigits="1" timeout="5" />'
        + ONWARD.format(most=1, quiet=1009),
    ),
    (
        "a look-up that takes long",
        [Say(WAIT), LookUp("report")],
        '<Play>https://h.example/audio/h.wav</Play><Redirect method="POST">https://h.example/twilio/voice/turn/4?part=1</Redirect>',
    ),
    (
        "people",
        [Say(WAIT), Transfer("loan")],
        '<Play>https://h.example/audio/h.wav</Play><Dial action="https://h.example/twilio/voice/turn/5" method="POST" '
        'timeout="25"><Number>+8651112345678</Number></Dial>',
    ),
    (
        "a queue at Twilio",
        [Transfer("general")],
        '<Enqueue action="https://h.example/twilio/voice/turn/5" method="POST" '
        'waitUrl="https://h.example/twilio/voice/wait/4" waitUrlMethod="POST">front</Enqueue>',
    ),
    (
        "a number outside",
        [Transfer("051185212579")],
        '<Dial action="https://h.example/twilio/voice/turn/5" method="POST" timeout="25">'
        "<Number>+8651185212579</Number></Dial>",
    ),
    (
        "a recording: an empty one asks for nothing, and goes on",
        [Say(WELCOME), Record("2603020001-1", 120, 5)],
        "<Play>https://h.example/audio/w.wav</Play>"
        '<Record action="https://h.example/twilio/voice/turn/5?tape=2603020001-1" finishOnKey="#" maxLength="120" '
        'method="POST" playBeep="true" '
        'recordingStatusCallback="https://h.example/twilio/voice/recording?tape=2603020001-1" '
        'recordingStatusCallbackMethod="POST" timeout="5" trim="do-not-trim" />'
        '<Redirect method="POST">https://h.example/twilio/voice/turn/5?tape=2603020001-1</Redirect>',
    ),
    (
        "a recording that is played stands by itself; one that is not here is nothing said",
        [Say(WELCOME), Say(Utterance(), recording="t-1"), Say(Utterance(), recording="t-2"), Say(MENU), HangUp()],
        "<Play>https://h.example/audio/w.wav</Play><Play>https://h.example/t-1.wav</Play>"
        "<Play>https://h.example/audio/m.wav</Play><Hangup />",
    ),
    ("the end", [Say(WELCOME), HangUp()], "<Play>https://h.example/audio/w.wav</Play><Hangup />"),
    ("the end, without a word", [Say(Utterance()), HangUp()], "<Hangup />"),
]


@pytest.mark.parametrize(("actions", "inside"), [each[1:] for each in DOCUMENTS], ids=[each[0] for each in DOCUMENTS])
def test_the_exact_document(actions: list[Action], inside: str) -> None:
    chosen = settings(queues={"general": "queue:front"})
    expected = f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'
    assert twiml.respond(actions, SOUNDS, chosen, WAYS) == expected


def test_what_twilio_speaks_itself_is_in_the_words_language() -> None:
    both = Utterance((Piece("查询<余额>&", "zh"), Piece("For English, press 9.", "en")))
    chosen = settings(voices={"zh": "cmn-CN Polly.Zhiyu", "en": "en-GB Google.en-GB-Neural2-A"})
    document = twiml.respond([Say(both), HangUp()], {both: Sound()}, chosen, WAYS)
    assert '<Say language="cmn-CN" voice="Polly.Zhiyu">查询&lt;余额&gt;&amp;</Say>' in document
    assert '<Say language="en-GB" voice="Google.en-GB-Neural2-A">For English, press 9.</Say>' in document


def test_the_hash_that_may_still_follow_is_told_onward() -> None:
    ways = Ways("https://h.example/t", 4, now=1000, closing=1003)
    assert "&amp;closing=1003" in twiml.respond([Listen(1, 5)], {}, settings(), ways)


KEYS = [
    # told, form, now, pressed
    ({"most": 1}, {"Digits": "5"}, 0, "5"),
    ({"most": 1}, {"Digits": "#"}, 0, "#"),
    ({"most": 1}, {"Digits": "w"}, 0, ""),
    ({"most": 6}, {"Digits": "135790", "FinishedOnKey": ""}, 0, "135790"),
    ({"most": 6}, {"Digits": "1357", "FinishedOnKey": "#"}, 0, "1357"),
    ({"most": 6}, {"Digits": "", "FinishedOnKey": "#"}, 0, "#"),
    ({"most": 6, "quiet": 100}, {"Digits": "", "FinishedOnKey": ""}, 50, ""),
    ({"most": 6, "quiet": 100}, {"Digits": ""}, 50, "#"),
    ({"most": 6, "quiet": 100}, {"Digits": ""}, 100, ""),
    ({"most": 6, "quiet": 100}, {}, 101, ""),
]


@pytest.mark.parametrize(("told", "form", "now", "pressed"), KEYS)
def test_what_was_pressed(told: dict[str, int], form: dict[str, str], now: float, pressed: str) -> None:
    assert Asked("CA1", 3, told, form).keys(now) == pressed


@pytest.mark.parametrize(
    ("number", "caller"),
    [
        ("+8613900000001", "13900000001"),
        ("+8651185212579", "051185212579"),
        ("+12125550100", "+12125550100"),
        ("+266696687", ""),
        ("+86282452253", ""),
        ("anonymous", ""),
        ("", ""),
        ("sip:somebody@example.com", ""),
    ],
)
def test_who_is_calling(number: str, caller: str) -> None:
    assert Asked("CA1", 0, form={"From": number}).caller == caller


FAULTS = [
    ({"auth_token": ""}, "auth_token: needed"),
    ({"people": ""}, "people: needed"),
    ({"people": "0511-12345678"}, "people: write +86"),
    ({"people": "queue:front"}, "people: write +86"),
    ({"queues": {"loan": "12345"}}, "queues.loan: write +86"),
    ({"queues": {"loan": "+8651112345678,nobody"}}, "queues.loan: write +86"),
    ({"voices": {"zh": "cmn-CN Polly.Joanna"}}, "voices.zh: no such voice speaks cmn-CN"),
    ({"voices": {"zh": "zh-CN Polly.Zhiyu"}}, "voices.zh: begin with cmn-CN"),
    ({"voices": {"zh": "en-US Polly.Joanna"}}, "voices.zh: begin with cmn-CN"),
    ({"voices": {"zh": "cmn-CN Google.en-US-Neural2-A"}}, "voices.zh: no such voice"),
    ({"voices": {"zh": "cmn-CN Polly.Zhiyu", "en": "en-US Polly.Amy"}}, "voices.en: no such voice"),
    ({"voices": {"en": "en-US Polly.Joanna"}}, "a voice for zh is needed"),
    ({"account_sid": "AC123"}, "account_sid"),
    ({"caller_id": "12329"}, "caller_id"),
    ({"ring_seconds": 0}, "ring_seconds"),
]


@pytest.mark.parametrize(("given", "told"), FAULTS)
def test_settings_that_cannot_work_are_told_at_start(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        settings(**given)
    assert told in str(wrong.value) and "twilio-auth-token" not in str(wrong.value)


def test_it_is_off_by_default() -> None:
    assert not TwilioVoiceSettings().on
    assert settings().on
    assert settings(voices={"zh": "cmn-CN Google.cmn-CN-Wavenet-A"}).voice("en") == (
        "cmn-CN",
        "Google.cmn-CN-Wavenet-A",
    )
