"""Faults of the aggregator itself. `fanin.harness.world.nemesis` does to targets what they say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Protocol, Self, get_args

from msgspec import Meta, structs

from fanin.simulator.durations import Millis, format_duration
from fanin.simulator.faults.fault import Fault, FaultChecks, Need, Scaling
from fanin.simulator.faults.step import ANSWER_STEPS, Nth, Step, StepTrigger, step_text
from fanin.simulator.instants import clock
from fanin.simulator.shapes import OperationRef, RegionRef, Some
from fanin.simulator.text import listed

ReplicaRef = Annotated[int, Meta(ge=1, le=5)]  # 0, which cannot be written: left out
PauseStep = Literal["after-response", "after-notify"]
# What is done to a target: it is killed, stopped in order, made to stand still, or its clock is set.
Effect = Literal["crash", "stop", "pause", "clock"]

_REGIONS_NAMED_MAX = 6


class OutageDraws(Protocol):
    """What the explorer offers to a fault of the aggregator that is drawn."""

    def chance(self, probability: float) -> bool:
        """True with this probability."""

    def instant(self) -> int:
        """When something happens to the aggregator, mostly close to a webhook or an outcome."""

    def down_for(self) -> int:
        """How long it stays away."""

    def trigger(self, steps: Sequence[Step]) -> StepTrigger | None:
        """One of these steps, narrowed or not; None when the one that was drawn will not be reached."""

    @property
    def reconfigures(self) -> bool:
        """Whether a restart may change the configuration."""

    def expected(self) -> tuple[str, ...]:
        """The regions that it waits for after a restart; empty: the same."""

    def timeout(self) -> int:
        """The timeout that it has after a restart."""

    def clock_step(self) -> int:
        """By how much its clock is set, in ms."""


class AggregatorFault(Fault, frozen=True):
    """Base of what may happen to the aggregator itself."""

    effect: ClassVar[Effect]
    # Whether it may change the configuration.
    may_reconfigure: ClassVar[bool] = False
    scaling: ClassVar[Mapping[str, Scaling]] = {"at": Scaling.INSTANT}
    draw_weight = 0

    @property
    def at_ms(self) -> int:
        """When it happens; 0 where it waits for its `trigger`."""
        raise NotImplementedError

    @property
    def trigger(self) -> StepTrigger | None:
        """The step at which it happens; None when it has an instant."""
        return None

    @property
    def away_ms(self) -> int:
        """How long the aggregator does nothing because of it."""
        return 0

    @property
    def replica_number(self) -> int:
        """Which of several replicas it happens to, from 1; 0: the one that reached the step, or all."""
        return 0

    @property
    def new_regions(self) -> tuple[str, ...]:
        """The regions that the aggregator waits for when it is back; none when the same."""
        return ()

    @property
    def new_timeout_ms(self) -> int | None:
        """The timeout that the aggregator has when it is back; None when it is the same."""
        return None

    @property
    def clock_step_ms(self) -> int:
        """By how much the aggregator's wall clock is put forward."""
        return 0

    @property
    def ends_ms(self) -> int:
        return self.at_ms + self.away_ms

    @property
    def victim(self) -> str:
        """Whom it happens to, in words."""
        return f"replica {self.replica_number}" if self.replica_number else "the aggregator"

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        """A random fault of this kind."""
        raise NotImplementedError


