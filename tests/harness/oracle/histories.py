"""Histories written by hand: each line says one thing that happened, and `history` fills in the rest.

Instants are seconds since the scenario's start; how long an answer took is milliseconds. Every delivery and
every notification belongs to ``op1`` unless it says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    ClientDisconnected,
    End,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    RegistryEvent,
    Run,
    SinkResponded,
    TargetState,
    Unsent,
)
from fanin.simulator.language.scenario import Scenario

EAST, WEST, NORTH = "eastus", "westus", "northeurope"
THREE = (EAST, WEST, NORTH)
DAY = 86_400  # seconds
ABSENT = object()  # a field that a body does not have


@dataclass
class Records:
    """The records of the lines so far."""

    regions: tuple[str, ...]
    entries: list[Entry] = field(default_factory=list)
    ops: dict[str, RegistryEvent] = field(default_factory=dict)
    numbers: int = 0

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def op(self, name: str, at: int) -> RegistryEvent:
        """The operation, which occurs now unless a line said when it did."""
        if name not in self.ops:
            occurred(name, at / 1000)(self)
        return self.ops[name]


type Line = Callable[[Records], None]


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def occurred(op: str = "op1", at: float = 0, *, ids: dict[str, str] | str = "", **image: Any) -> Line:
    """A push, unless ``action`` says otherwise. ``ids``: by region, or one for all."""

    def write(records: Records) -> None:
        by_region = ids if isinstance(ids, dict) else dict.fromkeys(records.regions, ids or f"id-{op}")
        fields = {
            "action": "push", "host": "demo.azurecr.io", "repository": "team/app", "tag": op,
            "digest": "sha256:11",
        } | image  # fmt: skip
        records.ops[op] = RegistryEvent(ms(at), op, **fields, ids=by_region)
        records.entries.append(records.ops[op])

    return write


def sent(
    region: str,
    at: float,
    *,
    ok: int | None = 3,
    status: int | None = None,
    error: str = "",
    after: int = 3,
    op: str = "op1",
    retry_after: str | None = None,
    invalid: str = "",
    **fields: Any,
) -> Line:
    """One attempt. ``ok``: answered 202 after so long, None: never; or it had ``status`` or ``error``."""

    def write(records: Records) -> None:
        it, number = records.op(op, ms(at)), records.number()
        known = {
            "id": it.ids.get(region, "unknown"),
            "url_region": region,
            "invalid_because": invalid,
        } | fields
        records.entries.append(AttemptSent(ms(at), number, op, region, **known))
        if status is not None or error:
            records.entries.append(AttemptEnded(ms(at) + after, number, status, error, retry_after))  # type: ignore[arg-type]
        elif ok is not None:
            records.entries.append(AttemptEnded(ms(at) + ok, number, 202))

    return write


def unsent(region: str, at: float, reason: Any = "dropped", op: str = "op1") -> Line:
    def write(records: Records) -> None:
        records.op(op, ms(at))
        records.entries.append(Unsent(ms(at), op, region, reason))

    return write


def notified(
    outcome: str,
    at: float,
    /,
    *missing: str,
    op: str = "op1",
    key: str | None = "",
    status: int | None = 200,
    error: str = "",
    after: int | None = 1,
    disconnected: int | None = None,
    method: str = "POST",
    path: str = "",
    **body: Any,
) -> Line:
    """One notification. ``after``: how long the sink took to answer ``status``; None: it never did.

    ``disconnected``: so long after a late answer its connection was closed. ``path``: not the configured one.
    """

    def write(records: Records) -> None:
        it, number = records.op(op, ms(at)), records.number()
        content: dict[str, Any] = {
            "id": next(iter(it.ids.values()), None), "outcome": outcome, "action": it.action,
            "repository": it.repository, "tag": it.tag, "digest": it.digest, "missing": list(missing),
            "arrived": [region for region in records.regions if region not in missing],
        } | body  # fmt: skip
        content = {name: value for name, value in content.items() if value is not ABSENT}
        records.entries.append(
            NotificationReceived(ms(at), number, f"key-{op}" if key == "" else key, content, op, method, path)
        )
        if after is not None:
            sent_status = None if error else status
            records.entries.append(SinkResponded(ms(at) + after, number, sent_status, error))  # type: ignore[arg-type]
            if disconnected is not None:
                records.entries.append(ClientDisconnected(ms(at) + after + disconnected, number))

    return write


def unattributed(at: float, body: dict[str, Any] | None = None, key: str | None = "key-garbage") -> Line:
    """A notification that no operation explains."""

    def write(records: Records) -> None:
        number = records.number()
        records.entries.extend(
            [NotificationReceived(ms(at), number, key, body), SinkResponded(ms(at), number, 200)]
        )

    return write


def up(at: float, reason: Any = "start", **changed: Any) -> Line:
    """The aggregator comes up. ``changed``: its replica, and what it is configured with from then on."""
    return _state(TargetState(ms(at), "up", reason, **changed))


def down(at: float, reason: Any = "crash", error: str = "", *, replica: int = 0) -> Line:
    return _state(TargetState(ms(at), "down", reason, error, replica=replica))


def _state(entry: TargetState) -> Line:
    return lambda records: records.entries.append(entry)


def fault_applied(at: float, fault: int = 0, **where: Any) -> Line:
    return lambda records: records.entries.append(FaultApplied(ms(at), fault, **where))


def crash(at: float, back: float) -> Line:
    """``kill -9`` and a new start."""

    def write(records: Records) -> None:
        down(at)(records)
        up(back)(records)

    return write


def pause(at: float, until: float, *, replica: int = 0) -> Line:
    """SIGSTOP, and SIGCONT."""

    def write(records: Records) -> None:
        down(at, "pause", replica=replica)(records)
        up(until, "resume", replica=replica)(records)

    return write


def both(at: float = 0, *, op: str = "op1") -> Line:
    """Both regions of the default scenario report at once."""

    def write(records: Records) -> None:
        sent(EAST, at, op=op)(records)
        sent(WEST, at, op=op)(records)

    return write


# An operation that has its outcome.
DONE = (both(), notified("completed", 0.1))


def history(
    *lines: Line,
    regions: tuple[str, ...] = (EAST, WEST),
    end: float | None = 0,
    complete: bool = True,
    boot: bool = True,
    run: dict[str, Any] | None = None,
    **scenario: Any,
) -> History:
    """A run: two regions and a timeout of 120 s, watched long enough, the aggregator up from the start.

    Args:
        lines: What happened, in any order.
        regions: Those expected.
        end: When the watch ended; 0: long enough; None: the history has no end.
        complete: False when the watch was cut short.
        boot: Whether the aggregator comes up at 0 by itself.
        run: Fields of the header.
        scenario: Fields of the scenario.
    """
    records = Records(regions)
    if boot:
        up(0)(records)
    for line in lines:
        line(records)
    played = Scenario("by-hand", "Written by hand", regions=regions, **scenario)
    header = Run(played, 0, **(run or {}))
    last = max((entry.at for entry in records.entries), default=0)
    if end is not None:
        enough = last + 3 * played.timeout + header.redelivery_grace
        records.entries.append(End(ms(end) if end else enough, complete))
    # Stable: what was written first for one instant comes first, but an operation occurs before all else.
    records.entries.sort(
        key=lambda entry: (entry.at, not isinstance(entry, TargetState), not isinstance(entry, RegistryEvent))
    )
    return History(header, records.entries)


def exchanged(tag: str, late: float = 1.5) -> tuple[Line, ...]:
    """The likeliest of whom the first notification is, is the wrong one: then the second would be late."""
    hosted, unhosted = f"{tag}1", f"{tag}2"
    image: dict[str, Any] = {"digest": "sha256:1", "tag": tag}
    said: dict[str, Any] = {"id": f"team/app:{tag}", "tag": tag}
    return (
        occurred(hosted, 0, **image), occurred(unhosted, 0, host="", **image), both(0, op=hosted),
        sent(EAST, 0.1, op=unhosted), sent(WEST, 0.1, op=unhosted, ok=3_000),
        notified("completed", 0.7, key=hosted, op=hosted, **said),
        notified("completed", late, key=unhosted, op=unhosted, **said),
    )  # fmt: skip
