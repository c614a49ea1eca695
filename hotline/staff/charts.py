"""Bars for the figures page: where each stands, as plain numbers the template draws in SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, FOOT = 720, 180, 22


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar in two parts: the lower (`people`) and the whole. `label` is empty where there is no room."""

    x: float
    width: float
    y: float
    height: float
    people_y: float
    people_height: float
    label: str
    name: str
    whole: int
    people: int


def bars(rows: Sequence[tuple[str, int, int]], most_labels: int = 6) -> tuple[int, list[Bar]]:
    """The height of the scale, and a bar for each (name, whole, people)."""
    top = max((whole for _, whole, _ in rows), default=0) or 1
    step = WIDTH / max(len(rows), 1)
    every = -(-len(rows) // most_labels) or 1
    room = HEIGHT - FOOT - 12
    drawn = []
    for n, (name, whole, people) in enumerate(rows):
        tall, lower = whole / top * room, people / top * room
        foot = HEIGHT - FOOT
        label = name if n % every == 0 else ""
        width = max(step * 0.72, 1)
        drawn.append(
            Bar(_fit(n * step + (step - width) / 2), _fit(width), _fit(foot - tall), _fit(tall), _fit(foot - lower),
                _fit(lower), label, name, whole, people)
        )  # fmt: skip
    return top, drawn


def _fit(number: float) -> float:
    return round(number, 1)
