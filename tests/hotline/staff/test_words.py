"""Every text of the pages has its English, and no English stands for a text that is gone."""

import re
from pathlib import Path
from typing import Any

from desk.figures import FIGURES, NODE_COLUMNS
from hotline import reports
from hotline.staff import words
from hotline.staff.calls import OUTCOMES
from hotline.staff.charts import FOOT, HEIGHT, WIDTH, bars
from hotline.staff.pages import NAVIGATION, agent, callbacks, calls, home, orders
from hotline.staff.roles import TITLES

PAGES = Path("hotline/staff/templates")

LISTS: list[Any] = [
    words.DONE, words.FAULTS, words.ACTIONS, TITLES, OUTCOMES, calls.IDENTIFIED, calls.STOPS, agent.STATES, agent.WHY,
    agent.EXCHANGE, orders.ORDER_KINDS, orders.ORDER_STATES, orders.PRIORITIES, orders.CHANGES, callbacks.CHANNELS,
    callbacks.CALL_BACK_OUTCOMES, reports.LABELS, reports.RATINGS, reports.TITLES,
]  # fmt: skip


def test_every_text_has_its_english() -> None:
    written = {
        text
        for page in PAGES.glob("*.html")
        for text in re.findall(r"""\bt\(["']([^"']+)["']\)""", page.read_text("utf-8"))
    }
    listed = {text for texts in LISTS for text in texts.values()}
    known = written | listed | {label for _, label, _ in NAVIGATION} | {figure.label for figure in FIGURES.values()}
    known |= {figure.meaning for figure in FIGURES.values()} | set(NODE_COLUMNS.values())
    known |= {"未选择业务", *home.TILES}
    assert known - words.ENGLISH.keys() == set()
    assert words.ENGLISH.keys() - known == set()


def test_templates_say_nothing_without_asking_for_the_language() -> None:
    for page in PAGES.glob("*.html"):
        bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", page.read_text("utf-8"), flags=re.DOTALL)
        assert not re.findall(r"[\u4e00-\u9fff]+", bare), page.name


def test_no_page_carries_script_or_style_of_its_own() -> None:
    """The policy forbids them; a page that needed them would break silently."""
    for page in PAGES.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<style|\bstyle=|\bon[a-z]+=|<script(?! src=)|javascript:|https?://", text), page.name


def test_bars_stand_on_their_line_and_fit() -> None:
    top, drawn = bars([("a", 4, 1), ("b", 0, 0), ("c", 2, 2)])
    assert top == 4 and [bar.label for bar in drawn] == ["a", "b", "c"]
    assert {bar.y + bar.height for bar in drawn} == {HEIGHT - FOOT} and drawn[0].height == 2 * drawn[2].height
    assert drawn[2].people_height == drawn[2].height and drawn[1].height == 0
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in drawn)
    assert len([bar for bar in bars([(str(n), n, 0) for n in range(30)])[1] if bar.label]) == 6
    assert bars([]) == (1, [])
