"""One line per region that says who did what: sent, acknowledged, counted, named."""

from collections.abc import Mapping, Sequence

from fanin.harness.history import Unsent
from fanin.harness.oracle.bounds import FOREVER, Bounds
from fanin.harness.oracle.evidence import Attempt, Case, Post, fold
from fanin.simulator.language.durations import format_duration

_HOUR_MS = 3_600_000
_QUOTED_MAX = 40


def clock(at: int) -> str:
    """An instant or a span for people: ``119.004s``, or ``3d2h`` where seconds would be unreadable."""
    return f"{at / 1000:.3f}s" if abs(at) < _HOUR_MS else format_duration(at)


def listing(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def quoted(value: object) -> str:
    """A value from outside as it stands there, cut where a line would end."""
    text = repr(value)
    return text if len(text) <= _QUOTED_MAX else f"{text[: _QUOTED_MAX - 1]}…"


def blame(
    case: Case, bounds: Bounds, told: Post | None, unsent: Mapping[tuple[str, str], Unsent]
) -> tuple[str, ...]:
    """The lines, in the order of the scenario's regions, columns aligned."""
    rows = []
    for region in bounds.regions:
        attempts = [it for it in case.attempts if (it.region or it.home) == region]
        rows.append(
            (
                region,
                _sent(case, region, attempts, unsent),
                _ended(attempts),
                _counted(region, bounds),
                _named(region, told),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _sent(
    case: Case, region: str, attempts: Sequence[Attempt], unsent: Mapping[tuple[str, str], Unsent]
) -> str:
    if attempts:
        again = f" +{len(attempts) - 1}" if len(attempts) > 1 else ""
        return f"sent {clock(_telling(attempts).sent.at)}{again}"
    for occurred in case.occurrences:
        if loss := unsent.get((occurred.op, region)):
            return f"never sent: {loss.reason}"
    return "never sent"


def _telling(attempts: Sequence[Attempt]) -> Attempt:
    """The first that was acknowledged; else the first that may have counted; else the first."""
    order = {True: 0, None: 1, False: 2}
    return min(attempts, key=lambda it: order[it.counts])


def _ended(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return ""
    attempt = _telling(attempts)
    flaw = f" ({attempt.invalid_because.rpartition(':')[2]})" if attempt.invalid_because else ""
    answer = attempt.answer
    if answer is None:
        return f"no answer{flaw}"
    if attempt.counts:
        return f"acked {clock(answer.at)}"
    return f"{answer.error or f'answered {answer.status}'} {clock(answer.at)}{flaw}"


def _counted(region: str, bounds: Bounds) -> str:
    may, must = bounds.may.get(region), bounds.must.get(region, FOREVER)
    if may is None:
        return "not counted"
    if may > bounds.deadline_until:
        return "late"
    return "counted" if must <= bounds.deadline_from else "may count"


def _named(region: str, told: Post | None) -> str:
    if told is None:
        return ""
    for word, names in (("missing", told.notice.missing), ("arrived", told.notice.arrived)):
        if names is not None and fold(region) in names:
            return f"named {word}"
    return "not named"
