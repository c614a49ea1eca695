"""What the pages are about, as the composition root gives it to them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from desk.board import Board
from desk.bulletin import Bulletins
from desk.figures import Figures
from hotline.context import Contexts
from hotline.desk import Desk
from hotline.staff.calls import RecentCalls
from ivr.way import Stop


@dataclass
class Parts:
    """Everything a page may show or change."""

    desk: Desk
    figures: Figures
    contexts: Contexts
    recent: RecentCalls
    bulletins: Bulletins
    sound: Callable[[str], Awaitable[bytes]]  # how a bulletin sounds: a WAV; raises `VoiceFault`
    titles: Callable[[], Mapping[str, str]]  # what each flow file is called
    stops: Callable[[], Mapping[str, Stop]]  # what each node is to people
    queue_titles: Callable[[], Mapping[str, str]]  # what each queue is called
    board: Board
