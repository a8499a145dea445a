"""Instants of a scenario's clock as people read them: ``+1m59s``, ``+2h05m00.25s``, ``+30d00h00m00.007s``.

An instant is a number of milliseconds since the scenario's start. Nothing is rounded: at a deadline, a
millisecond decides. For spans of time, see `format_duration`.
"""

import re

from fanin.simulator.durations import MS_BY_UNIT


def clock(ms: int) -> str:
    """An instant in a sentence: no fraction where there is none, and beyond an hour no trailing zeros.

    >>> clock(120_000)
    '+2m00s'
    >>> clock(2_592_000_000)
    '+30d'
    >>> clock(2_592_000_007)
    '+30d00h00m00.007s'
    """
    whole, fraction = _parts(ms)
    text = f"{whole}{fraction}s"
    return text if abs(ms) < MS_BY_UNIT["h"] else re.sub(r"(?<=[a-z])(?:00[hm])*(?:00s)$", "", text)


def clock_column(ms: int) -> tuple[str, str]:
    """An instant in a column: what stands before its decimal point, and the rest with point and unit.

    >>> clock_column(119_006)
    ('+1m59', '.006s')
    """
    whole, fraction = _parts(ms)
    return whole, f"{fraction or '.0'}s"


def _parts(ms: int) -> tuple[str, str]:
    sign, rest = ("-", -ms) if ms < 0 else ("+", ms)
    text = ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, MS_BY_UNIT[unit])
        if text:
            text += f"{count:02}{unit}"
        elif count:
            text = f"{count}{unit}"
    seconds, thousandths = divmod(rest, 1000)
    text += f"{seconds:02}" if text else str(seconds)
    fraction = f".{thousandths:03}".rstrip("0") if thousandths else ""
    return sign + text, fraction
