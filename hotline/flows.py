"""`hotline check`, `test` and `diff`: the flows of a folder, told in words."""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from fund.calendar import unpublished, unpublished_words
from fund.clock import china_now
from fund.privacy import Privacy
from fund.yaml_source import Fault
from hotline.keywords import play_keywords, text_faults
from hotline.logs import configure
from hotline.rehearsal import demo_ledger, demo_worlds
from hotline.settings import Settings
from hotline.sounds import open_prompts
from hotline.text_versions import compare
from ivr.check import Ground
from ivr.difference import differences
from ivr.flow import Flow
from ivr.layout import MenuCost, menu_costs
from ivr.loader import Files, Loaded, load, read_folder, read_phrases, unreadable
from ivr.phrases import BadPhrases
from ivr.prompts import Prompts
from ivr.recordings import Recordings
from ivr.rehearsal import rehearse
from ivr.script import script, to_come
from ivr.utterance import Utterance
from sms import templates

Print = Callable[[str], object]


def load_folder(settings: Settings, folder: Path | None) -> Loaded:
    """The flows of a folder (the configured one by default), checked. An unreadable folder is a fault like others."""
    folder = folder or settings.flows
    if not folder.is_dir():
        zh = "这是一个文件；请给出流程所在的目录，如 flows" if folder.exists() else "没有这个目录"
        en = "a file: give the folder of the flows" if folder.exists() else "there is no such folder"
        return Loaded(None, [Fault(str(folder), 1, zh, en)])
    try:
        files = read_folder(folder)
    except OSError as fault:
        return unreadable(fault)
    loaded = load_files(settings, files, str(folder))
    loaded.faults[:0] = _unread(folder)
    return loaded


def _unread(folder: Path) -> list[Fault]:
    """Files that look like flows and are not read, for the end of their name."""
    odd = [path for path in sorted(folder.iterdir()) if re.search(r"\.(yml|ya?ml\.\w+)$|\.YAML$", path.name)]
    zh, en = "没有读这个文件：文件名要以 .yaml 结尾", "not read: the name must end in .yaml"
    return [Fault(str(path), 1, zh, en, warning=True) for path in odd]


def load_files(settings: Settings, files: Files, folder: str = "flows") -> Loaded:
    """Flows as the service loads them: with its phrases and the text templates there are."""
    texts, faults = _text_names(settings)
    try:
        phrases = read_phrases(settings.prompts / "voice.yaml")
    except BadPhrases as bad:
        return Loaded(None, [*bad.faults, *faults])
    loaded = load(files, phrases, folder=folder, texts=texts)
    return loaded if not faults else Loaded(None, [*loaded.faults, *faults], loaded.sources)


def _text_names(settings: Settings) -> tuple[set[str] | None, list[Fault]]:
    """The names of the text templates, or what is wrong with them: the service would not start."""
    try:
        return set(templates.load(settings.sms.templates)), []
    except templates.BadTemplates as bad:
        return None, bad.faults


def check_folder(settings: Settings, folder: Path | None, say: Print) -> int:
    """Print every fault and warning, then the menus; 1 when something blocks."""
    loaded, texts, today = load_folder(settings, folder), text_faults(settings, folder), china_now().date()
    told = [*loaded.faults, *texts]
    if loaded.flow:
        told += [*calendar_faults(folder or settings.flows, today), *unrecorded(settings, loaded.flow, today)]
    for fault in dict.fromkeys(told):  # what is wrong with the templates is found from both sides
        say(fault.tell(settings.language))
    if loaded.flow is None:
        return 1
    with _sounds(settings) as prompts:
        ground = Ground(loaded.flow, loaded.sources, None)
        for cost in menu_costs(loaded.flow, ground, lambda words: _seconds(prompts, words), china_now()):
            say(_told(cost, settings.language))
    return 1 if any(not fault.warning for fault in texts) else 0


