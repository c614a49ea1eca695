"""Whether a log tells what it must not."""

import re


def told(digits: str, text: str) -> bool:
    """Whether `digits` stand in `text` as they were said, and not by chance: in a fraction of a second, or in an id."""
    return re.search(rf"(?<![\w.]){re.escape(digits)}(?!\w)", text, re.ASCII) is not None
