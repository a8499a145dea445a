"""Durations as people write them, as integer milliseconds.

Inside the project every time is an ``int`` of milliseconds with the unit in its name. ``45s`` is for files,
options and reports.
"""

import re
from fractions import Fraction
from typing import Annotated

import msgspec

MS_BY_UNIT = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}

# Nothing that is worth simulating takes longer; what does is a typing error.
DURATION_MS_MAX = 100 * 365 * MS_BY_UNIT["d"]

# What ``DURATION`` and ``MULTIPLE`` match is a duration, unless it is too long or finer than a millisecond.
# They keep to what ECMAScript's dialect knows too, for the JSON Schema.
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
DURATION = rf"(?=[0-9])(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?"
MULTIPLE = rf"{_NUMBER}\s*timeouts?"
ABSOLUTE_EXAMPLES = "250ms, 45s, 1m30s, 2h, 3d"
ACCEPTED = f"a duration such as {ABSOLUTE_EXAMPLES}, or a multiple of the timeout such as 0.75 timeout"
ACCEPTED_ABSOLUTE = f"a duration such as {ABSOLUTE_EXAMPLES}"

_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_DURATION = re.compile(DURATION)
_MULTIPLE = re.compile(rf"({_NUMBER})\s*timeouts?")
_BARE_NUMBER = re.compile(_NUMBER)
_QUOTED_MAX = 60  # characters of a value in a message


# An ``int`` of milliseconds everywhere but in YAML, where the loader sees the mark and accepts a duration.
Millis = Annotated[int, msgspec.Meta(extra={"duration": True})]


def parse_duration(text: str, *, timeout_ms: int | None = None) -> int:
    """Turn ``45s``, ``1m30s`` or ``0.75 timeout`` into milliseconds.

    Units come in order, each at most once, and never with a sign: ``1h30m``, not ``30m1h`` and not ``-5s``.
    ``0`` is the only number that needs no unit.

    Args:
        text: As written; surrounding space is ignored.
        timeout_ms: What ``1 timeout`` stands for; None where multiples of it make no sense.

    Raises:
        ValueError: not a duration, not a whole number of milliseconds, longer than `DURATION_MS_MAX`, or a
            multiple of an unknown timeout. The message says what would be accepted.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0
    if match := _MULTIPLE.fullmatch(stripped):
        if timeout_ms is None:
            raise ValueError(
                f"{text!r} is a multiple of the timeout, which is not known here; write 45s or 2h"
            )
        total = Fraction(round(Fraction(match[1]) * timeout_ms))
    elif _DURATION.fullmatch(stripped):
        parts = (Fraction(number) * MS_BY_UNIT[unit] for number, unit in _PART.findall(stripped))
        total = sum(parts, Fraction(0))
    else:
        raise ValueError(_refusal(text, stripped, multiples=timeout_ms is not None))
    if total.denominator != 1:
        raise ValueError(f"{text!r} is finer than a millisecond")
    if total > DURATION_MS_MAX:
        raise ValueError(f"{text!r} is too long; at most {format_duration(DURATION_MS_MAX)}, 100 years")
    return total.numerator


def _refusal(text: str, stripped: str, *, multiples: bool) -> str:
    quoted = repr(text if len(text) <= _QUOTED_MAX else f"{text[:_QUOTED_MAX]}…")
    accepted = ACCEPTED if multiples else ACCEPTED_ABSOLUTE
    if _BARE_NUMBER.fullmatch(stripped):
        return f"{quoted} has no unit; write {stripped}s, or another duration: {ABSOLUTE_EXAMPLES}"
    if stripped.startswith("-"):
        return f"{quoted} is negative; time only runs forward: write {accepted}"
    return f"{quoted} is not a duration; write {accepted}"


def format_duration(ms: int) -> str:
    """Write milliseconds the shortest way that `parse_duration` reads back.

    A negative span, which reports may have to show, gets a sign, which `parse_duration` refuses.

    >>> format_duration(90_000)
    '1m30s'
    >>> format_duration(119_250)
    '1m59.25s'
    """
    if ms == 0:
        return "0s"
    sign, rest = ("-", -ms) if ms < 0 else ("", ms)
    if rest < MS_BY_UNIT["s"]:
        return f"{sign}{rest}ms"
    parts = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, MS_BY_UNIT[unit])
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        parts.append(f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s")
    return sign + "".join(parts)
