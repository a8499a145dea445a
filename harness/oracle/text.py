"""What findings and doubts are written with: lists, quoted values, and one line per region."""

from collections.abc import Mapping, Sequence

from fanin.harness.history import Unsent
from fanin.harness.oracle.bounds import FOREVER, Bounds, is_late, is_on_time
from fanin.harness.oracle.evidence import Attempt, Notification, Operation
from fanin.simulator.instants import clock
from fanin.simulator.wire import normalise_region

_QUOTED_MAX = 40

# With this a process that did not start introduces what it printed.
_OUTPUT_FOLLOWS = "; its last output:"


def listing(names: Sequence[str], joint: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joint} {names[-1]}"


def stated(notification: Notification) -> str:
    """What a notification says came of the operation: ``completed``, ``'synced'``, ``without an outcome``."""
    body = notification.body
    if body.outcome is not None:
        return body.outcome
    return "without an outcome" if body.raw_outcome is None else quoted(body.raw_outcome)


def under_key(notification: Notification) -> str:
    """``under the key 'k-1'``."""
    key = notification.received.key
    return f"under the key {quoted(key)}" if key else "without a webhook-id"


def quoted(value: object) -> str:
    """A value from outside as it stands there, cut where a line would end."""
    text = repr(value)
    return text if len(text) <= _QUOTED_MAX else f"{text[: _QUOTED_MAX - 1]}…"


def quoted_apart(texts: Sequence[str | None]) -> list[str]:
    """Values that differ, quoted; of those that are long and begin alike, what is at their end is shown."""
    shown = ["none" if text is None else quoted(text) for text in texts]
    if len(set(shown)) == len(shown):
        return shown
    return [f"…{(text or '')[2 - _QUOTED_MAX :]!r}" for text in texts]


def region_lines(
    operation: Operation,
    bounds: Bounds,
    notification: Notification | None,
    unsent: Mapping[tuple[str, str], Unsent],
) -> tuple[str, ...]:
    """One line per region: sent, acknowledged, counted, named. In the scenario's order, columns aligned."""
    rows = []
    for region in bounds.regions:
        attempts = [it for it in operation.attempts if (it.region or it.origin) == region]
        rows.append(
            (
                region,
                _sent(operation, region, attempts, unsent),
                _ended(attempts),
                _counted(region, bounds),
                _named(region, notification),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _sent(
    operation: Operation, region: str, attempts: Sequence[Attempt], unsent: Mapping[tuple[str, str], Unsent]
) -> str:
    if attempts:
        more = f", {len(attempts) - 1} more" if len(attempts) > 1 else ""
        return f"sent {clock(_decisive(attempts).sent.at)}{more}"
    for event in operation.events:
        if record := unsent.get((event.op, region)):
            return f"never sent: {record.reason}"
    return "never sent"


def _decisive(attempts: Sequence[Attempt]) -> Attempt:
    """The first that was acknowledged; else the first that may have counted; else the first."""
    order = {True: 0, None: 1, False: 2}
    return min(attempts, key=lambda it: order[it.counts])


def _ended(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return ""
    attempt = _decisive(attempts)
    reason = f" ({attempt.invalid_because.rpartition(':')[2]})" if attempt.invalid_because else ""
    ended = attempt.ended
    if ended is None:
        return f"no response{reason}"
    if attempt.counts:
        return f"acked {clock(ended.at)}"
    return f"{ended.error or f'answered {ended.status}'} {clock(ended.at)}{reason}"


def _counted(region: str, bounds: Bounds) -> str:
    may, must = bounds.may.get(region), bounds.must.get(region, FOREVER)
    if may is None:
        return "not counted"
    if is_late(may, deadline_until=bounds.deadline_until):
        return "late"
    return "counted" if is_on_time(must, deadline_from=bounds.deadline_from) else "may count"


def _named(region: str, notification: Notification | None) -> str:
    if notification is None:
        return ""
    body = notification.body
    for word, names in (("missing", body.missing), ("arrived", body.arrived)):
        if names is not None and normalise_region(region) in names:
            return f"named {word}"
    return "not named"


def reason_of(error: str) -> str:
    """Why a start failed, of what may be many lines of output: the first, or the last of a traceback."""
    first, _, rest = error.strip().partition("\n")
    if first.startswith("Traceback "):
        return rest.rpartition("\n")[2].strip()
    return first.removesuffix(_OUTPUT_FOLLOWS) if rest else first
