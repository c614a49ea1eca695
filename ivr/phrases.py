"""The system's own phrases, `prompts/voice.yaml`: which there must be, and the values that each may say. Pure."""

from collections.abc import Iterator, Mapping

from fund.yaml_source import BadFile, Fault, Source, suggestion
from ivr.utterance import TemplateFault, placeholders

_VALUES: Mapping[str, tuple[str, ...]] = {
    "press": ("key",),
    "text_me": ("key",),
    "queue_ahead": ("ahead", "minutes"),
    "queue_next": ("ahead", "minutes"),
    "wrong_pin": ("left",),
    "order_number": ("day", "rest"),
    "order_number_again": ("day", "rest"),
    "order_days": ("days",),
    "order_open": ("by",),
    "order_working": ("by",),
    "order_late": ("by",),
    "order_answered": ("by",),
    "order_outcome": ("outcome",),
}
_PLAIN = """
    star hash silence silence_again wrong_key bad_answer patience_over
    hold ledger_away nothing_to_report resumed too_long transfer_failed
    queue_wait queue_callback queue_message queue_text queue_keys
    ask_number_employee ask_number_employer ask_pin ask_pin_bound bad_number bad_pin pin_locked pin_unset
    code_sent ask_code bad_code wrong_code code_expired code_too_often code_away
    ask_new_pin weak_pin ask_pin_again pins_differ pin_set
    text_sent text_failed
    message_say message_beep message_nothing message_keep message_hear message_again message_recorded message_kept
    message_cannot order_texted ask_order bad_order no_such_order
    callback_number callback_confirming callback_right callback_other callback_enter callback_bad_number
    callback_asked callback_already callback_cannot
    survey_satisfied survey_fair survey_unsatisfied survey_thanks survey_sorry
    read_code read_code_again read_again outgoing_sorry
"""
PHRASES: Mapping[str, tuple[str, ...]] = {**dict.fromkeys(_PLAIN.split(), ()), **_VALUES}


class BadPhrases(BadFile):
    """A file of `prompts/` has faults: mend them, for each would fail a call at the moment it is said."""


def phrase_faults(source: Source) -> Iterator[Fault]:
    """What would fail a call: a phrase that is not there or not in words, or names a value that it does not get."""
    written = source.data if isinstance(source.data, dict) else {}
    for name in PHRASES:
        if name not in written:
            zh, en = suggestion(name, set(written) - set(PHRASES))
            yield source.fault((), f"缺少 {name}{zh}", f"{name} is missing{en}")
    for name in filter(PHRASES.__contains__, written):
        words = written[name]
        if (
            not isinstance(words, dict)
            or "zh" not in words
            or not all(isinstance(text, str) for text in words.values())
        ):
            yield source.fault((name,), f"{name} 要写成 {{zh: ..., en: ...}}", f"write {name} as {{zh: ..., en: ...}}")
            continue
        for language, text in words.items():
            yield from _template_faults(source, name, language, text)


def _template_faults(source: Source, name: str, language: str, text: str) -> Iterator[Fault]:
    try:
        told = placeholders(text)
    except TemplateFault as fault:
        yield source.fault((name, language), f"{name}：{fault}", f"{name}: the braces do not match: {fault}")
        return
    for value in told:
        if value not in PHRASES[name] and "." not in value:  # {fact.rent_limit} is for every sentence
            zh, en = suggestion(value, PHRASES[name])
            yield source.fault((name, language), f"{name} 没有 {{{value}}}{zh}", f"{name} has no {{{value}}}{en}")
