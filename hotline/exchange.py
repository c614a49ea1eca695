"""The telephone exchange, as the service holds it: the link, the board that watches by it, and what both are told."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from desk.ami import Ami, Exchange
from desk.board import Board
from desk.visits import Visits
from hotline.settings import Settings
from ivr.call import Switchboard


@dataclass
class Telephones:
    """`start` before use; `stop` mirrors it."""

    ami: Ami
    board: Board

    async def start(self) -> None:
        """Connect and watch."""
        await self.ami.start()
        await self.board.start()

    async def stop(self) -> None:
        """Stop watching and hang the link up."""
        await self.board.stop()
        await self.ami.stop()

    def close_calls_of(self, switchboard: Switchboard) -> None:
        """Let the records know the end of calls that people had."""

        async def over(call_id: str) -> None:
            await switchboard.close("asterisk", call_id)

        self.board.over = over


def open_telephones(settings: Settings, engine: AsyncEngine) -> Telephones:
    """The exchange of the settings; none is configured by default."""
    secret = settings.ami_secret.get_secret_value()
    ami = Ami(Exchange(settings.ami_host, settings.ami_port, settings.ami_user, secret))
    return Telephones(ami, Board(ami, Visits(engine)))
