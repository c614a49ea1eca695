"""What changed between two versions of the words, in words a supervisor reads."""

from pathlib import Path

from fund.yaml_source import parse
from sms.difference import keyword_differences, template_differences
from sms.keywords import Table, load
from sms.templates import Templates, read

TEMPLATES = Path("prompts/sms.yaml").read_text("utf-8")
KEYWORDS = Path("flows/sms.yaml").read_text("utf-8")


def templates(text: str) -> Templates:
    return read(parse(text.encode(), "prompts/sms.yaml"))


def keywords(text: str) -> Table:
    return load(parse(text.encode(), "flows/sms.yaml"), templates(TEMPLATES))


def changed(old: str, new: str) -> tuple[list[str], list[str]]:
    assert old in TEMPLATES + KEYWORDS, old
    before = templates(TEMPLATES), keywords(KEYWORDS)
    after = templates(TEMPLATES.replace(old, new)), keywords(KEYWORDS.replace(old, new))
    told = [
        [*template_differences(before[0], after[0], language), *keyword_differences(before[1], after[1], language)]
        for language in ("zh", "en")
    ]
    return told[0], told[1]


def test_nothing() -> None:
    assert changed("余额", "余额") == ([], [])


def test_a_text_a_place_and_a_new_template() -> None:
    zh, en = changed("人工服务请致电0511-12329，接通后按0键", "人工服务请致电0511-12329，随时按0键")
    assert zh[0].startswith("模板 reply_person: 文字改为 人工服务请致电0511-12329，随时按0键") and len(zh) == 1
    assert en[0].startswith("template reply_person: text is now ")
    zh, _ = changed("overdue_count: {kind: number, zero: 无}", "overdue_count: number")
    assert len(zh) == 1 and zh[0].startswith("模板 report_loan: 参数改为") and "overdue_count number zero 无" in zh[0]
    zh, _ = changed(
        "  reply_person:\n", "  reply_people:\n    lane: reply\n    kind: service\n    text: 您好\n  reply_person:\n"
    )
    assert zh == ["模板 reply_people: 新增 您好"]


def test_words_and_limits_of_keywords() -> None:
    zh, en = changed("[YE, 余额, 余鄂, 余颚,", "[YE, 余额, 余鄂, 余恶,")
    assert zh == ["关键词 balance: 写法增加 余恶", "关键词 balance: 写法取消 余颚"]
    assert en == ["keyword balance: words: added 余恶", "keyword balance: words: gone 余颚"]
    zh, _ = changed("queries_a_day: 10 ", "queries_a_day: 5 ")
    assert len(zh) == 1 and zh[0].startswith("短信关键词: 次数限制改为 queries_a_day 5；")