def calendar_faults(folder: Path, today: date) -> list[Fault]:
    """A warning when a year that is needed soon has no holidays yet."""
    year = unpublished(today)
    zh, en = unpublished_words(year) if year else ("", "")
    return [Fault(str(folder / "hours.yaml"), 1, zh, en, warning=True)] if year else []


def unrecorded(settings: Settings, flow: Flow, today: date) -> list[Fault]:
    """A warning when some of what callers hear is recorded and some is not: two voices in one call."""
    folder = settings.prompts / "recordings"
    recorded = {recording.name for recording in Recordings(folder)}
    if not recorded:
        return []
    missing = sum(line.name not in recorded for line in script(to_come(flow, today)))
    zh = f"还有 {missing} 句没有录音，由合成语音代读：hotline prompts list --missing"
    en = f"{missing} lines are not recorded, a synthetic voice says them: hotline prompts list --missing"
    return [Fault(str(folder / "index.csv"), 1, zh, en, warning=True)] if missing else []


def _told(cost: MenuCost, language: str) -> str:
    leaves = "、".join(f"{goal} {keys}" for goal, keys in cost.leaves.items())
    first, whole = f"{cost.first_seconds:.1f}", f"{cost.all_seconds:.1f}"
    if language == "zh":
        return f"菜单 {cost.node}: 第一个选项 {first} 秒，全部 {whole} 秒；按键次数 {leaves}"
    return f"menu {cost.node}: first choice after {first} s, all in {whole} s; keys to {leaves}"


@contextmanager
def _sounds(settings: Settings) -> Iterator[Prompts]:
    """The real voice, measured without leaving anything behind."""
    with tempfile.TemporaryDirectory() as folder:
        privacy = Privacy(b"measuring needs no secret of anybody", ["A" * 43 + "="])
        prompts = open_prompts(settings.model_copy(update={"home": Path(folder)}), privacy)
        yield prompts
        prompts.close()


def _seconds(prompts: Prompts, words: Utterance) -> float:
    return prompts.make(words).seconds if words else 0.0


async def test_folder(settings: Settings, folder: Path | None, say: Print) -> int:
    """Play the tests of a folder against the demo ledger; 1 when one is not as written."""
    configure(settings, at_least=logging.ERROR)
    loaded = load_folder(settings, folder)
    if loaded.flow is None:
        for fault in loaded.faults:
            say(fault.tell(settings.language))
        return 1
    async with demo_ledger() as ledger, demo_worlds(ledger, loaded.flow.hours) as new_world:
        calls, faults = await rehearse(loaded.flow, loaded.sources, new_world)
        texts, more = await play_keywords(settings, folder, ledger)
    count, faults = calls + texts, [*faults, *more]
    for fault in faults:
        say(fault.tell(settings.language))
    wrong = len({fault.zh.split(":")[0] for fault in faults})
    say(f"{count} 个测试，{wrong} 个不符" if settings.language == "zh" else f"{count} tests, {wrong} not as written")
    return 1 if faults or not count else 0


def diff_folders(settings: Settings, old: Path, new: Path, say: Print) -> int:
    """Print what changed in the menus, keywords or templates of two folders; 1 when one of them does not load."""
    only_texts = all((folder / "sms.yaml").exists() for folder in (old, new)) and not any(
        (folder / "main.yaml").exists() for folder in (old, new)
    )
    flows = [load_folder(settings, folder) for folder in (() if only_texts else (old, new))]
    texts, faults = compare(old, new, settings.language)
    faults += [fault for loaded in flows if loaded.flow is None for fault in loaded.faults]
    for fault in faults:
        say(fault.tell(settings.language))
    if faults:
        return 1
    changes = [*_flow_changes(flows, settings.language), *texts]
    for change in changes or ["没有变化" if settings.language == "zh" else "nothing changed"]:
        say(change)
    return 0


def _flow_changes(flows: Sequence[Loaded], language: str) -> Iterator[str]:
    """Of no folder, or of two that both load."""
    match [loaded.flow for loaded in flows]:
        case [Flow() as before, Flow() as after]:
            yield from differences(before, after, language)
