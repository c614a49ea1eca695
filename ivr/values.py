"""How single values are written in a flow: durations, ranges, words in several languages, targets and keys."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

Language = Literal["zh", "en"]


def _seconds(value: object) -> float:
    """`5s`, `1.5s`, `15m`, `2h` -> seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", str(value))
    if not found:
        raise ValueError("duration")
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    if not 0 < seconds <= 24 * 3600:
        raise ValueError("duration")
    return seconds


def _by_language(value: object, info: ValidationInfo) -> object:
    """Plain words are in the file's language, which the loader gives as context."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return {(info.context or {}).get("language", "zh"): str(value)} if plain else value


def parse_ranges(value: str) -> tuple[tuple[int, int], ...]:
    """`1,2-4,10-20` -> ((1, 1), (2, 4), (10, 20)). Raises `ValueError`."""
    parts = [re.fullmatch(r"\s*(\d{1,18})(?:\s*-\s*(\d{1,18}))?\s*", part) for part in value.split(",")]
    ranges = tuple((int(part[1]), int(part[2] or part[1])) for part in parts if part)
    if len(ranges) != len(parts) or any(low > high for low, high in ranges):
        raise ValueError("ranges")
    return ranges


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    try:
        return parse_ranges(str(value))
    except ValueError:
        raise ValueError("ranges") from None


Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(s|m|h)$"})
]
Ranges = Annotated[
    tuple[tuple[int, int], ...],
    BeforeValidator(_ranges),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+(-\d+)?(,\d+(-\d+)?)*$"}),
]
_WORDS: dict[str, Any] = {"type": "string", "minLength": 1}
Text = Annotated[
    dict[Language, Annotated[str, Field(min_length=1)]],
    BeforeValidator(_by_language),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                _WORDS,
                {
                    "type": "object",
                    "properties": {"zh": _WORDS, "en": _WORDS},
                    "required": ["zh"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
TextOrNothing = Annotated[
    dict[Language, str],
    BeforeValidator(_by_language),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
                    "required": ["zh"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Target = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$", json_schema_extra={"x-target": True})]
# As long as the columns are in which the records keep them: one name too long, and no call is written down any more.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Topic = Annotated[Name, Field(max_length=40)]
QueueName = Annotated[Name, Field(max_length=31)]
Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]


class Strict(BaseModel):
    # Numbers become text where text is wanted: `press: 1` is the key 1.
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
