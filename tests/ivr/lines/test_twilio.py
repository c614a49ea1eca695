"""Twilio as it is on bad days: repeated, late and forged requests, nodes that change or die, people who do not answer."""

import asyncio
from datetime import timedelta
from random import Random
from xml.etree import ElementTree

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr.actions import LookUp
from ivr.lines.twiml import Sound
from ivr.tables import twilio_turns
from ivr.utterance import Utterance
from tests.ivr.golden import flow_of
from tests.ivr.lines.fake_twilio import ACCOUNT, PUBLIC, START, STATUS, TwilioPhone, signature
from tests.ivr.lines.twilio_nodes import PEOPLE, STEP, Clock, Waiting, node, outcome, play

FLOW = flow_of(
    {
        "nodes": {
            "start": {"say": "您好。", "next": "main"},
            "main": {"menu": {"1": {"say": "第一层", "go": "one"}, "3": {"say": "时间", "go": "hours"}}},
            "one": {"menu": {"1": {"say": "第二层", "go": "two"}}},
            "two": {"ask": "digits", "say": "请输入四位数字。", "length": "4", "save": "number", "next": "bye"},
            "hours": {"hours": "people", "open": "bye", "closed": "one"},
            "bye": {"hang_up": "再见。"},
            "agent": {"say": "转接。", "transfer": "general", "full": "full", "closed": "closed", "after": "after"},
            "full": {"hang_up": "人太多。"},
            "closed": {"hang_up": "没有人。"},
            "after": {"hang_up": "谢谢您和我们通话。"},
        },
        "hours": {"timetables": {"people": {"note": "人工", "working_days": "9:00-17:00"}}},
    }
)


@pytest.fixture
def database(engine: AsyncEngine) -> AsyncEngine:
    return engine


