"""Keys as they come in, one by one, made into what a `Listen` waits for. Used by every line that sees single keys.

A full field that is followed by `#` at once (a PIN typed with `#` although six digits were enough) is one answer:
the `#` closes that field and is not a key of its own. After a single key of a menu it is: it asks to hear it again.
"""

from collections import deque

ALLOWED = frozenset("0123456789*#")


class Keypad:
    """Type-ahead: keys pressed but not yet listened for, and the rule of the closing `#`."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque(maxlen=40)
        self._closed_by_length = False

    def press(self, keys: str) -> None:
        """Take keys; anything that is not on a telephone is ignored."""
        for key in keys:
            if key not in ALLOWED:
                continue
            if self._closed_by_length and key == "#" and not self._waiting:
                self._closed_by_length = False
                continue
            self._closed_by_length = False
            self._waiting.append(key)

    def forget(self) -> None:
        """Nothing pressed so far counts any more."""
        self._waiting.clear()
        self._closed_by_length = False

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting."""
        return not self._waiting

    def take(self, most: int, so_far: str = "") -> tuple[str, bool]:
        """(digits collected so far, whether the field is finished). A lone `#` is `("#", True)`."""
        digits = so_far
        while self._waiting:
            key = self._waiting.popleft()
            if key == "#":
                return digits or "#", True
            digits += key
            if len(digits) >= most:
                if most > 1:
                    self._close_full_field()
                return digits, True
        return digits, False

    def _close_full_field(self) -> None:
        if self._waiting and self._waiting[0] == "#":
            self._waiting.popleft()
        else:
            self._closed_by_length = not self._waiting

    def forget_closing(self) -> None:
        """Time has passed: the next `#` is a key of its own."""
        self._closed_by_length = False
