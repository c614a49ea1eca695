"""Pages from templates: all that is filled in is escaped, what is missing is a fault, words are translated."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fund.clock import CHINA
from hotline.staff import words
from hotline.staff.pages import NAVIGATION
from hotline.staff.roles import TITLES

if TYPE_CHECKING:
    from hotline.staff.page import Visit

Names = Callable[[], Mapping[str, str]]
TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """The templates, read once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"moment": moment, "clock": clock, "lasting": long, "percent": percent}
        self.name_by(dict, dict)

    def name_by(self, topics: Names, queues: Names) -> None:
        """Pages call topics and queues by what the menus call them; what has no title there keeps its name."""
        self._environment.filters |= {
            "topic": lambda name: topics().get(name, name),
            "queue": lambda name: queues().get(name, name),
        }

    def page(self, template: str, visit: "Visit", **values: Any) -> str:
        """HTML for one visit. Templates have `t` (a Chinese text in the visitor's language) and `visit`."""
        language = visit.language
        known = {
            "visit": visit,
            "language": language,
            "t": lambda text: words.say(text, language),
            "roles": TITLES,
            "done": words.DONE.get(visit.request.query.get("done", ""), ""),
            "faults": words.FAULTS,
            "now": visit.at,
            "navigation": NAVIGATION,
            "here": "-",
        }
        return self._environment.get_template(template).render(known | values)


def moment(at: datetime | None) -> str:
    """`11-25 17:45`, in China."""
    return f"{at.astimezone(CHINA):%m-%d %H:%M}" if at else "—"


def clock(at: datetime | None) -> str:
    """`17:45:03`, in China."""
    return f"{at.astimezone(CHINA):%H:%M:%S}" if at else "—"


def long(seconds: float | None) -> str:
    """A length of time: `0:07`, `12:30`, `1:02:03`."""
    if seconds is None:
        return "—"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: float | None) -> str:
    """`0.951` -> `95.1 %`; nothing to divide by is a dash, not a zero."""
    return "—" if share is None else f"{share * 100:.1f} %"
