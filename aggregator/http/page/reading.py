"""What the page shows, read from the engine through its port.

Rules of this file: a part that cannot be read now says why, and the other parts are shown all the same; no
more is read than is shown, whatever the engine holds.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from fanin.aggregator.engine import Engine, OutboxEntry, TargetControl, TargetState
from fanin.aggregator.errors import AggregatorError
from fanin.aggregator.fanin import FanIn, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings

# How many rows a page of a list has, and how many outcomes are shown.
ROWS, OUTCOMES = 20, 10
# How many of what waits for its target; the rest is a number.
PENDING_ROWS = 10
# An engine may return pages with fewer rows than were asked for: how many of them are read for one of ours.
PAGES_READ_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part[Row]:
    """One list of the page.

    Attributes:
        rows: What is on this page of the list.
        next: The token of the next page; None on the last one.
        first: It is the first page.
        problem: Why it could not be read; None if it was.
        total: How many there are; None if that is not known.
    """

    rows: list[Row] = field(default_factory=list)
    next: str | None = None
    first: bool = True
    problem: str | None = None
    total: int | None = None

    @property
    def count(self) -> str:
        """How many there are, as far as that is known."""
        if self.problem:
            return "?"
        if self.total is not None:
            return f"{self.total:,}"
        return f"{len(self.rows)}{'' if self.next is None and self.first else '+'}"


class TargetRow(NamedTuple):
    """A target as it is configured, and its state; a removed one has no format and no host."""

    name: str
    format: str | None
    host: str | None
    state: TargetState | None  # None: the engine does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything on the page. ``outbox`` and ``dead`` are None where the engine cannot list them."""

    now_ms: int
    problem: str | None  # why no webhook could be stored now
    waiting: Part[FanIn]
    latest: Part[FanIn]
    targets: Part[TargetRow]
    outbox: Part[OutboxEntry] | None
    dead: Part[OutboxEntry] | None

    def failing(self, target: str) -> bool:
        """Whether the last attempt of a notification to it failed, as far as pending ones are shown."""
        shown = self.outbox.rows if self.outbox else []
        return any(entry.target == target and entry.error for entry in shown)

    @property
    def targets_down(self) -> int | None:
        """How many targets are taken to be down; None where the engine does not know."""
        states = [row.state.state for row in self.targets.rows if row.state]
        if self.targets.rows and not states:
            return None
        return sum(state in ("open", "half-open") for state in states)


async def read_overview(
    engine: Engine, settings: Settings, metrics: Metrics, *, after: Mapping[str, str], now_ms: int
) -> Overview:
    """Read what the page shows.

    Args:
        engine: The running engine.
        settings: Those of the service: its targets.
        metrics: Those of the service: how many there are, where the engine knows.
        after: By list, ``waiting`` or ``dead``: the token of the page to show; without one, the first page.
        now_ms: Unix epoch.
    """
    lists_outbox = engine.capabilities.lists_outbox
    totals = (metrics.waiting, metrics.pending, metrics.dead) if metrics.owns_store else (None, None, None)

    async def waiting(token: str | None, limit: int) -> tuple[list[FanIn], str | None]:
        page = await engine.instances(phase=Phase.WAITING, after=token, limit=limit)
        return page.states, page.next

    async def pending(token: str | None, limit: int) -> tuple[list[OutboxEntry], str | None]:
        page = await engine.outbox(dead=False, after=token, limit=limit)
        return page.entries, page.next

    async def dead(token: str | None, limit: int) -> tuple[list[OutboxEntry], str | None]:
        page = await engine.outbox(dead=True, after=token, limit=limit)
        return page.entries, page.next

    return Overview(
        now_ms=now_ms,
        problem=await _problem(engine),
        waiting=await _read(waiting, ROWS, after.get("waiting"), totals[0]),
        latest=await _latest(engine),
        targets=await _targets(engine, settings),
        outbox=await _read(pending, PENDING_ROWS, None, totals[1]) if lists_outbox else None,
        dead=await _read(dead, ROWS, after.get("dead"), totals[2]) if lists_outbox else None,
    )


async def _problem(engine: Engine) -> str | None:
    try:
        await engine.check()
    except AggregatorError as exc:
        return str(exc)
    return None


async def _read[Row](
    page: Callable[[str | None, int], Awaitable[tuple[list[Row], str | None]]],
    limit: int,
    after: str | None,
    total: int | None,
) -> Part[Row]:
    """Read one page of a list, of as many of the engine's as it takes."""
    rows: list[Row] = []
    token = after
    try:
        for _ in range(PAGES_READ_MAX):
            found, token = await page(token, limit - len(rows))
            rows += found
            if token is None or len(rows) >= limit:
                break
    except AggregatorError as exc:
        return Part(first=after is None, problem=str(exc))
    return Part(rows=rows, next=token, first=after is None, total=total)


async def _latest(engine: Engine) -> Part[FanIn]:
    try:
        return Part(rows=await engine.latest(limit=OUTCOMES))
    except AggregatorError as exc:
        return Part(problem=str(exc))


async def _targets(engine: Engine, settings: Settings) -> Part[TargetRow]:
    """The targets in the order of the settings, and behind them those that are configured no more."""
    states: dict[str, TargetState] = {}
    problem = None
    if engine.capabilities.controls_targets:
        try:
            states = {it.target: it for it in await cast("TargetControl", engine).target_states()}
        except AggregatorError as exc:
            problem = str(exc)
    rows = [
        TargetRow(it.name, it.format, it.address.host, states.pop(it.name, None)) for it in settings.targets
    ]
    rows += [TargetRow(name, None, None, state) for name, state in sorted(states.items())]
    return Part(rows=rows, problem=problem)
