"""Faults of the aggregator itself. `fanin.harness.world.nemesis` does to targets what they say.

A step is seen from outside, so that it works on any aggregator: what it answers, and what it sends.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol, Self, get_args

from msgspec import Meta, structs

from fanin.simulator.durations import Millis, format_duration
from fanin.simulator.faults.fault import Fault, FaultChecks, Need, Scaling
from fanin.simulator.instants import clock
from fanin.simulator.shapes import OperationRef, RegionRef, Some
from fanin.simulator.text import listed

ReplicaRef = Annotated[int, Meta(ge=1, le=5)]  # 0, which cannot be written: left out
Nth = Annotated[int, Meta(ge=1, le=1_000_000)]
Step = Literal["before-response", "after-response", "before-notify", "after-notify"]
PauseStep = Literal["after-response", "after-notify"]
# What is done to a target: it is killed, stopped in order, made to stand still, or its clock is set.
Effect = Literal["crash", "stop", "pause", "clock"]

_ANSWER_STEPS: tuple[Step, ...] = ("before-response", "after-response")
_STEP_TEXT: Mapping[Step, str] = {
    "before-response": "after its commit, before its answer leaves",
    "after-response": "when its answer has reached the sender",
    "before-notify": "when it has decided, before the notification arrives",
    "after-notify": "when the sink has the notification, before it can know",
}
_REGIONS_NAMED_MAX = 6


class StepTrigger(NamedTuple):
    """The step at which a fault happens, and what narrows it; an empty name narrows nothing."""

    step: Step
    region: str = ""
    operation: str = ""
    nth: int = 1  # the fault happens when the step is reached for the nth time

    def matches(self, step: Step, op: str | None, region: str) -> bool:
        """Whether this is the step. An operation's name stands for all its repeats, ``name/n``."""
        operation = (op or "").partition("/")[0]
        return step == self.step and self.region in ("", region) and self.operation in ("", operation)


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


class AggregatorFault(Fault, frozen=True):
    """Base of what may happen to the aggregator itself."""

    effect: ClassVar[Effect]
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

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        """A random fault of this kind."""
        raise NotImplementedError


class Crash(AggregatorFault, frozen=True, tag_field="fault", tag="crash"):
    """``kill -9``, at an instant or at a step, and a new start on the same data.

    A step is seen from outside, so that it works on any aggregator:
    ``before-response``: it has committed and answered, and dies before the answer leaves;
    ``after-response``: its 2xx has just reached the sender;
    ``before-notify``: it has decided and connects to the sink, and dies before the notification arrives;
    ``after-notify``: the sink has the notification, and it dies before the sink's 200 reaches it.

    Attributes:
        at: The instant; either this or ``step``.
        step: The step at which it dies; either this or ``at``.
        region: Narrows the steps of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
        down_for: How long it stays down.
        replica: Which of several replicas, from 1; when left out the one that answered, otherwise all.
    """

    at: Millis | None = None
    step: Step | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Nth = 1
    down_for: Millis = 5_000
    replica: ReplicaRef = 0

    effect = "crash"
    requires = ("process",)
    one_of = ("at", "step")
    draw_weight = 3
    _STEP_CHANCE: ClassVar[float] = 1 / 3  # of what is drawn

    @property
    def at_ms(self) -> int:
        return self.at or 0

    @property
    def trigger(self) -> StepTrigger | None:
        return _trigger(self)

    @property
    def away_ms(self) -> int:
        return self.down_for

    @property
    def replica_number(self) -> int:
        return self.replica

    @property
    def named_regions(self) -> tuple[str, ...]:
        return (self.region,) if self.region else ()

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        return structs.replace(self, region=rename(self.region)) if self.region else self

    def describe(self) -> str:
        down = format_duration(self.down_for)
        return f"{_narrowed_to(self)}{_victim(self)} is killed {_when(self)}, down for {down}"

    def check(self, checks: FaultChecks) -> None:
        _check_step(self, checks)

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

    effect = "stop"
    requires = ("process",)
    draw_weight = 1

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
        return f"{_victim(self)} restarts at {clock(self.at)}, down for {down}{regions}{timeout}"

    def check(self, checks: FaultChecks) -> None:
        checks.replica(self.replica, "replica")
        checks.regions(self.expects, "expects")

    @classmethod
    def draw(cls, draws: OutageDraws) -> Self:
        return cls(at=draws.instant(), down_for=draws.down_for())


class Pause(AggregatorFault, frozen=True, tag_field="fault", tag="pause", kw_only=True):
    """The process is stopped, as by SIGSTOP, and continued later. Its clock runs on meanwhile.

    Attributes:
        at: The instant; either this or ``step``.
        step: The step right after which it stops; either this or ``at``.
        region: Narrows the step of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
        lasts: How long it is stopped.
        replica: Which of several replicas, from 1; when left out the one that answered, otherwise all.
    """

    at: Millis | None = None
    step: PauseStep | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Nth = 1
    lasts: Some
    replica: ReplicaRef = 0

    effect = "pause"
    requires = ("pause",)
    one_of = ("at", "step")

    @property
    def at_ms(self) -> int:
        return self.at or 0

    @property
    def trigger(self) -> StepTrigger | None:
        return _trigger(self)

    @property
    def away_ms(self) -> int:
        return self.lasts

    @property
    def replica_number(self) -> int:
        return self.replica

    @property
    def named_regions(self) -> tuple[str, ...]:
        return (self.region,) if self.region else ()

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        return structs.replace(self, region=rename(self.region)) if self.region else self

    def describe(self) -> str:
        lasts = format_duration(self.lasts)
        return f"{_narrowed_to(self)}{_victim(self)} stands still {_when(self)}, for {lasts}"

    def check(self, checks: FaultChecks) -> None:
        _check_step(self, checks)


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


# --- what faults with a step have in common ---


def _trigger(fault: Crash | Pause) -> StepTrigger | None:
    return None if fault.step is None else StepTrigger(fault.step, fault.region, fault.operation, fault.nth)


def _victim(fault: AggregatorFault) -> str:
    return f"replica {fault.replica_number}" if fault.replica_number else "the aggregator"


def _narrowed_to(fault: Crash | Pause) -> str:
    names = ", ".join(filter(None, (fault.region, fault.operation)))
    return f"{names}: " if names else ""


def _when(fault: Crash | Pause) -> str:
    if fault.step is None:
        return f"at {clock(fault.at_ms)}"
    nth = "" if fault.nth == 1 else f", the {_ordinal(fault.nth)} time"
    return f"{_STEP_TEXT[fault.step]}{nth}"


def _ordinal(number: int) -> str:
    """``2nd``, ``11th``, ``23rd``."""
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _check_step(fault: Crash | Pause, checks: FaultChecks) -> None:
    checks.replica(fault.replica, "replica")
    if not fault.has_one_of(checks):
        return
    known = checks.selects(fault.region, fault.operation)
    if fault.step is None:
        for field in ("region", "operation", "nth"):
            if checks.gives(field):
                checks.unfit(f"{field}: it narrows a step; this {fault.tag} has an instant", field)
    elif fault.step in _ANSWER_STEPS:
        if known:
            checks.sends(fault.region, fault.operation)
    elif fault.region:
        message = f"region: it narrows an answer; at {fault.step} there is a notification, of no region"
        checks.unfit(message, "region")
    elif known:
        checks.notifies(fault.operation)