class SteppedFault(AggregatorFault, frozen=True):
    """Base of what happens at an instant or at a step.

    Attributes:
        at: The instant; either this or ``step``.
        region: Narrows the steps of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
    """

    at: Millis | None = None
    step: Step | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Nth = 1

    one_of = ("at", "step")
    _STEP_CHANCE: ClassVar[float] = 1 / 3  # of what is drawn

    @property
    def at_ms(self) -> int:
        return self.at or 0

    @property
    def trigger(self) -> StepTrigger | None:
        return None if self.step is None else StepTrigger(self.step, self.region, self.operation, self.nth)

    @property
    def named_regions(self) -> tuple[str, ...]:
        return (self.region,) if self.region else ()

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        return structs.replace(self, region=rename(self.region)) if self.region else self

    def _narrowed_to(self) -> str:
        names = ", ".join(filter(None, (self.region, self.operation)))
        return f"{names}: " if names else ""

    def _when(self) -> str:
        if self.step is None:
            return f"at {clock(self.at_ms)}"
        return step_text(self.step, self.nth)

    def check(self, checks: FaultChecks) -> None:
        checks.replica(self.replica_number, "replica")
        if not self.has_one_of(checks):
            return
        known = checks.selects(self.region, self.operation)
        if self.step is None:
            for field in ("region", "operation", "nth"):
                if checks.gives(field):
                    checks.unfit(f"{field}: it narrows a step; this {self.tag} has an instant", field)
        elif self.step in ANSWER_STEPS:
            if known:
                checks.sends(self.region, self.operation)
        elif self.region:
            message = f"region: it narrows an answer; at {self.step} there is a notification, of no region"
            checks.unfit(message, "region")
        elif known:
            checks.notifies(self.operation)


class Crash(SteppedFault, frozen=True, tag_field="fault", tag="crash"):
    """``kill -9``, at an instant or at a step, and a new start on the same data.

    A step is seen from outside, so that it works on any aggregator:
    ``before-response``: it has committed and answered, and dies before the answer leaves;
    ``after-response``: its 2xx has just reached the sender;
    ``before-notify``: it has decided and connects to the sink, and dies before the notification arrives;
    ``after-notify``: the sink has the notification, and it dies before the sink's 200 reaches it.

    Attributes:
        step: The step at which it dies; either this or ``at``.
        down_for: How long it stays down.
        replica: Which of several replicas, from 1; when left out the one that answered, otherwise all.
    """

    down_for: Millis = 5_000
    replica: ReplicaRef = 0

    scaling: ClassVar[Mapping[str, Scaling]] = {**SteppedFault.scaling, "down_for": Scaling.OUTAGE}
    effect = "crash"
    requires = ("process",)
    draw_weight = 5

    @property
    def away_ms(self) -> int:
        return self.down_for

    @property
    def replica_number(self) -> int:
        return self.replica

    def describe(self) -> str:
        down = format_duration(self.down_for)
        return f"{self._narrowed_to()}{self.victim} is killed {self._when()}, down for {down}"

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        trigger = draws.trigger(get_args(Step)) if draws.chance(cls._STEP_CHANCE) else None
        if trigger is None:
            return cls(at=draws.instant(), down_for=draws.down_for())
        return cls(None, *trigger, down_for=draws.down_for())


class Restart(AggregatorFault, frozen=True, tag_field="fault", tag="restart", kw_only=True):
    """An orderly stop (as SIGTERM) and a new start on the same data.

    Attributes:
        at: The instant of the stop.
        down_for: How long it stays down.
        expects: The regions that it is configured with when it starts again; the same when left out.
        timeout: The timeout that it is configured with when it starts again; the same when left out.
        replica: Which of several replicas, from 1; all when left out.
    """

    at: Millis
    down_for: Millis = 1_000
    expects: Annotated[tuple[RegionRef, ...], Meta(max_length=100)] = ()
    timeout: Some | None = None
    replica: ReplicaRef = 0

    scaling: ClassVar[Mapping[str, Scaling]] = {**AggregatorFault.scaling, "down_for": Scaling.OUTAGE}
    effect = "stop"
    requires = ("process",)
    draw_weight = 2
    may_reconfigure = True
    _RECONFIGURED_CHANCE: ClassVar[float] = 1 / 3  # of what is drawn

    @property
    def needs(self) -> tuple[Need, ...]:
        reconfigured = self.expects or self.timeout is not None
        return (*self.requires, "reconfiguration") if reconfigured else self.requires

    @property
    def at_ms(self) -> int:
        return self.at

    @property
    def away_ms(self) -> int:
        return self.down_for

    @property
    def replica_number(self) -> int:
        return self.replica

    @property
    def new_regions(self) -> tuple[str, ...]:
        return self.expects

    @property
    def new_timeout_ms(self) -> int | None:
        return self.timeout

    @property
    def named_regions(self) -> tuple[str, ...]:
        return self.expects

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        return structs.replace(self, expects=tuple(map(rename, self.expects)))

    def describe(self) -> str:
        regions = f", then waiting for {listed(self.expects, _REGIONS_NAMED_MAX)}" if self.expects else ""
        timeout = f", then with a timeout of {format_duration(self.timeout)}" if self.timeout else ""
        down = format_duration(self.down_for)
        return f"{self.victim} restarts at {clock(self.at)}, down for {down}{regions}{timeout}"

    def check(self, checks: FaultChecks) -> None:
        checks.replica(self.replica, "replica")
        checks.regions(self.expects, "expects")

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        drawn = cls(at=draws.instant(), down_for=draws.down_for())
        if not draws.reconfigures:
            return drawn
        if expected := draws.expected():
            return structs.replace(drawn, expects=expected)
        if not draws.chance(cls._RECONFIGURED_CHANCE):
            return drawn
        return structs.replace(drawn, timeout=draws.timeout())


