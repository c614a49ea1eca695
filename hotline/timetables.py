"""The timetables of `flows/hours.yaml`, for the `hours` node. Until the file is there, people are always in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Timetables:
    names: Collection[str] | None = None

    def is_open(self, name: str, at: datetime) -> bool:
        return True


def timetables(folder: Path) -> Timetables:
    return Timetables()
