"""The hours a caller hears."""

from datetime import date, datetime

import pytest

from fund.calendar import Calendar, Season, Timetable
from fund.clock import CHINA
from ivr.flow import Flow, FlowFile
from ivr.speech import Language, When, joined, speak
from ivr.spoken_hours import hours_words
from ivr.utterance import fill

DAY = ((540, 720), (810, 1020))
TABLES = {
    "people": Timetable({"working_days": DAY}, (Season((7, 1), (9, 30), {"working_days": ((540, 720), (840, 1050))}),)),
    "branch": Timetable({"working_days": ((540, 1020),), "weekends": ((570, 690),), "holidays": ((570, 690),)}),
    "machine": Timetable({kind: ((0, 1440),) for kind in ("working_days", "weekends", "holidays")}),
    "study": Timetable({"working_days": ((540, 1020),), "weekends": (), "friday": ((540, 720),), "monday": ()}),
    "late": Timetable({"working_days": ((1110, 1440),)}),
    "never": Timetable({}),
}


@pytest.mark.parametrize(
    ("name", "day", "language", "words"),
    [
        ("people", "2026-03-02", "zh", "工作日，上午九点到中午十二点，下午一点三十分到五点"),
        ("people", "2026-07-02", "zh", "工作日，上午九点到中午十二点，下午两点到五点三十分"),
        (
            "people",
            "2026-03-02",
            "en",
            "on working days from nine a.m. to noon and from one thirty p.m. to five p.m.",
        ),
        ("branch", "2026-03-02", "zh", "工作日，上午九点到下午五点；周末和法定节假日，上午九点三十分到十一点三十分"),
        ("machine", "2026-03-02", "zh", "每天，全天"),
        ("machine", "2026-03-02", "en", "every day around the clock"),
        ("study", "2026-03-02", "zh", "工作日，上午九点到下午五点；星期一，休息；星期五，上午九点到中午十二点"),
        (
            "study",
            "2026-03-02",
            "en",
            "on working days from nine a.m. to five p.m.; on Mondays closed; on Fridays from nine a.m. to noon",
        ),
        ("late", "2026-03-02", "zh", "工作日，晚上六点三十分到十二点"),
        ("never", "2026-03-02", "zh", "暂停服务"),
    ],
)
def test_hours(name: str, day: str, language: Language, words: str) -> None:
    assert hours_words(Calendar(TABLES), name, date.fromisoformat(day), language) == words


@pytest.mark.parametrize(
    ("moment", "zh", "en"),
    [
        ("2026-03-02 09:00", "今天上午九点", "today at nine a.m."),
        ("2026-03-03 13:30", "明天下午一点三十分", "tomorrow at one thirty p.m."),
        ("2026-03-04 12:05", "后天中午十二点零五分", "March fourth at twelve oh five p.m."),
        ("2026-10-08 00:00", "十月八日凌晨零点", "October eighth at midnight"),
        ("2026-03-09 19:00", "三月九日晚上七点", "March ninth at seven p.m."),
    ],
)
def test_a_moment_to_come(moment: str, zh: str, en: str) -> None:
    when = When(date(2026, 3, 2), datetime.fromisoformat(moment).replace(tzinfo=CHINA))
    assert joined(speak("when", when)) == zh
    assert joined(speak("when", when, "en"), "en") == en


@pytest.mark.parametrize(
    ("moment", "name", "words"),
    [
        ("2026-03-02 10:00", "people", "现在有人接听"),
        ("2026-03-02 12:30", "people", "今天下午一点三十分有人接听"),
        ("2026-03-02 10:00", "never", "恢复服务之后有人接听"),
    ],
)
def test_a_sentence_says_when_it_opens(moment: str, name: str, words: str) -> None:
    home = FlowFile.model_validate({"title": "热线", "nodes": {"start": {"hang_up": "再见"}}})
    flow = Flow("1", {"main": home}, {}, {}, hours=Calendar(TABLES))
    value = flow.known(f"opens.{name}", "zh", datetime.fromisoformat(moment).replace(tzinfo=CHINA))
    assert value
    pieces = fill("{opens}有人接听", {"opens": value}, personal=False)
    assert "".join(piece.text for piece in pieces) == words
