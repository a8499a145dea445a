"""What every fault is: a shape of the scenario language that knows everything about itself.

A fault's class holds its fields (YAML is read into them, and the docstring is what an editor shows), what it
does, when it could never take effect, what a report calls it, which silence it explains, what it needs of a
target, how its durations follow another timeout, and how the explorer draws it. The loader, the judge, the
reports and the explorer ask the class; none of them knows a fault by its name.

A new fault is a class in one of this package's modules, a test, and its line in ``docs/scenarios.md``.
`simulator.faults.registry` finds it by its tag.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum, auto
from typing import ClassVar, Literal, Protocol, Self

from fanin.simulator.shapes import Delay, Strict

# What a fault may need of a target; `fanin.harness.capabilities` says what each of them means.
Need = Literal[
    "process", "pause", "reconfiguration", "own-sink", "stepping-clock", "function-keys", "signatures"
]


class Scaling(Enum):
    """How a duration or an instant follows when a scenario's timeout becomes another one."""

    PROPORTIONAL = auto()
    INSTANT = auto()  # in proportion, and closer where it lies many timeouts ahead
    OUTAGE = auto()  # from the fault's instant on: it ends at an instant, and is as much closer as that
    MACHINE_TIME = auto()  # in proportion, but never longer than it was: machines do not slow down
    FIXED = auto()  # not at all


class FaultChecks(Protocol):
    """What a fault may ask about its scenario. Whatever is wrong is reported where it stands in the file."""

    @property
    def key(self) -> str:
        """The scenario's function key; empty where it has none."""

    @property
    def is_signed(self) -> bool:
        """Whether its deliveries are signed."""

    @property
    def in_envelopes(self) -> bool:
        """Whether its sender gathers several events in one request."""

    def problem(self, message: str, field: str = "") -> None:
        """Report a problem at a field's value, or at the fault as a whole."""

    def unfit(self, message: str, field: str) -> None:
        """Report that a field does not belong here, at the field's name."""

    def gives(self, field: str) -> bool:
        """Whether the file gives this field."""

    def selects(self, region: str, operation: str) -> bool:
        """Whether the region and the operation exist. An empty name stands for all of them."""

    def operation_of(self, name: str) -> str:
        """The operation that ``name`` or ``name/3`` means, its third repetition."""

    def sends(self, region: str, operation: str) -> None:
        """Check that some webhook of them is ever sent."""

    def notifies(self, operation: str) -> None:
        """Check that the sink is ever notified of it."""

    def is_region(self, name: str) -> bool:
        """Whether the scenario's registry has this region, in whatever spelling. Reports nothing."""

    def delay(self, delay: Delay, field: str) -> None:
        """Check a delay."""

    def regions(self, names: Collection[str], field: str) -> None:
        """Check that each of the names is a region, and none is there twice."""

    def replica(self, number: int, field: str) -> None:
        """Check that there are so many replicas."""


class RandomValues(Protocol):
    """Random choices and durations, from which faults are drawn."""

    def chance(self, probability: float) -> bool:
        """True with this probability."""

    def choice[T](self, choices: Sequence[T]) -> T:
        """One of the choices."""

    def duration(self, low: int, high: int) -> int:
        """A time in ms from ``low`` to ``high``, both included."""

    def delay(self, most: int) -> Delay:
        """A delay of any kind, most of them shorter than ``most`` ms."""


class Fault(Strict, frozen=True):
    """Base of all faults."""

    # What a target must offer for it. `needs` adds what depends on the fault's fields.
    requires: ClassVar[tuple[Need, ...]] = ()
    # By field; what is not listed is in proportion.
    scaling: ClassVar[Mapping[str, Scaling]] = {}
    # Two fields of which exactly one is given; the JSON Schema says so as well.
    one_of: ClassVar[tuple[str, ...]] = ()
    # How often the explorer draws it, compared with other faults of its family; 0: never.
    draw_weight: ClassVar[int] = 1

    @property
    def tag(self) -> str:
        """Its name in YAML."""
        return str(self.__struct_config__.tag)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What a target must offer for it to mean anything."""
        return self.requires

    @property
    def named_regions(self) -> tuple[str, ...]:
        """The regions that it names."""
        return ()

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        """The same fault with other names for the regions that it names."""
        del rename
        return self

    @property
    def ends_ms(self) -> int:
        """When it is over, as far as its own fields say; 0 where they do not."""
        return 0

    def describe(self) -> str:
        """The fault as a clause: ``the sink answers 503 until +5s``."""
        raise NotImplementedError

    def check(self, checks: FaultChecks) -> None:
        """Report what is wrong with it, above all that it could never take effect.

        A fault without effect makes a run prove nothing, so it is refused where that can be known without
        playing. Chances, scopes and instants cannot be known here; a run whose fault never took effect gets
        the verdict unknown.
        """

    def has_one_of(self, checks: FaultChecks) -> bool:
        """Whether exactly one of the two fields is given, as `one_of` demands; if not, that is reported."""
        given = [name for name in self.one_of if getattr(self, name) is not None]
        if len(given) == 1:
            return True
        found = f"both {' and '.join(given)}" if given else f"neither {' nor '.join(self.one_of)}"
        checks.problem(f"{self.tag}: {found}; write one of them")
        return False
