"""Random faults, placed where the scenario will probably have an arrival, a deadline or an outcome.

A fault without effect proves nothing, and bugs are found at the edges: so most instants lie within a few
milliseconds of a predicted event, and most windows around one.

Rules of this file: pure; every number comes from the `Draw` that is passed in.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, get_args

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, Capability
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.predict import PredictedEvent, Prediction
from fanin.simulator.delivery import profile_of
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.delivery import DeliveryFault, Selection
from fanin.simulator.faults.fault import Fault, Need
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.sink import SinkFault, SinkWindow
from fanin.simulator.faults.step import Step, StepTrigger
from fanin.simulator.language.scenario import Scenario

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
# While a sink fault lasts, every few minutes an attempt of each notification meets it: a run would hold
# nothing else if it lasted for weeks, or with many notifications for hours. It may be a minute all the same.
SINK_FAULT_MS_MIN, SINK_FAULT_MS_MAX = 60 * SECOND, 5_400 * SECOND
DOWN_MS_MAX = 2 * DAY
# A sender without a limit of attempts tries every second while the aggregator is down.
EAGER_SENDER_DOWN_MS_MAX = 20 * SECOND
# The distance of a fault from the event that it is aimed at; often 0.
EDGES_MS = (-1_000, -20, -1, 0, 0, 0, 1, 2, 3, 20, 1_000)
# The smallest gap between two outages, and between two sink faults.
APART_MS = SECOND
PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
TRIES = 8
# After three days of refusals a notification may be given up.
_DAYS_MS = (2 * DAY + 2 * HOUR, 3 * DAY + 12 * HOUR)
_FOR_DAYS = 0.004  # so many of the sink's faults last for days
_WITH_CREDENTIALS = 5
_RECONFIGURED = 0.7


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
        capabilities: What faults may need of the target.
    """

    def __init__(
        self,
        draw: Draw,
        scenario: Scenario,
        prediction: Prediction,
        capabilities: Collection[Capability] = DEFAULT_CAPABILITIES,
    ) -> None:
        self._draw, self._scenario, self._prediction = draw, scenario, prediction
        self._capabilities = capabilities
        faults = scenario.faults
        self._outages = [self._outage(it) for it in faults if isinstance(it, AggregatorFault)]
        self._sink_windows = [_sink_window(it) for it in faults if isinstance(it, SinkFault)]

    # --- deliveries ---

    def delivery_fault(self) -> DeliveryFault:
        """A fault of deliveries."""
        kind = self._draw.choice(self._likely(kinds(DeliveryFault)))
        return kind.draw(self._draw, self._selection(), self._scenario.timeout)

    def _likely[Kind: type[Fault]](self, among: Sequence[Kind]) -> list[Kind]:
        """The kinds that have something to go wrong here, each as often as its weight says."""
        missing: list[Need] = [need for need in get_args(Need) if need not in self._capabilities]
        if not self._scenario.key:
            missing.append("function-keys")
        if not self._scenario.signing.secrets:
            missing.append("signatures")
        possible = [kind for kind in among if not any(need in missing for need in kind.requires)]
        # A scenario that has a key or signatures is about them.
        return [
            kind
            for kind in possible
            for _ in range(kind.draw_weight * (_WITH_CREDENTIALS if _is_about_credentials(kind) else 1))
        ]

    def _selection(self) -> Selection:
        """Which deliveries: region, operation and probability."""
        draw = self._draw
        region = draw.choice(self._scenario.regions) if draw.chance(0.5) else ""
        operation = self._operation() if draw.chance(0.4) else ""
        certain = (region or operation) and draw.chance(0.7)
        return Selection(region, operation, 1.0 if certain else draw.choice(PROBABILITIES))

    def _operation(self) -> str:
        """The name of an operation, or of one of its repetitions."""
        operation = self._draw.choice(self._scenario.operations)
        if operation.repeat > 1 and self._draw.chance(0.3):
            return f"{operation.name}/{self._draw.choice(range(1, operation.repeat + 1))}"
        return operation.name

    # --- the aggregator ---

    def aggregator_fault(self) -> AggregatorFault | None:
        """A fault of the aggregator, at an instant or at a step; None where none would be of use."""
        likely = self._likely(kinds(AggregatorFault))
        # A registry with a region that is not expected is about what happens when it is.
        if self._scenario.expects and self._draw.chance(_RECONFIGURED):
            likely = [kind for kind in likely if kind.may_reconfigure] or likely
        for _ in range(TRIES):
            fault = self._draw.choice(likely).draw(self)
            outage = self._outage(fault)
            if not any(map(outage.overlaps, self._outages)) and self._leaves_an_acknowledgement(outage):
                self._outages.append(outage)
                return fault
        return None

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._draw.chance(probability)

    def trigger(self, steps: Sequence[Step]) -> StepTrigger | None:
        """A step that will be reached, sometimes of one region or operation only; None when it will not."""
        draw, step = self._draw, self._draw.choice(steps)
        if not (events := self._events_at(step)):
            return None
        at = draw.choice(events)
        region = at.region if draw.chance(0.3) else ""
        operation = at.op if draw.chance(0.3) else ""
        among = _of(events, region, operation)
        nth = among.index(at) + 1 if draw.chance(0.5) else 1
        return StepTrigger(step, region, operation, nth)

    def _events_at(self, step: Step) -> Sequence[PredictedEvent]:
        notified = step in ("before-notify", "after-notify")
        return self._prediction.outcomes if notified else self._prediction.arrivals

    def _outage(self, fault: AggregatorFault) -> _Window:
        """When the aggregator will probably be down, with a margin."""
        at, trigger = fault.at_ms, fault.trigger
        if trigger is not None:
            events = _of(self._events_at(trigger.step), trigger.region, trigger.operation)
            at = events[min(trigger.nth, len(events)) - 1].at_ms if events else 0
        return _Window(at - APART_MS, at + fault.away_ms + APART_MS)

    def _leaves_an_acknowledgement(self, outage: _Window) -> bool:
        """Whether a delivery is still acknowledged; with a sender that retries, one always is."""
        if profile_of(self._scenario.sender).attempts != 1:
            return True
        outages = (*self._outages, outage)
        return any(
            not any(down.since <= it.at_ms <= down.until for down in outages)
            for it in self._prediction.arrivals
        )

    def instant(self) -> int:
        """An instant close to an arrival or an outcome, or now and then any other."""
        draw, prediction = self._draw, self._prediction
        aims = (*prediction.arrivals, *prediction.outcomes)
        if draw.chance(0.2) or not aims:
            return draw.duration(0, prediction.end_ms + SECOND)
        return max(0, draw.choice(aims).at_ms + draw.choice(EDGES_MS))

    @property
    def reconfigures(self) -> bool:
        """Whether a restart may change the configuration."""
        return "reconfiguration" in self._capabilities

    def expected(self) -> tuple[str, ...]:
        """The regions that are expected from the start, and more where there are others.

        None is taken away: the contract does not say how its webhooks are answered then.
        """
        first = self._scenario.expects
        others = [region for region in self._scenario.regions if region not in first]
        if not first:
            return ()
        return (*first, *self._draw.sample(others, self._draw.choice(range(1, len(others) + 1))))

    def timeout(self) -> int:
        """Another timeout, shorter or longer."""
        return max(1, round(self._scenario.timeout * self._draw.choice((0.1, 0.5, 2, 3))))

    def clock_step(self) -> int:
        """By how much a clock is set, in ms."""
        return self._draw.duration(1, self._draw.choice((SECOND, HOUR, 2 * self._scenario.timeout)))

    def down_for(self) -> int:
        """How long the aggregator stays down."""
        most = min(longest_outage_ms(self._scenario), 2 * self._scenario.timeout)
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
        close = max(0, outcome.at_ms - draw.duration(1, 30 * SECOND))
        since = draw.choice((0, 0, close)) if outcome.at_ms <= SINK_FAULT_MS_MAX else close
        longest = min(SINK_FAULT_MS_MAX // len(outcomes), 3 * self._scenario.timeout + 2 * SECOND)
        lasts = (SECOND, max(longest, SINK_FAULT_MS_MIN))
        # Now and then it lasts for days; for one of the notifications, which tells as much.
        is_for_days = draw.chance(_FOR_DAYS)
        until = notified_ms + draw.duration(*(_DAYS_MS if is_for_days else lasts))
        if not is_for_days:
            since = max(since, until - SINK_FAULT_MS_MAX)
        about = outcome.op if is_for_days or draw.chance(0.3) else ""
        window = SinkWindow(since, until, about, outcomes[0].at_ms + until - outcome.at_ms)
        return draw.choice(self._likely(kinds(SinkFault))).draw(draw, window)


def longest_outage_ms(scenario: Scenario) -> int:
    """How long the aggregator may be down, so that its sender does not try very often meanwhile."""
    eager = scenario.sender.profile == "cncf-distribution"
    return EAGER_SENDER_DOWN_MS_MAX if eager else DOWN_MS_MAX


def _is_about_credentials(kind: type[Fault]) -> bool:
    return any(need in ("function-keys", "signatures") for need in kind.requires)


def _of(events: Sequence[PredictedEvent], region: str, operation: str) -> list[PredictedEvent]:
    return [it for it in events if region in ("", it.region) and operation in ("", it.op)]


def _sink_window(fault: SinkFault) -> _Window:
    """When it affects the sink; a fault without an end counts as if it ended when it began."""
    return _Window(fault.since, fault.since if fault.until is None else fault.until)
