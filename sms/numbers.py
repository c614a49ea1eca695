"""Telephone numbers as texts need them: mainland mobiles, quickly, and a guess at whose they are."""

import re
from functools import lru_cache

from fund.phone import NotAPhone, is_mobile, normalise
from sms.errors import Refused

_MOBILE = re.compile(r"1[3-9][0-9]{9}")

# Number ranges as assigned; people keep their number when they change operator, so receipts correct this.
_PREFIXES = {
    "mobile": "134 135 136 137 138 139 147 148 150 151 152 157 158 159 172 178 182 183 184 187 188 195 197 198 "
    "1703 1705 1706",
    "unicom": "130 131 132 145 146 155 156 166 167 171 175 176 185 186 196 1704 1707 1708 1709",
    "telecom": "133 149 153 162 173 174 177 180 181 189 190 191 193 199 1700 1701 1702",
    "broadnet": "192",
}
_OPERATORS = {prefix: operator for operator, prefixes in _PREFIXES.items() for prefix in prefixes.split()}


def recipient(raw: str, abroad: frozenset[str] = frozenset()) -> str:
    """The normalised number of somebody who can be texted. `abroad`: country codes allowed besides 86 (`852`, ...).

    Raises `Refused` with `bad_number`, `not_mobile` or `abroad`.
    """
    if _MOBILE.fullmatch(raw) and _mobile_range(raw[:7]):
        return raw
    try:
        number = normalise(raw)
    except NotAPhone:
        raise Refused("bad_number") from None
    if number.startswith("+"):
        if any(number.startswith("+" + code) for code in abroad):
            return number
        raise Refused("abroad")
    if not is_mobile(number):
        raise Refused("not_mobile")
    return number


def land_line(raw: str) -> str:
    """The normalised number of a mainland land line, which can be called but not texted; empty for anything else."""
    try:
        number = normalise(raw)
    except NotAPhone:
        return ""
    return number if number.startswith("0") and 10 <= len(number) <= 12 else ""


@lru_cache(65536)
def _mobile_range(prefix: str) -> bool:
    """Whether mobiles begin with these 7 digits; asking the number plan costs a hundred times as much as a text may."""
    return is_mobile(prefix + "0000")


def operator_of(number: str) -> str:
    """mobile, unicom, telecom or broadnet by the prefix; empty for anything else."""
    return _OPERATORS.get(number[:4]) or _OPERATORS.get(number[:3], "")
