"""How utterances are cut into sounds, and how long the pauses between are."""

from ivr.stretches import Stretch, stretches
from ivr.utterance import Piece, Utterance, fill, said


def plain(_: Piece) -> str:
    return ""


def words(utterance: Utterance, *recorded: str) -> list[tuple[float, str]]:
    found = stretches(utterance.pieces, lambda piece: f"{piece.script}.wav" if piece.script in recorded else "")
    return [(pause, part.recorded or part.words) for pause, part in found]


def test_a_balance_is_fixed_words_and_brisk_figures() -> None:
    pieces = fill("您的余额为{b}。账户状态,{s}。", {"b": ("money", "12.5"), "s": ("text", "正常")})
    assert stretches(pieces, plain) == [
        (0.0, Stretch("您的余额为", "zh")),
        (0.05, Stretch("十", "zh", brisk=True)),
        (0.0, Stretch("二", "zh", brisk=True)),
        (0.0, Stretch("元", "zh", brisk=True)),
        (0.0, Stretch("五角", "zh", brisk=True)),
        (0.4, Stretch("账户状态", "zh")),
        (0.2, Stretch("正常", "zh", personal=True)),
    ]


def test_fixed_words_are_one_sound_a_sentence() -> None:
    assert words(said("您好。请按1。") + said("提取业务") + said("\uff0c请按2。")) == [
        (0.0, "您好"),
        (0.4, "请按一"),
        (0.4, "提取业务\uff0c请按二"),
    ]


def test_public_figures_are_spoken_with_their_sentence() -> None:
    pieces = fill("最高{n}元,满{m}个月。", {"n": ("number", 1500), "m": ("number", 2)}, personal=False)
    assert words(Utterance(pieces)) == [(0.0, "最高一千五百元,满两个月")]


def test_recordings_stand_apart_and_keep_the_pauses_around_them() -> None:
    utterance = said("查询个人账户") + said("\uff0c请按1。") + said("提取业务") + said("\uff0c请按2。")
    assert words(utterance, "请按1") == [
        (0.0, "查询个人账户"),
        (0.2, "请按1.wav"),
        (0.4, "提取业务\uff0c请按二"),
    ]


def test_languages_are_not_mixed_and_english_times_are_no_sentence_ends() -> None:
    pieces = fill("Open until {t} today. Goodbye.", {"t": ("time", "17:00")}, "en", personal=False)
    assert words(said("再见。") + Utterance(pieces)) == [
        (0.0, "再见"),
        (0.4, "Open until five p.m. today"),
        (0.4, "Goodbye"),
    ]
    personal = fill("until {t} today", {"t": ("time", "17:00")}, "en")
    assert words(Utterance(personal)) == [(0.0, "until"), (0.05, "five"), (0.0, "p.m."), (0.05, "today")]


def test_nothing_but_punctuation_is_nothing() -> None:
    assert words(said(" 。,")) == []
    assert words(Utterance()) == []
    assert words(said("好") + said(",") + said("。") + said("的")) == [(0.0, "好"), (0.4, "的")]