@pytest.fixture
def slow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for an answer is told so soon."""
    monkeypatch.setattr("ivr.call.PATIENT_SECONDS", 0.1)


# Hanging up


@pytest.mark.parametrize("keys", [[], ["1"], ["1", "1"], ["9"], [""]])
async def test_hung_up_at_every_point(database: AsyncEngine, keys: list[str]) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await play(phone, clock, keys)
        assert await outcome(database, phone.call_sid) == ("hung_up", True)


async def test_the_end_is_told_late_twice_and_out_of_order(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        for status in ("in-progress", "ringing", "initiated"):
            assert await phone.post_status(status) == 204
        assert await outcome(database, phone.call_sid) == ("", False)
        await phone.press("1")
        for status in ("completed", "completed", "in-progress", "failed"):
            assert await phone.post_status(status) == 204
            assert await outcome(database, phone.call_sid) == ("hung_up", True)
        code, body = await phone.post(f"{PUBLIC}/twilio/voice/turn/2?most=1&quiet=1", {"Digits": "1"})
        assert (code, "<Hangup" in body) == (200, True), "nothing happens any more"
        assert await outcome(database, phone.call_sid) == ("hung_up", True)


async def test_the_end_before_the_beginning(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        assert await phone.post_status("canceled") == 204
        code, body = await phone.post(START, {})
        assert (code, "<Hangup" in body) == (200, True)
        async with database.connect() as connection:
            assert not (await connection.execute(text("SELECT * FROM calls"))).all()


async def test_a_finished_call_stays_finished(database: AsyncEngine) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await play(phone, clock, ["1", "1", "1234#"])
        assert phone.over and phone.heard[-1] == "再见。"
        url, fields, _ = phone.asked[-1]
        assert await outcome(database, phone.call_sid) == ("finished", True)
        for late in (fields, {"CallStatus": "completed"}):
            code, again = await phone.post(url, late)
            assert code == 200 and "再见" not in again, "Twilio has told us that it is over"


# Repeated and concurrent requests


async def test_a_repeated_request_is_one_step(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}, doubles=True, stale=True) as phone:
        await phone.start()
        for keys in ("1", "1", "12", "1234"):
            await phone.press(keys)
        assert phone.over
        assert phone.said.count("第二层") == 1 and phone.said.endswith("再见。")
        async with database.connect() as connection:
            nodes = (await connection.execute(text("SELECT node FROM call_steps ORDER BY n"))).scalars().all()
        assert nodes == ["main/start", "main/main", "main/one", "main/two", "main/bye"]


async def test_the_last_answer_is_given_again(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        await phone.press("1")
        (url, fields, body) = phone.asked[-1]
        assert await phone.post(url, fields) == (200, body)
        assert await phone.post(url, fields | {"Digits": "9"}) == (200, body), "whatever it says now"


# Nodes


async def test_several_nodes_take_turns(database: AsyncEngine) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as first, node(database, FLOW, clock=clock) as second:
        phone = TwilioPhone({PUBLIC: [first.url, second.url]}, doubles=True, stale=True)
        async with phone:
            await play(phone, clock, ["1", "", "1", "#", "1234#"])
            assert phone.over and phone.heard[-1] == "再见。"
            assert await outcome(database, phone.call_sid) == ("finished", True)


async def test_a_restart_between_two_turns(database: AsyncEngine) -> None:
    clock = Clock()
    phone = TwilioPhone({})
    async with phone:
        for n, keys in enumerate(["", "1", "1", "1234#"]):
            async with node(database, FLOW, clock=clock) as here:
                phone.places = {PUBLIC: here.url}
                clock.now += STEP
                await (phone.press(keys) if n else phone.start())
                if n == 2:  # asked again, at a node that never gave this answer
                    url, fields, body = phone.asked[-1]
            if n == 2:
                async with node(database, FLOW, clock=clock) as other:
                    phone.places = {PUBLIC: other.url}
                    assert await phone.post(url, fields) == (200, body)
        assert phone.over and "中断" not in phone.said and phone.heard[-1] == "再见。"
        assert await outcome(database, phone.call_sid) == ("finished", True)


async def test_a_node_that_dies_in_a_turn(database: AsyncEngine) -> None:
    """Another adopts the turn once it is plain that nobody will answer it, and says again where the caller was."""
    clock = Clock()
    phone = TwilioPhone({})
    async with phone:
        async with node(database, FLOW, clock=clock) as here:
            phone.places = {PUBLIC: here.url}
            await phone.start()
        async with database.begin() as connection:  # what a node leaves behind that took the turn and died
            await connection.execute(twilio_turns.update().values(n=1, done=False, answer=None))
        clock.now += timedelta(seconds=11)
        async with node(database, FLOW, clock=clock) as other:
            phone.places = {PUBLIC: other.url}
            await phone.press("1")
            assert "中断" in phone.said and phone.heard[-1].count("第一层") == 1
            await phone.press("1")
            assert "第二层" in phone.said


async def test_the_call_goes_on_from_memory_while_the_database_is_away(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE twilio_turns RENAME TO mislaid"))
            await connection.execute(text("ALTER TABLE calls RENAME TO mislaid_as_well"))
        await phone.press("1")
        url, fields, body = phone.asked[-1]
        assert await phone.post(url, fields) == (200, body)
        await phone.press("1")
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE mislaid RENAME TO twilio_turns"))
            await connection.execute(text("ALTER TABLE mislaid_as_well RENAME TO calls"))
        await phone.press("1234#")
        assert phone.over and "中断" not in phone.said and phone.heard[-1] == "再见。"


async def test_the_call_goes_on_when_the_database_was_away_only_as_a_turn_was_taken(database: AsyncEngine) -> None:
    async def spoken_as_it_is_back(_: Utterance) -> Sound:
        if "1" in pressed:
            async with database.begin() as connection:
                await connection.execute(text("ALTER TABLE mislaid RENAME TO twilio_turns"))
            pressed.clear()
        return Sound()

    pressed: list[str] = []
    async with node(database, FLOW, speak=spoken_as_it_is_back) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE twilio_turns RENAME TO mislaid"))
        pressed.append("1")
        await phone.press("1")
        assert not pressed and not phone.over and "第二层" in phone.said
        async with node(database, FLOW) as other:
            phone.places = {PUBLIC: other.url}
            await phone.press("1")
        assert "请输入四位数字" in phone.said and "中断" not in phone.said, "and what it heard is known to other nodes"


@pytest.mark.usefixtures("slow_at_once")
async def test_a_node_that_is_late_does_not_end_the_call(database: AsyncEngine) -> None:
    """Another has adopted its turn meanwhile, and the caller is further."""
    answer, clock = asyncio.Event(), Clock()

    async def slow(_: LookUp) -> str:
        await answer.wait()
        return "closed"

    async def closed(_: LookUp) -> str:
        return "closed"

    async with (
        node(database, FLOW, Waiting(slow), clock, answer_seconds=0.2) as here,
        node(database, FLOW, Waiting(closed), clock) as other,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        press = asyncio.create_task(phone.press("3"))
        while not any("请稍候" in words for words in phone.heard):
            await asyncio.sleep(0.01)
        clock.now += timedelta(seconds=11)
        phone.places = {PUBLIC: other.url}
        await press
        await phone.press("1")
        answer.set()
        await here.voice.stop()
        assert await outcome(database, phone.call_sid) == ("", False)


async def test_a_key_is_not_taken_for_another_questions_where_the_records_are_behind(database: AsyncEngine) -> None:
    """One node could not write where the call is; what is pressed next comes to another, which only knows less."""
    clock = Clock()
    async with (
        node(database, FLOW, clock=clock) as here,
        node(database, FLOW, clock=clock) as other,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        phone.places = {PUBLIC: other.url}
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE calls RENAME TO mislaid"))
        await phone.press("3")
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE mislaid RENAME TO calls"))
        phone.places = {PUBLIC: here.url}
        before = len(phone.heard)
        await phone.press("1")
        again = "".join(phone.heard[before:])
        assert "中断" in again and "第一层" in again, "the question that this node knows of, and not an answer to it"
        await phone.press("1")
        assert "第二层" in phone.heard[-1]


async def test_our_fault_leads_to_a_person(database: AsyncEngine) -> None:
    async def broken(_: Utterance) -> Sound:
        raise RuntimeError("no voice")

    async with node(database, FLOW, speak=broken) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        assert phone.over and phone.dialled == [PEOPLE] and "如果没有接通" in phone.said and not phone.fell_back
        assert await outcome(database, phone.call_sid) == ("rescued", True)


async def test_a_service_that_is_away_leads_to_a_person(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        phone.places = {
            f"{PUBLIC}/twilio/fallback.xml": here.url + "/twilio/fallback.xml",
            PUBLIC: "http://127.0.0.1:1",
        }
        await phone.press("1")
        assert phone.fell_back and phone.dialled == [PEOPLE] and "如果没有接通" in phone.said


async def test_whatever_is_signed_gets_something_that_goes_on(database: AsyncEngine) -> None:
    """No field, however odd, ends in an error or in silence."""
    chance = Random(12329)
    fields = {
        "Digits": ["1", "#", "*", "123456789012345678901234567890", "x", "", "\u0661"],
        "FinishedOnKey": ["", "#", "?"],
        "DialCallStatus": ["busy", "completed", "nonsense"],
        "DialCallDuration": ["12", "-", ""],
        "QueueResult": ["leave", "bridged", "nonsense"],
        "QueuePosition": ["2", "x"],
        "AvgQueueTime": ["30", "x"],
        "RecordingUrl": ["http://127.0.0.1:1/x", "x"],
        "RecordingDuration": ["3", "x"],
        "From": ["", "+", "tel:" + "9" * 500, "\u0000"],
    }
    paths = ["start", "turn/0", "turn/1", "turn/2?most=1", "turn/3?part=1", "turn/999999?tape=1-1", "wait/1?keys=23"]
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        for _ in range(60):
            told = {name: chance.choice(fields[name]) for name in chance.sample(sorted(fields), 3)}
            code, body = await phone.post(f"{PUBLIC}/twilio/voice/{chance.choice(paths)}", told)
            assert code == 200, told
            verbs = [verb.tag for verb in ElementTree.fromstring(body)]
            assert verbs[-1:] in (["Redirect"], ["Hangup"], ["Dial"], ["Say"], ["Leave"]), (told, body)


# Slow look-ups


@pytest.mark.usefixtures("slow_at_once")
async def test_a_slow_look_up_is_bridged(database: AsyncEngine) -> None:
    """ "Please wait" is said at once; the answer, once it is there, by whatever node is asked."""
    answer = asyncio.Event()

    async def slow(_: LookUp) -> str:
        await answer.wait()
        return "closed"

    world, other_world = Waiting(slow), Waiting(slow)
    async with (
        node(database, FLOW, world) as here,
        node(database, FLOW, other_world) as other,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        press = asyncio.create_task(phone.press("3"))
        while not any("请稍候" in words for words in phone.heard):
            await asyncio.sleep(0.01)
        phone.places = {PUBLIC: other.url}  # the next request goes elsewhere
        while "part=1" not in phone.sent[-1]:
            await asyncio.sleep(0.01)
        answer.set()
        await press
        assert "第二层" in phone.heard[-1] and phone.listening
        assert len(world.asked) == 1 and not other_world.asked
        first = next(asked for asked in phone.asked if asked[1].get("Digits") == "3")
        assert await phone.post(first[0], first[1]) == (200, first[2]), "the first words, not the last"
        await phone.press("1")
        assert "四位数字" in phone.heard[-1]


@pytest.mark.usefixtures("slow_at_once")
async def test_a_look_up_that_takes_very_long_is_bridged_again_and_again(database: AsyncEngine) -> None:
    answer = asyncio.Event()

    async def slow(_: LookUp) -> str:
        await answer.wait()
        return "closed"

    async with (
        node(database, FLOW, Waiting(slow), answer_seconds=0.1) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        press = asyncio.create_task(phone.press("3"))
        while phone.said.count("请稍候") < 3:
            await asyncio.sleep(0.01)
        answer.set()
        await press
        assert "第二层" in phone.heard[-1] and phone.listening


@pytest.mark.usefixtures("slow_at_once")
async def test_a_node_that_stops_does_not_wait_for_another(database: AsyncEngine) -> None:
    answer = asyncio.Event()

    async def slow(_: LookUp) -> str:
        await answer.wait()
        return "closed"

    async with (
        node(database, FLOW, Waiting(slow)) as here,
        node(database, FLOW) as other,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        press = asyncio.create_task(phone.press("3"))
        while not any("请稍候" in words for words in phone.heard):
            await asyncio.sleep(0.01)
        phone.places = {PUBLIC: other.url}
        while "part=1" not in phone.sent[-1]:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the other follows this turn now
        async with asyncio.timeout(1.5):
            await other.voice.stop()
        press.cancel()
        answer.set()


@pytest.mark.usefixtures("slow_at_once")
async def test_hung_up_during_a_look_up_as_another_node_is_told(database: AsyncEngine) -> None:
    answer = asyncio.Event()

    async def slow(_: LookUp) -> str:
        await answer.wait()
        return "closed"

    async with node(database, FLOW, Waiting(slow)) as here, node(database, FLOW) as other:
        async with TwilioPhone({PUBLIC: here.url}) as phone:
            await phone.start()
            press = asyncio.create_task(phone.press("3"))
            while not any("请稍候" in words for words in phone.heard):
                await asyncio.sleep(0.01)
            press.cancel()
            assert (await phone.post(STATUS, {"CallStatus": "completed"}, where=other.url + "/twilio/voice/status"))[
                0
            ] == 204
            answer.set()
            async with asyncio.timeout(5):
                while await outcome(database, phone.call_sid) != ("hung_up", True):
                    await asyncio.sleep(0.05)
        await asyncio.sleep(0)
    assert await outcome(database, phone.call_sid) == ("hung_up", True), "and nothing opens it again"


# People

RESULTS = [
    ("completed", "谢谢您和我们通话。", "transferred"),
    ("answered", "谢谢您和我们通话。", "transferred"),
    ("busy", "人太多。", "finished"),
    ("no-answer", "没有人。", "finished"),
    ("failed", "再拨0511-12329", "finished"),
    ("canceled", "再拨0511-12329", "finished"),
]


@pytest.mark.parametrize(("result", "heard", "ended"), RESULTS)
async def test_what_becomes_of_a_hand_over(database: AsyncEngine, result: str, heard: str, ended: str) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}, people=[result]) as phone:
        await play(phone, clock, ["0"])
        assert phone.dialled == [PEOPLE] and heard in phone.heard[-1]
        assert await outcome(database, phone.call_sid) == (ended, True)


async def test_a_caller_who_hangs_up_while_with_people(database: AsyncEngine) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}, people=["hangup"]) as phone:
        await play(phone, clock, ["0"])
        assert phone.over and phone.heard[-1] == "转接。"
        assert await outcome(database, phone.call_sid) == ("transferred", True)


@pytest.mark.parametrize(
    ("result", "heard"), [("bridged", "谢谢您"), ("queue-full", "人太多"), ("error", "再拨"), ("system-error", "再拨")]
)
async def test_a_queue_at_twilio(database: AsyncEngine, result: str, heard: str) -> None:
    clock, queues = Clock(), {"general": "queue:people"}
    async with (
        node(database, FLOW, clock=clock, queues=queues) as here,
        TwilioPhone({PUBLIC: here.url}, people=[result]) as phone,
    ):
        await play(phone, clock, ["0"])
        assert phone.queued == ["people"] and not phone.dialled and heard in phone.heard[-1]


QUEUE_FLOW = flow_of(
    {
        "nodes": {
            "start": {"menu": {"1": {"say": "人工", "go": "agent"}}},
            "agent": {"transfer": "general", "callback": "call_back", "message": "note", "failed": "failed"},
            "call_back": {"hang_up": "我们给您回电。"},
            "note": {"hang_up": "请留言。"},
            "failed": {"hang_up": "没有接通。"},
        }
    }
)


@pytest.mark.parametrize(("keys", "heard"), [("2", "我们给您回电。"), ("73", "请留言。")])
async def test_a_key_leads_out_of_the_queue(database: AsyncEngine, keys: str, heard: str) -> None:
    """The caller hears their place and what may be done instead; the next turn may be another node's."""
    queues = {"general": "queue:people"}
    async with (
        node(database, QUEUE_FLOW, queues=queues) as first,
        node(database, QUEUE_FLOW, queues=queues) as second,
        TwilioPhone({PUBLIC: [first.url, second.url]}, people=[f"keys {keys}"], doubles=True) as phone,
    ):
        await phone.start()
        await phone.press("1")
        assert phone.queued == ["people"] and phone.said.count("♪") == len(keys)
        assert "您前面还有两位来电人，预计等待约三分钟。由我们给您回电，请按2。留言，请按3。" in phone.said
        assert phone.over and phone.heard[-1] == heard


