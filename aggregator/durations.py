"""Durations in the settings, as integer milliseconds: ``80s``, and ``0:01:20`` in the original's settings."""

import re
from fractions import Fraction

_MS_BY_UNIT = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NUMBER_PATTERN = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_NUMBER = re.compile(_NUMBER_PATTERN)
_PART = re.compile(rf"({_NUMBER_PATTERN})(ms|s|m|h|d)")
# Units in order, each at most once; ``m`` before ``s`` is the first letter of ``ms``.
_WHOLE = re.compile(
    "(?=[0-9])" + "".join(rf"(?:{_NUMBER_PATTERN}{unit})?" for unit in ("d", "h", "m(?!s)", "s", "ms"))
)
# [days.]hours:minutes:seconds[.fraction]; the fraction has up to seven digits, .NET's ticks.
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,7})?)", re.ASCII)

_HOURS, _MINUTES, _SECONDS = 24, 60, 60

# Ten years: anything longer is a typing error, and everything up to it fits every clock and column.
MAX_MS = 3_650 * _MS_BY_UNIT["d"]


def parse_duration(text: str) -> int:
    """Parse ``250ms``, ``80s``, ``1m30s`` or ``3d`` to milliseconds.

    Units come in order, each at most once: ``1h30m``, not ``30m1h``.

    Raises:
        ValueError: not a duration, not above zero, finer than a millisecond, or longer than ten years.
    """
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        raise ValueError(f"{text!r} has no unit; write {stripped}s, {stripped}m, {stripped}h or {stripped}d")
    if not _WHOLE.fullmatch(stripped):
        raise ValueError(f"{text!r} is not a duration such as 80s, 1m30s, 2h or 3d")
    parts = (Fraction(number) * _MS_BY_UNIT[unit] for number, unit in _PART.findall(stripped))
    return _whole_ms(text, sum(parts, Fraction(0)))


def parse_time_span(text: str) -> int:
    """Parse ``0:01:20``, ``0:00:00.500`` or ``1.00:00:00`` to milliseconds, as .NET's TimeSpan reads them.

    Raises:
        ValueError: not of that form, not above zero, or finer than a millisecond.
    """
    stripped = text.strip()
    if stripped.isdecimal():
        raise ValueError(
            f"{text!r} is a bare number, which .NET would read as {stripped} days; write 0:01:20 "
            f"for 80 seconds, or {stripped}.00:00:00 if you do mean days"
        )
    match = _TIME_SPAN.fullmatch(stripped)
    if match is None:
        raise ValueError(f"{text!r} is not of the form h:mm:ss[.fff] or d.hh:mm:ss, such as 0:01:20")
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    seconds = Fraction(match.group(4))
    if hours >= _HOURS:
        raise ValueError(f"{text!r} has {hours} hours; from 24 hours on write d.hh:mm:ss, such as 1.00:00:00")
    if minutes >= _MINUTES or seconds >= _SECONDS:
        raise ValueError(f"{text!r} has more than 59 minutes or seconds")
    return _whole_ms(text, ((days * _HOURS + hours) * _MINUTES + minutes) * 60_000 + seconds * 1_000)


def _whole_ms(text: str, ms: Fraction) -> int:
    if ms.denominator != 1:
        raise ValueError(f"{text!r} is finer than a millisecond")
    if not 0 < ms <= MAX_MS:
        raise ValueError(f"{text!r} must be above zero and at most ten years")
    return ms.numerator


def format_duration(ms: int) -> str:
    """Format milliseconds as `parse_duration` reads them, largest units first.

    >>> format_duration(80_000)
    '1m20s'
    """
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _MS_BY_UNIT[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
