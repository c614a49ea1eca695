"""The link against a real Asterisk: a quiet minute, a flood, a restart; the library alone survives none of them."""

import asyncio
from collections.abc import Iterator

import pytest

from desk.ami import ActionRefused, Ami, AmiEvent, Connected, Disconnected, Exchange, Missed
from tests.desk.exchange import Listener
from tests.real.asterisk import SECRETS, Asterisk, NoAsterisk

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    try:
        with Asterisk(tmp_path_factory.mktemp("exchange"), "agi://127.0.0.1:1/call") as asterisk:
            yield asterisk
    except NoAsterisk as reason:
        pytest.skip(str(reason))


def exchange(asterisk: Asterisk) -> Exchange:
    return Exchange("127.0.0.1", asterisk.ami_port, "hotline", SECRETS["AMI_SECRET"])


async def test_a_quiet_minute_and_a_restart(asterisk: Asterisk) -> None:
    ami = Ami(exchange(asterisk))
    await ami.start()
    listener = Listener(ami)
    await listener.until(lambda each: isinstance(each, Connected))
    await asyncio.sleep(60)  # what is proved is that nothing happens
    assert not any(isinstance(each, Disconnected) for each in listener.heard)
    assert len(await ami.rows("QueueStatus")) >= 10
    await asyncio.to_thread(asterisk.run, "core restart now")
    await listener.until(lambda each: isinstance(each, Disconnected), seconds=20)
    await listener.until(lambda each: isinstance(each, Connected), 2, seconds=30)
    await asyncio.to_thread(asterisk.run, "core waitfullybooted")  # it takes actions before it knows what queues are
    await ami.action("Ping")
    listener.stop()
    await ami.stop()


async def test_a_flood_of_real_events(asterisk: Asterisk) -> None:
    ami = Ami(exchange(asterisk), most_events=200)
    await ami.start()
    listener = Listener(ami)
    await listener.until(lambda each: isinstance(each, Connected))
    for turn in range(100):  # each tells of ten queues
        await ami.action("QueuePause", Interface="PJSIP/agent1", Paused="true" if turn % 2 else "false", Reason="flood")
    await ami.action("QueuePause", Interface="PJSIP/agent1", Paused="true", Reason="last")

    def last(each: object) -> bool:
        return isinstance(each, Missed) or (isinstance(each, AmiEvent) and each.fields.get("PausedReason") == "last")

    await listener.until(last)
    await ami.action("QueuePause", Interface="PJSIP/agent1", Paused="false")
    listener.stop()
    await ami.stop()


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("Command", {"Command": "core show channels"}),
        ("GetConfig", {"Filename": "pjsip.conf"}),
        ("UpdateConfig", {"SrcFilename": "pjsip.conf", "DstFilename": "pjsip.conf"}),
        ("DBGet", {"Family": "registrar", "Key": "contact"}),
        ("Originate", {"Channel": "PJSIP/agent1", "Application": "System", "Data": "id", "Async": "true"}),
    ],
)
async def test_our_user_may_do_no_more_than_it_needs(asterisk: Asterisk, action: str, fields: dict[str, str]) -> None:
    ami = Ami(exchange(asterisk))
    await ami.start()
    listener = Listener(ami)
    await listener.until(lambda each: isinstance(each, Connected))
    with pytest.raises(ActionRefused):
        await ami.action(action, **fields)
    listener.stop()
    await ami.stop()
