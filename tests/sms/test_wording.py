"""Templates and keywords are taken up together, when they are good; a fault changes nothing, and is told."""

import os
from pathlib import Path

import pytest

from sms import metrics
from sms.keywords import BARE
from sms.wording import KEYWORDS, TEMPLATES, BadWording, Files, Wording, read
from tests.sms.test_keywords import KINDS, STOP, TODAY

REAL = Path("prompts/sms.yaml").read_text("utf-8")
WORDS = KINDS + "keywords:\n" + STOP
HELP = "  help: {title: 帮助, words: [BZ], say: reply_help}\n"


class Site:
    """Two files, and the words in force."""

    def __init__(self, folder: Path) -> None:
        self.templates, self.keywords = folder / "templates.yaml", folder / "keywords.yaml"
        self.write(REAL, WORDS)
        self.wording = Wording(self.templates, self.keywords)
        self.told: list[Files] = []
        self.wording.taken_up.append(self.keep)

    async def keep(self, files: Files) -> None:
        self.told.append(files)

    def write(self, templates: str = "", keywords: str = "") -> None:
        if templates:
            self.templates.write_text(templates, "utf-8")
        if keywords:
            self.keywords.write_text(keywords, "utf-8")

    async def settle(self) -> None:
        for _ in range(2):
            await self.wording.look()

    @property
    def text(self) -> str:
        return self.wording.templates["reply_help"].text


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_both_files_are_taken_up_once_they_are_still(site: Site) -> None:
    site.write(REAL.replace("请回复：YE余额", "请发送：YE余额"), WORDS + HELP)
    await site.wording.look()
    assert site.text.startswith("请回复"), "an editor may still be writing"
    await site.wording.look()
    assert site.text.startswith("请发送") and site.wording.table.find("bz", TODAY)
    assert [set(files) for files in site.told] == [{TEMPLATES, KEYWORDS}]
    await site.settle()
    assert len(site.told) == 1, "once"


@pytest.mark.parametrize(
    ("templates", "keywords", "told"),
    [
        (REAL.replace("signature: 镇江公积金", "signature: 【镇江】"), "", "templates.yaml:12: 签名只写名称"),
        (REAL[: REAL.index("lane:") + 7], "", "templates.yaml:"),
        ("", WORDS + HELP.replace("help}", "hepl}"), "keywords.yaml:9: 没有模板 reply_hepl"),
        ("", WORDS[: len(WORDS) // 2], "keywords.yaml:"),
    ],
)
async def test_a_fault_in_either_keeps_both(site: Site, templates: str, keywords: str, told: str) -> None:
    before = site.wording.table
    site.write(templates or REAL.replace("请回复：YE", "请发送：YE"), keywords or WORDS + HELP)
    await site.settle()
    assert site.wording.table is before and site.text.startswith("请回复") and not site.told
    assert told in site.wording.faults[0].tell(), site.wording.faults
    assert metrics.WORDING_REFUSED._value.get() == 1
    site.write(REAL.replace("请回复：YE", "请发送：YE"), WORDS + HELP)
    await site.settle()
    assert site.text.startswith("请发送") and not site.wording.faults
    assert metrics.WORDING_REFUSED._value.get() == 0


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(site: Site) -> None:
    os.unlink(site.keywords)
    await site.settle()
    os.unlink(site.templates)
    await site.settle()
    assert site.text.startswith("请回复") and site.wording.table.find("td", TODAY) and not site.wording.faults
    site.write(REAL, WORDS + HELP)
    await site.settle()
    assert site.wording.table.find("bz", TODAY)


async def test_a_template_that_is_used_does_not_go(site: Site) -> None:
    site.wording.used.append(lambda: {"reply_help": "菜单 main/send ", "never_there": "谁"})
    without = REAL[: REAL.index("  reply_help:")] + REAL[REAL.index("  reply_unknown:") :]
    site.write(without)
    await site.settle()
    (fault,) = site.wording.faults
    assert fault.tell() == f"{site.templates}:1: 模板 reply_help 不见了，菜单 main/send 还要用它"
    assert site.text
    site.wording.used.clear()
    os.utime(site.templates)
    await site.settle()
    assert "reply_help" not in site.wording.templates


def test_nothing_starts_without_good_words(tmp_path: Path) -> None:
    with pytest.raises(BadWording, match="无法读取文件"):
        Wording(tmp_path / "none.yaml", tmp_path / "none.yaml")
    (tmp_path / "sms.yaml").write_text("keywords: 1\n")
    with pytest.raises(BadWording, match=r"sms\.yaml:1"):
        Wording(Path("prompts/sms.yaml"), tmp_path / "sms.yaml")
    assert Wording(Path("prompts/sms.yaml"), tmp_path / "none.yaml").table is BARE


def test_faults_of_both_files_are_told_at_once() -> None:
    with pytest.raises(BadWording) as bad:
        read({TEMPLATES: b"templates: 1\n", KEYWORDS: b"keywords: 1\n"})
    assert {fault.file for fault in bad.value.faults} == {TEMPLATES, KEYWORDS}
