"""Random faults, placed where the scenario will probably have an arrival, a deadline or an outcome.

A fault without effect proves nothing, and bugs are found at the edges: so most instants lie within a few
milliseconds of a predicted event, and most windows around one.

Rules of this file: pure; every number comes from the `Draw` that is passed in.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.predict import PredictedEvent, Prediction
from fanin.harness.explore.repair import outage_ms
from fanin.simulator.delivery import profile_of
from fanin.simulator.language.scenario import (
    AggregatorFault,
    Crash,
    DelayBy,
    DeliveryFault,
    Drop,
    Duplicate,
    LoseAnswer,
    LoseRequest,
    Malform,
    Malformation,
    OnSink,
    Pause,
    Reorder,
    Restart,
    Scenario,
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesAnswer,
    SinkRefuses,
    SinkStalls,
    SlowClient,
    Step,
    UnknownRegion,
    WrongKey,
)

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
# While a sink fault lasts, every few minutes an attempt meets it; over weeks a run would hold nothing else.
SINK_FAULT_MS_MAX = 6 * HOUR
DOWN_MS_MAX = 2 * DAY
# A sender without a limit of attempts tries every second while the aggregator is down.
EAGER_SENDER_DOWN_MS_MAX = 300 * SECOND
# The distance of a fault from the event that it is aimed at; often 0.
EDGES_MS = (-1_000, -20, -1, 0, 0, 0, 1, 2, 3, 20, 1_000)
# The smallest gap between two outages, and between two sink faults.
APART_MS = SECOND
UNKNOWN_REGIONS = ("mars", "", "0", "east us", "Ωμέγα")
STATUSES = (301, 400, 404, 410, 429, 500, 503)
PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
TRIES = 8


class _Window(NamedTuple):
    """From when to when a fault will probably last, in ms; both ends are in."""

    since: int
    until: int

    def overlaps(self, other: "_Window") -> bool:
        return self.since <= other.until and other.since <= self.until


class FaultGenerator:
    """Draws faults for one scenario.

    Args:
        draw: The source of every random choice.
        scenario: What the faults are for. New outages and sink faults keep clear of those that it has.
        prediction: What will probably happen in it.
    """

    def __init__(self, draw: Draw, scenario: Scenario, prediction: Prediction) -> None:
        self._draw, self._scenario, self._prediction = draw, scenario, prediction
        faults = scenario.faults
        self._outages = [self._outage(it) for it in faults if isinstance(it, AggregatorFault)]
        self._sink_windows = [_sink_window(it) for it in faults if isinstance(it, SinkFault)]

    # --- deliveries ---

    def delivery_fault(self) -> DeliveryFault:
        """A fault of deliveries."""
        draw, timeout, where = self._draw, self._scenario.timeout, self._where()
        kinds: tuple[Callable[[], DeliveryFault], ...] = (
            lambda: Drop(*where),
            lambda: DelayBy(*where, by=draw.delay(timeout)),
            lambda: Duplicate(*where, after=self._copies()),
            lambda: Reorder(*where, within=draw.duration(1, timeout)),
            lambda: LoseRequest(*where, attempts=draw.choice((1, 1, 2, 3))),
            lambda: LoseAnswer(*where, attempts=draw.choice((1, 1, 2, 3))),
            lambda: SlowClient(*where, over=draw.duration(1, 12 * SECOND)),
            lambda: Malform(*where, how=draw.choice(get_args(Malformation))),
            lambda: UnknownRegion(*where, claims=draw.choice(UNKNOWN_REGIONS)),
            lambda: WrongKey(*where) if self._scenario.key else Drop(*where),
        )
        return draw.choice((*kinds[:7], *kinds))()  # faults that make deliveries invalid are half as likely

    def _where(self) -> tuple[str, str, float]:
        """Which deliveries: region, operation and probability."""
        draw = self._draw
        region = draw.choice(self._scenario.regions) if draw.chance(0.5) else ""
        operation = self._operation() if draw.chance(0.4) else ""
        certain = (region or operation) and draw.chance(0.7)
        return region, operation, 1.0 if certain else draw.choice(PROBABILITIES)

    def _operation(self) -> str:
        """The name of an operation, or of one of its repetitions."""
        operation = self._draw.choice(self._scenario.operations)
        if operation.repeat > 1 and self._draw.chance(0.3):
            return f"{operation.name}/{self._draw.choice(range(1, operation.repeat + 1))}"
        return operation.name

    def _copies(self) -> tuple[int, ...]:
        draw, timeout = self._draw, self._scenario.timeout
        ends = (5, SECOND, timeout, 3 * timeout, 8 * DAY)
        count = draw.choice((1, 1, 1, 2, 3, 5))
        return tuple(sorted(draw.duration(0, draw.choice(ends)) for _ in range(count)))

    # --- the aggregator ---

    def aggregator_fault(self) -> AggregatorFault | None:
        """A crash, at an instant or at a step, or a restart; None where none would be of use."""
        for _ in range(TRIES):
            fault = self._draw.choice((self._restart, self._crash, self._crash, self._crash_at_step))()
            outage = self._outage(fault)
            if not any(map(outage.overlaps, self._outages)) and self._leaves_an_acknowledgement(outage):
                self._outages.append(outage)
                return fault
        return None

    def _restart(self) -> Crash | Restart:
        return Restart(at=self._instant(), down_for=self._down_for())

    def _crash(self) -> Crash | Restart:
        return Crash(at=self._instant(), down_for=self._down_for())

    def _crash_at_step(self) -> Crash | Restart:
        """A crash at a step that will be reached, sometimes of one region or operation only."""
        draw, step = self._draw, self._draw.choice(get_args(Step))
        if not (events := self._events_at(step)):
            return self._crash()
        at = draw.choice(events)
        region = at.region if draw.chance(0.3) else ""
        operation = at.op if draw.chance(0.3) else ""
        among = _of(events, region, operation)
        nth = among.index(at) + 1 if draw.chance(0.5) else 1
        return Crash(step=step, region=region, operation=operation, nth=nth, down_for=self._down_for())

    def _events_at(self, step: Step) -> Sequence[PredictedEvent]:
        notified = step in ("before-notify", "after-notify")
        return self._prediction.outcomes if notified else self._prediction.arrivals

    def _outage(self, fault: AggregatorFault) -> _Window:
        """When the aggregator will probably be down, with a margin."""
        at = fault.at
        if isinstance(fault, Crash | Pause) and fault.step is not None:
            events = _of(self._events_at(fault.step), fault.region, fault.operation)
            at = events[min(fault.nth, len(events)) - 1].at_ms if events else 0
        at = at or 0
        return _Window(at - APART_MS, at + outage_ms(fault) + APART_MS)

    def _leaves_an_acknowledgement(self, outage: _Window) -> bool:
        """Whether a delivery is still acknowledged; with a sender that retries, one always is."""
        if profile_of(self._scenario.sender).attempts != 1:
            return True
        outages = (*self._outages, outage)
        return any(
            not any(down.since <= it.at_ms <= down.until for down in outages)
            for it in self._prediction.arrivals
        )

    def _instant(self) -> int:
        draw, prediction = self._draw, self._prediction
        aims = (*prediction.arrivals, *prediction.outcomes)
        if draw.chance(0.2) or not aims:
            return draw.duration(0, prediction.end_ms + SECOND)
        return max(0, draw.choice(aims).at_ms + draw.choice(EDGES_MS))

    def _down_for(self) -> int:
        eager = self._scenario.sender.profile == "cncf-distribution"
        most = min(EAGER_SENDER_DOWN_MS_MAX if eager else DOWN_MS_MAX, 2 * self._scenario.timeout)
        return self._draw.duration(0, self._draw.choice((most, min(most, 10 * SECOND))))

    # --- the sink ---

    def sink_fault(self) -> SinkFault | None:
        """A fault of the sink at a time when a notification is probable; None where none is."""
        for _ in range(TRIES):
            fault = self._sink_fault()
            if fault is not None and not any(map(_sink_window(fault).overlaps, self._sink_windows)):
                self._sink_windows.append(_sink_window(fault))
                return fault
        return None

    def _sink_fault(self) -> SinkFault | None:
        draw, outcomes = self._draw, self._prediction.outcomes
        if not outcomes:
            return None
        outcome = draw.choice(outcomes)
        # An aggregator that is down notifies when it is back.
        notified_ms = max(
            (it.until for it in self._outages if it.since <= outcome.at_ms <= it.until), default=outcome.at_ms
        )
        since = draw.choice((0, 0, max(0, outcome.at_ms - draw.duration(1, 30 * SECOND))))
        until = notified_ms + draw.duration(
            SECOND, min(SINK_FAULT_MS_MAX, 3 * self._scenario.timeout + 2 * SECOND)
        )
        about = outcome.op if draw.chance(0.3) else ""
        kinds: tuple[Callable[[], SinkFault], ...] = (
            lambda: SinkRefuses(since, until, about, status=draw.choice(STATUSES)),
            lambda: SinkStalls(since, until, about, by=draw.duration(1, draw.choice((900, 9_000, 40_000)))),
            lambda: SinkHangs(since, until, about),
            lambda: SinkLosesAnswer(since, until, about, times=draw.choice((1, 1, 2, 3, 5))),
            # An open connection would not notice; so the sink is down from the start.
            lambda: SinkDown(0, outcomes[0].at_ms + until - outcome.at_ms),
        )
        return draw.choice(kinds)()


def _of(events: Sequence[PredictedEvent], region: str, operation: str) -> list[PredictedEvent]:
    return [it for it in events if region in ("", it.region) and operation in ("", it.op)]


def _sink_window(fault: OnSink | SinkDown) -> _Window:
    """When it affects the sink; a fault without an end counts as if it ended when it began."""
    return _Window(fault.since, fault.since if fault.until is None else fault.until)
