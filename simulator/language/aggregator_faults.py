"""What may befall the aggregator itself. These shapes belong to `language.scenario`; import them from there.

`fanin.harness.world.nemesis` carries them out. The docstrings are what an editor shows.
"""

from typing import Annotated, Literal

from msgspec import Meta

from fanin.simulator.durations import Millis
from fanin.simulator.shapes import OperationRef, RegionRef, Some, Strict

ReplicaRef = Annotated[int, Meta(ge=1, le=5)]  # 0, which cannot be written: not said
Step = Literal["before-answer", "after-answer", "before-notify", "after-notify"]


class Crash(Strict, frozen=True, tag_field="fault", tag="crash"):
    """``kill -9``, at an instant or at a step, and a new start on the same data.

    A step is seen from outside, so that it works on any aggregator:
    ``before-answer``: it has committed and answered, and dies before the answer leaves;
    ``after-answer``: its 2xx has just reached the sender;
    ``before-notify``: it has decided and connects to the sink, and dies before the notification arrives;
    ``after-notify``: the sink has the notification, and it dies before the sink's 200 reaches it.

    Attributes:
        at: The instant; either this or ``step``.
        step: What it dies in the middle of; either this or ``at``.
        region: Narrows the steps of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
        down_for: How long it stays dead.
        replica: Which of several it befalls, from 1; when left out the one that answered, otherwise all.
    """

    at: Millis | None = None
    step: Step | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    down_for: Millis = 5_000
    replica: ReplicaRef = 0


class Restart(Strict, frozen=True, tag_field="fault", tag="restart", kw_only=True):
    """An orderly stop (as SIGTERM) and a new start on the same data.

    Attributes:
        at: The instant of the stop.
        down_for: How long it stays down.
        expects: Which regions it is told to wait for when it starts again; the same when left out.
        timeout: The timeout that it is told when it starts again; the same when left out.
        replica: Which of several it befalls, from 1; all when left out.
    """

    at: Millis
    down_for: Millis = 1_000
    expects: Annotated[tuple[RegionRef, ...], Meta(max_length=100)] = ()
    timeout: Some | None = None
    replica: ReplicaRef = 0


PauseStep = Literal["after-answer", "after-notify"]


class Pause(Strict, frozen=True, tag_field="fault", tag="pause", kw_only=True):
    """The process stands still, as on SIGSTOP, and then goes on as if nothing had been. Its clock went on.

    Attributes:
        at: The instant; either this or ``step``.
        step: What it stops right after; either this or ``at``.
        region: Narrows the step of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
        lasts: How long it stands still.
        replica: Which of several it befalls, from 1; when left out the one that answered, otherwise all.
    """

    at: Millis | None = None
    step: PauseStep | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    lasts: Some
    replica: ReplicaRef = 0


class ClockJump(Strict, frozen=True, tag_field="fault", tag="clock-jump", kw_only=True):
    """The aggregator's wall clock is set, and nobody else's. Time itself goes on evenly.

    Attributes:
        at: When that happens.
        forward: By how much it is put forward; either this or ``back``.
        back: By how much it is put back; either this or ``forward``.
    """

    at: Millis
    forward: Some | None = None
    back: Some | None = None