async def test_calls_that_nobody_has_ended(database: AsyncEngine) -> None:
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        await here.voice.end_forgotten()
        assert await outcome(database, phone.call_sid) == ("", False)
        clock.now += timedelta(hours=6)
        await here.voice.end_forgotten()
        assert await outcome(database, phone.call_sid) == ("hung_up", True)


async def test_two_nodes_asked_at_the_same_moment(database: AsyncEngine) -> None:
    async with (
        node(database, FLOW) as first,
        node(database, FLOW) as second,
        TwilioPhone({PUBLIC: first.url}) as phone,
    ):
        await phone.start()
        url = f"{PUBLIC}/twilio/voice/turn/1?most=1"
        places = [here.url + url.removeprefix(PUBLIC) for here in (first, second)] * 4
        answers = await asyncio.gather(*(phone.post(url, {"Digits": "1"}, where=place) for place in places))
        assert len(set(answers)) == 1 and "第二层" in answers[0][1]
        async with database.connect() as connection:
            nodes = (await connection.execute(text("SELECT node FROM call_steps ORDER BY n"))).scalars().all()
        assert nodes == ["main/start", "main/main", "main/one"]


async def test_several_people_are_dialled_in_order(database: AsyncEngine) -> None:
    clock, queues = Clock(), {"general": "+8651111111111,sip:seat@centre.example"}
    async with node(database, FLOW, clock=clock, queues=queues) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await play(phone, clock, ["0"])
        assert phone.dialled == ["+8651111111111", "sip:seat@centre.example"]
        assert 'sequential="true"' in next(body for _, _, body in phone.asked if "<Dial" in body)


