"""What the pages are about, as the composition root gives it to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from desk.bulletin import Bulletins
from desk.figures import Figures
from hotline.context import Contexts
from hotline.desk import Desk
from hotline.staff.calls import RecentCalls


class Board(Protocol):
    """The live picture: see `desk.board`. What is done through it may raise `desk.ami.AmiFault` or `ValueError`."""

    @property
    def exchange(self) -> str: ...
    @property
    def queues(self) -> Mapping[str, Any]: ...
    @property
    def agents(self) -> Mapping[str, Any]: ...
    @property
    def waiting(self) -> Sequence[Any]: ...
    async def log_in(self, agent: str, queues: Collection[str]) -> None: ...
    async def log_out(self, agent: str) -> None: ...
    async def pause(self, agent: str, reason: str) -> None: ...
    async def unpause(self, agent: str) -> None: ...


@dataclass
class Parts:
    """Everything a page may show or change."""

    desk: Desk
    figures: Figures
    contexts: Contexts
    recent: RecentCalls
    bulletins: Bulletins
    titles: Callable[[], Mapping[str, str]]  # what each flow file is called
    board: Board
