"""Faults of the sink, where notifications go. `fanin.harness.world.sink` does what they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Self

from msgspec import Meta

from fanin.simulator.durations import Millis, format_duration
from fanin.simulator.faults.fault import Fault, FaultChecks, RandomValues, Scaling
from fanin.simulator.instants import clock
from fanin.simulator.shapes import Count, OperationRef, Some

OK = 200


@dataclass(frozen=True, slots=True)
class SinkResponse:
    """What the sink does with a notification that it has read."""

    status: int = OK
    after_ms: int = 0
    lost: bool = False  # the connection breaks in place of the answer
    never: bool = False  # there is no answer, and the connection stays


class SinkWindow(NamedTuple):
    """When a fault that is drawn holds the sink, and for which operation."""

    since: int
    until: int
    operation: str  # empty for all
    until_of_first: int  # as long after the scenario's first outcome as ``until`` is after the one aimed at


class SinkFault(Fault, frozen=True):
    """When a fault holds the sink.

    Attributes:
        since: When it begins; from the scenario's start.
        until: When it ends; never, when left out.
    """

    since: Millis = 0
    until: Millis | None = None

    scaling: ClassVar[Mapping[str, Scaling]] = {"since": Scaling.INSTANT, "until": Scaling.INSTANT}
    # Whether it can keep a notification from being taken, and so explains that one is late.
    delays_notifications: ClassVar[bool] = True
    # Whether connections are refused, so that no notification is read at all.
    refuses_connections: ClassVar[bool] = False

    @property
    def about(self) -> str:
        """The operation whose notifications it holds; empty when all of them."""
        return ""

    @property
    def response(self) -> SinkResponse:
        """What the sink does with a notification while it lasts."""
        raise NotImplementedError

    @property
    def times_max(self) -> int | None:
        """How many notifications it affects at most; None: all while it lasts."""
        return None

    @property
    def symptom(self) -> str:
        """What it makes of the sink, in a word or two: ``refuses (503)``."""
        raise NotImplementedError

    def effect_text(self) -> str:
        """What it does, as a clause."""
        raise NotImplementedError

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        """A random fault of this kind."""
        del values
        return cls(window.since, window.until)

    @property
    def ends_ms(self) -> int:
        return self.until or 0

    def describe(self) -> str:
        about = f" for {self.about}" if self.about else ""
        since = f" from {clock(self.since)}" if self.since else ""
        until = f" until {clock(self.until)}" if self.until is not None else ""
        return f"{self.effect_text()}{about}{since}{until}"

    def check(self, checks: FaultChecks) -> None:
        if checks.selects("", self.about):
            checks.notifies(self.about)
        if self.until is not None and self.until <= self.since:
            until, since = format_duration(self.until), format_duration(self.since)
            checks.problem(f"until: {until} is not after since, {since}", "until")


class NotificationFault(SinkFault, frozen=True):
    """When a fault holds the sink, and for whose notifications.

    Attributes:
        operation: Holds this operation's notifications only.
    """

    operation: OperationRef = ""

    @property
    def about(self) -> str:
        return self.operation

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        del values
        return cls(window.since, window.until, window.operation)


class SinkRefuses(NotificationFault, frozen=True, tag_field="fault", tag="sink-refuses"):
    """The sink refuses the notification.

    Attributes:
        status: The HTTP status of that answer.
    """

    status: Annotated[int, Meta(ge=300, le=599)] = 503

    _DRAWN: ClassVar[tuple[int, ...]] = (301, 400, 404, 409, 410, 429, 500, 503)

    @property
    def response(self) -> SinkResponse:
        return SinkResponse(self.status)

    @property
    def symptom(self) -> str:
        return f"refuses ({self.status})"

    def effect_text(self) -> str:
        return f"the sink answers {self.status}"

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        return cls(window.since, window.until, window.operation, status=values.choice(cls._DRAWN))


class SinkStalls(NotificationFault, frozen=True, tag_field="fault", tag="sink-stalls", kw_only=True):
    """The sink takes its time before it accepts.

    Attributes:
        by: How long it takes.
        status: The HTTP status of that answer; any 2xx accepts.
    """

    by: Some
    status: Annotated[int, Meta(ge=200, le=299)] = OK

    scaling: ClassVar[Mapping[str, Scaling]] = {**SinkFault.scaling, "by": Scaling.MACHINE_TIME}
    _LONGEST_MS_DRAWN: ClassVar[tuple[int, ...]] = (900, 9_000, 40_000)
    _STATUSES_DRAWN: ClassVar[tuple[int, ...]] = (200, 200, 202, 204, 207)

    @property
    def response(self) -> SinkResponse:
        return SinkResponse(self.status, after_ms=self.by)

    @property
    def symptom(self) -> str:
        return f"stalls ({format_duration(self.by)})"

    def effect_text(self) -> str:
        status = "" if self.status == OK else f" {self.status}"
        return f"the sink takes {format_duration(self.by)} to answer{status}"

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        by = values.duration(1, values.choice(cls._LONGEST_MS_DRAWN))
        status = values.choice(cls._STATUSES_DRAWN)
        return cls(window.since, window.until, window.operation, by=by, status=status)


class SinkHangs(NotificationFault, frozen=True, tag_field="fault", tag="sink-hangs"):
    """The sink reads the notification and never answers."""

    @property
    def response(self) -> SinkResponse:
        return SinkResponse(never=True)

    @property
    def symptom(self) -> str:
        return "hangs"

    def effect_text(self) -> str:
        return "the sink never answers"


class SinkLosesResponse(NotificationFault, frozen=True, tag_field="fault", tag="sink-loses-response"):
    """The sink accepts notifications and the connection breaks before its 200 gets back.

    Attributes:
        times: The first notifications that this happens to.
    """

    times: Count = 1

    delays_notifications = False  # the sink has read them
    _DRAWN: ClassVar[tuple[int, ...]] = (1, 1, 2, 3, 5)

    @property
    def response(self) -> SinkResponse:
        return SinkResponse(lost=True)

    @property
    def times_max(self) -> int | None:
        return self.times

    @property
    def symptom(self) -> str:
        return "loses answers"

    def effect_text(self) -> str:
        times = "answer is" if self.times == 1 else f"{self.times} answers are"
        return f"the sink's first {times} lost"

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        return cls(window.since, window.until, window.operation, times=values.choice(cls._DRAWN))


class SinkDown(SinkFault, frozen=True, tag_field="fault", tag="sink-down"):
    """The sink's address refuses connections."""

    requires = ("own-sink",)
    refuses_connections = True

    @property
    def symptom(self) -> str:
        return "down"

    def effect_text(self) -> str:
        return "the sink refuses connections"

    @classmethod
    def draw(cls, values: RandomValues, window: SinkWindow) -> Self:
        """From the start: a connection that is open already would not notice."""
        del values
        return cls(0, window.until_of_first)


def refuse(*, until: int) -> SinkFault:
    """A sink that refuses everything from the start on, for what measures how an application bears it."""
    return SinkRefuses(0, until)