# Keys


async def test_without_the_finishing_key_told_time_tells_silence(database: AsyncEngine) -> None:
    """Twilio promises nothing but `Digits`: a lone # comes sooner than any silence could."""
    clock = Clock()
    async with node(database, FLOW, clock=clock) as here, TwilioPhone({PUBLIC: here.url}, tells_finish=False) as phone:
        await phone.start()
        for keys in ("1", "1"):
            clock.now += STEP
            await phone.press(keys)
        clock.now += timedelta(seconds=2)
        await phone.press("#")
        assert "没有收到" not in phone.said and phone.heard[-1] == "请输入四位数字。"
        clock.now += STEP
        await phone.press("")
        assert "没有收到" in phone.said


async def test_the_hash_after_a_full_field_is_not_a_key(database: AsyncEngine) -> None:
    clock = Clock()
    flow = flow_of(
        {
            "nodes": {
                "start": {"ask": "digits", "say": "四位。", "length": "4", "save": "number", "next": "main"},
                "main": {"menu": {"1": {"say": "继续", "go": "bye"}, "#": {"say": "井号", "go": "agent"}}},
                "bye": {"hang_up": "再见。"},
            }
        }
    )
    async with node(database, flow, clock=clock) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        await phone.start()
        await phone.press("1234#")
        assert phone.listening and "继续" in phone.heard[-1]
        clock.now += timedelta(seconds=4)
        await phone.press("#")
        assert phone.dialled, "later, it is one"


