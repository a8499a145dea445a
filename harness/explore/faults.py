"""Random faults, aimed at what a scenario will probably come to.

A fault that hits nothing proves nothing, and bugs live at the edges: so most instants lie within a few
milliseconds of an arrival, a deadline or an outcome, and windows are put around them.

Rules of this file: pure; every number comes from the dice that are handed in.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

from fanin.harness.explore.draw import Dice
from fanin.harness.explore.predict import Forecast, Moment
from fanin.harness.explore.repair import away_ms
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
# A fault of the sink is met again every few minutes; over weeks that is all that would happen.
SINK_FAULT_MS_MAX = 6 * HOUR
DOWN_MS_MAX = 2 * DAY
# A sender that never gives up knocks every second at a door that is closed.
IMPATIENT_DOWN_MS_MAX = 300 * SECOND
# How far from what it aims at something happens; exactly there as often as not.
EDGES_MS = (-1_000, -20, -1, 0, 0, 0, 1, 2, 3, 20, 1_000)
# Outages, and faults of the sink, keep so far from each other.
APART_MS = SECOND
STRANGERS = ("mars", "", "0", "east us", "Ωμέγα")
STATUSES = (301, 400, 404, 410, 429, 500, 503)
CHANCES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
TRIES = 8


class _Window(NamedTuple):
    """From when to when something will probably hold, in ms."""

    since: int
    until: int

    def meets(self, other: "_Window") -> bool:
        return self.since <= other.until and other.since <= self.until


class Mischief:
    """Draws faults for one scenario.

    Args:
        dice: Where every choice comes from.
        scenario: What the faults are for. What goes wrong with its aggregator and its sink is kept clear of.
        outlook: What will probably come of it.
    """

    def __init__(self, dice: Dice, scenario: Scenario, outlook: Forecast) -> None:
        self._dice, self._scenario, self._outlook = dice, scenario, outlook
        faults = scenario.faults
        self._outages = [self._outage(it) for it in faults if isinstance(it, AggregatorFault)]
        self._spells = [_spell(it) for it in faults if isinstance(it, SinkFault)]

    # --- deliveries ---

    def with_deliveries(self) -> DeliveryFault:
        """One fault of a delivery."""
        dice, timeout, where = self._dice, self._scenario.timeout, self._where()
        kinds: tuple[Callable[[], DeliveryFault], ...] = (
            lambda: Drop(*where),
            lambda: DelayBy(*where, by=dice.delay(timeout)),
            lambda: Duplicate(*where, after=self._copies()),
            lambda: Reorder(*where, within=dice.span(1, timeout)),
            lambda: LoseRequest(*where, attempts=dice.one_of((1, 1, 2, 3))),
            lambda: LoseAnswer(*where, attempts=dice.one_of((1, 1, 2, 3))),
            lambda: SlowClient(*where, over=dice.span(1, 12 * SECOND)),
            lambda: Malform(*where, how=dice.one_of(get_args(Malformation))),
            lambda: UnknownRegion(*where, claims=dice.one_of(STRANGERS)),
            lambda: WrongKey(*where) if self._scenario.key else Drop(*where),
        )
        return dice.one_of((*kinds[:7], *kinds))()  # what is refused is half as likely

    def _where(self) -> tuple[str, str, float]:
        """Which deliveries: one region's, one operation's, both's, or some by chance."""
        dice = self._dice
        region = dice.one_of(self._scenario.regions) if dice.odds(0.5) else ""
        operation = self._operation() if dice.odds(0.4) else ""
        certain = (region or operation) and dice.odds(0.7)
        return region, operation, 1.0 if certain else dice.one_of(CHANCES)

    def _operation(self) -> str:
        """An operation's name, or one of its repetitions'."""
        operation = self._dice.one_of(self._scenario.operations)
        if operation.repeat > 1 and self._dice.odds(0.3):
            return f"{operation.name}/{self._dice.one_of(range(1, operation.repeat + 1))}"
        return operation.name

    def _copies(self) -> tuple[int, ...]:
        dice, timeout = self._dice, self._scenario.timeout
        ends = (5, SECOND, timeout, 3 * timeout, 8 * DAY)
        count = dice.one_of((1, 1, 1, 2, 3, 5))
        return tuple(sorted(dice.span(0, dice.one_of(ends)) for _ in range(count)))

    # --- the aggregator ---

    def with_aggregator(self) -> AggregatorFault | None:
        """One crash, at an instant or at a step, or one restart; None where none would prove anything."""
        for _ in range(TRIES):
            fault = self._dice.one_of((self._restart, self._crash, self._crash, self._crash_at_step))()
            outage = self._outage(fault)
            if not any(map(outage.meets, self._outages)) and self._heard_beside(outage):
                self._outages.append(outage)
                return fault
        return None

    def _restart(self) -> Crash | Restart:
        return Restart(at=self._instant(), down_for=self._down_for())

    def _crash(self) -> Crash | Restart:
        return Crash(at=self._instant(), down_for=self._down_for())

    def _crash_at_step(self) -> Crash | Restart:
        """Its nth time is one that will come; it may be narrowed to what it is about."""
        dice, step = self._dice, self._dice.one_of(get_args(Step))
        if not (reaching := self._reaching(step)):
            return self._crash()
        at = dice.one_of(reaching)
        region = at.region if dice.odds(0.3) else ""
        operation = at.op if dice.odds(0.3) else ""
        among = _narrowed(reaching, region, operation)
        nth = among.index(at) + 1 if dice.odds(0.5) else 1
        return Crash(step=step, region=region, operation=operation, nth=nth, down_for=self._down_for())

    def _reaching(self, step: Step) -> Sequence[Moment]:
        notified = step in ("before-notify", "after-notify")
        return self._outlook.outcomes if notified else self._outlook.arrivals

    def _outage(self, fault: AggregatorFault) -> _Window:
        """From when to when the aggregator will probably be down, and a little more."""
        at = fault.at
        if isinstance(fault, Crash | Pause) and fault.step is not None:
            reaching = _narrowed(self._reaching(fault.step), fault.region, fault.operation)
            at = reaching[min(fault.nth, len(reaching)) - 1].at_ms if reaching else 0
        at = at or 0
        return _Window(at - APART_MS, at + away_ms(fault) + APART_MS)

    def _heard_beside(self, outage: _Window) -> bool:
        """Whether something is acknowledged in spite of it. A sender that tries again will see to that."""
        if profile_of(self._scenario.sender).attempts != 1:
            return True
        outages = (*self._outages, outage)
        return any(
            not any(down.since <= it.at_ms <= down.until for down in outages) for it in self._outlook.arrivals
        )

    def _instant(self) -> int:
        dice, outlook = self._dice, self._outlook
        aims = (*outlook.arrivals, *outlook.outcomes)
        if dice.odds(0.2) or not aims:
            return dice.span(0, outlook.end_ms + SECOND)
        return max(0, dice.one_of(aims).at_ms + dice.one_of(EDGES_MS))

    def _down_for(self) -> int:
        impatient = self._scenario.sender.profile == "cncf-distribution"
        most = min(IMPATIENT_DOWN_MS_MAX if impatient else DOWN_MS_MAX, 2 * self._scenario.timeout)
        return self._dice.span(0, self._dice.one_of((most, min(most, 10 * SECOND))))

    # --- the sink ---

    def with_sink(self) -> SinkFault | None:
        """One fault of the sink, held where a notification is probable; None where none is."""
        for _ in range(TRIES):
            fault = self._sink_fault()
            if fault is not None and not any(map(_spell(fault).meets, self._spells)):
                self._spells.append(_spell(fault))
                return fault
        return None

    def _sink_fault(self) -> SinkFault | None:
        dice, outcomes = self._dice, self._outlook.outcomes
        if not outcomes:
            return None
        told = dice.one_of(outcomes)
        # An aggregator that is down tells when it is back.
        told_ms = max(
            (it.until for it in self._outages if it.since <= told.at_ms <= it.until), default=told.at_ms
        )
        since = dice.one_of((0, 0, max(0, told.at_ms - dice.span(1, 30 * SECOND))))
        until = told_ms + dice.span(SECOND, min(SINK_FAULT_MS_MAX, 3 * self._scenario.timeout + 2 * SECOND))
        about = told.op if dice.odds(0.3) else ""
        kinds: tuple[Callable[[], SinkFault], ...] = (
            lambda: SinkRefuses(since, until, about, status=dice.one_of(STATUSES)),
            lambda: SinkStalls(since, until, about, by=dice.span(1, dice.one_of((900, 9_000, 40_000)))),
            lambda: SinkHangs(since, until, about),
            lambda: SinkLosesAnswer(since, until, about, times=dice.one_of((1, 1, 2, 3, 5))),
            # A connection that is open already would not notice.
            lambda: SinkDown(0, outcomes[0].at_ms + until - told.at_ms),
        )
        return dice.one_of(kinds)()


def _narrowed(moments: Sequence[Moment], region: str, operation: str) -> list[Moment]:
    return [it for it in moments if region in ("", it.region) and operation in ("", it.op)]


def _spell(fault: OnSink | SinkDown) -> _Window:
    """From when to when it holds the sink; one without an end as if it ended when it began."""
    return _Window(fault.since, fault.since if fault.until is None else fault.until)
