"""The texts of a trial call: shown on the terminal, never sent, and kept nowhere."""

import secrets
from collections.abc import Callable, Collection
from typing import Any

from fund.privacy import mask_number
from sms.errors import Refused
from sms.settings import CodeSettings
from sms.templates import Templates

HIDDEN = "******"


class ShownTexts:
    """What a call may ask of the text side, answered by showing it.

    `real`: the accounts are real people's, so a code is hidden and never right: a trial must not choose their PINs.
    """

    def __init__(
        self, templates: Templates, codes: CodeSettings, show: Callable[[str], object], *, zh: bool, real: bool
    ) -> None:
        self._templates, self._codes, self._show = templates, codes, show
        self._zh, self._real = zh, real
        self._sent: dict[str, tuple[str, int]] = {}  # verification -> its code, and the tries left

    def wanted(self, template: str) -> Collection[str]:
        return self._templates[template].params.keys() if template in self._templates else ()

    async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str:
        if template not in self._templates:
            raise Refused("unknown_template")
        found = self._templates[template]
        self._shown(to, found.signed(found.render(params).text))
        return "shown"

    async def send_code(self, to: str, purpose: str, caller: str) -> str:
        code, id = f"{secrets.randbelow(1_000_000):06d}", secrets.token_hex(8)
        name = next(each for each in (f"code_{purpose}", "code") if each in self._templates)
        found = self._templates[name]
        text = found.signed(found.render({"code": code, "minutes": self._codes.minutes}).text)
        self._shown(to, text.replace(code, HIDDEN) if self._real else text)
        self._sent[id] = code, self._codes.attempts
        return id

    async def pretend_code(self, number: str, caller: str) -> None:
        return None

    async def check_code(self, id: str, code: str) -> str:
        right, left = self._sent.get(id, ("", 0))
        if not left:
            return "expired"
        self._sent[id] = right, left - 1
        return "approved" if code == right and not self._real else "pending"

    def _shown(self, to: str, text: str) -> None:
        how = "短信，没有真的发出" if self._zh else "a text, not really sent"
        self._show(f"[{how}] {mask_number(to)} {text}")