class Pause(SteppedFault, frozen=True, tag_field="fault", tag="pause", kw_only=True):
    """The process is stopped, as by SIGSTOP, and continued later. Its clock runs on meanwhile.

    Attributes:
        step: The step right after which it stops; either this or ``at``.
        lasts: How long it is stopped.
        replica: Which of several replicas, from 1; when left out the one that answered, otherwise all.
    """

    step: PauseStep | None = None
    lasts: Some
    replica: ReplicaRef = 0

    scaling: ClassVar[Mapping[str, Scaling]] = {**SteppedFault.scaling, "lasts": Scaling.OUTAGE}
    effect = "pause"
    requires = ("pause",)
    draw_weight = 2

    @property
    def away_ms(self) -> int:
        return self.lasts

    @property
    def replica_number(self) -> int:
        return self.replica

    def describe(self) -> str:
        lasts = format_duration(self.lasts)
        return f"{self._narrowed_to()}{self.victim} stands still {self._when()}, for {lasts}"

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        trigger = draws.trigger(get_args(PauseStep)) if draws.chance(cls._STEP_CHANCE) else None
        lasts = max(1, draws.down_for())
        if trigger is None:
            return cls(at=draws.instant(), lasts=lasts)
        at_step = cls(region=trigger.region, operation=trigger.operation, nth=trigger.nth, lasts=lasts)
        return structs.replace(at_step, step=trigger.step)


class ClockJump(AggregatorFault, frozen=True, tag_field="fault", tag="clock-jump", kw_only=True):
    """The aggregator's wall clock is set, and no other clock. Time itself goes on evenly.

    Attributes:
        at: When that happens.
        forward: By how much it is put forward; either this or ``back``.
        back: By how much it is put back; either this or ``forward``.
    """

    at: Millis
    forward: Some | None = None
    back: Some | None = None

    effect = "clock"
    requires = ("stepping-clock",)
    one_of = ("forward", "back")
    draw_weight = 10  # where the target's clock may be set, that is what matters

    @property
    def at_ms(self) -> int:
        return self.at

    @property
    def clock_step_ms(self) -> int:
        return (self.forward or 0) - (self.back or 0)

    def describe(self) -> str:
        way = "forward" if self.forward is not None else "back"
        by = format_duration(abs(self.clock_step_ms))
        return f"the aggregator's clock is put {way} by {by} at {clock(self.at)}"

    def check(self, checks: FaultChecks) -> None:
        self.has_one_of(checks)

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        drawn = cls(at=draws.instant())
        if draws.chance(1 / 2):
            return structs.replace(drawn, forward=draws.clock_step())
        return structs.replace(drawn, back=draws.clock_step())


def kill(at: int | StepTrigger, *, down_for: int) -> AggregatorFault:
    """A crash at an instant or at a step, for what places crashes itself."""
    if isinstance(at, int):
        return Crash(at=at, down_for=down_for)
    return Crash(None, *at, down_for=down_for)


def reconfigure(at: int, expects: Sequence[str]) -> AggregatorFault:
    """A restart with other regions, for what places restarts itself."""
    return Restart(at=at, expects=tuple(expects))