# Signatures


async def test_only_what_twilio_signed_is_let_in(database: AsyncEngine) -> None:
    async with node(database, FLOW) as here, TwilioPhone({PUBLIC: here.url}) as phone:
        fields = phone._standard()
        good = signature(START, fields)
        refused = {
            "unsigned": {"X-Twilio-Signature": ""},
            "garbage": {"X-Twilio-Signature": "x"},
            "another token": {"X-Twilio-Signature": signature(START, fields, "guess")},
            "another address": {"X-Twilio-Signature": signature(f"{here.url}/twilio/voice/start", fields)},
            "an algorithm that is none": {
                "X-Twilio-Signature": good,
                "X-Twilio-Webhooks-Signature-Settings": "algorithm=NONE",
            },
        }
        for why, headers in refused.items():
            for url in (START, STATUS, f"{PUBLIC}/twilio/voice/turn/1"):
                assert await phone.post(url, {}, **headers) == (403, ""), why
        tampered = {"X-Twilio-Signature": good}
        assert await phone.post(START, {"From": "+8613900000002"}, **tampered) == (403, "")
        assert await phone.post(START, {"AccountSid": "AC" + "1" * 32}) == (403, ""), "signed, but another account"
        assert await phone.post(START, {"CallSid": "../../etc/passwd"}) == (403, "")
        assert (await phone.post(START, {}))[0] == 200
        async with database.connect() as connection:
            assert len((await connection.execute(select(twilio_turns))).all()) == 1


