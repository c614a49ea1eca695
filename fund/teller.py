"""Tells a supervisor what changed: each sentence in Chinese or English, each setting by its plain name. Pure."""

from collections.abc import Mapping


class Teller:
    """Tells in one language; `fields` are the plain names of settings, Chinese and English."""

    def __init__(self, language: str, fields: Mapping[str, tuple[str, str]]) -> None:
        self._language, self._fields = language, fields

    def __call__(self, zh: str, en: str) -> str:
        return zh if self._language == "zh" else en

    def field(self, name: str) -> str:
        """What a setting is called; one without a plain name by the name it is written with."""
        return self(*self._fields.get(name, (name, name)))