async def test_a_shared_key(database: AsyncEngine) -> None:
    async with node(database, FLOW, shared_key="another secret") as here, TwilioPhone({PUBLIC: here.url}) as phone:
        told = {"X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
        fields = phone._standard()
        by_key = signature(START, fields, "another secret", "HMAC_SHA256")
        assert (await phone.post(START, {}, **told, **{"X-Twilio-Signature": by_key}))[0] == 200
        by_token = signature(START, fields, algorithm="HMAC_SHA256")
        assert (await phone.post(START, {}, **told, **{"X-Twilio-Signature": by_token}))[0] == 403


async def test_only_a_trusted_proxy_tells_how_we_are_called(database: AsyncEngine) -> None:
    other = "https://12329.example"
    forwarded = {"X-Forwarded-Host": "12329.example", "X-Forwarded-Proto": "https"}
    for proxies, code in (((), 403), (("10.0.0.0/8",), 403), (("127.0.0.1",), 200)):
        async with (
            node(database, FLOW, proxies=proxies) as here,
            TwilioPhone({PUBLIC: here.url, other: here.url}) as phone,
        ):
            assert (await phone.post(f"{other}/twilio/voice/start", {}, **forwarded))[0] == code
            assert (await phone.post(START, {}, **forwarded))[0] == 200, "the public address is always good"
            assert phone._standard()["AccountSid"] == ACCOUNT
