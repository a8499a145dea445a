"""What faults of deliveries have in common: which deliveries they select, and how they change one.

Rule 1: a fault takes one delivery and returns what becomes of it: itself, another one, several, or none.
Rule 2: a fault that changes nothing leaves no trace on a delivery; a run that proves nothing must be able to
say so. What happens to a request on its way is recorded when it happens, by who carries it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Self

from msgspec import Meta, structs

from fanin.simulator.faults.fault import Fault, FaultChecks, RandomValues
from fanin.simulator.plan import Delivery
from fanin.simulator.rng import RandomSource
from fanin.simulator.shapes import OperationRef, RegionRef

SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What a fault may use when it changes a delivery."""

    index: int  # its place in the scenario's faults
    random: RandomSource  # its own draws for this delivery
    copies: Iterator[int]  # numbers for copies, unique in the delivery
    expected: frozenset[str]  # the regions that aggregators wait for, normalised


class Selection(NamedTuple):
    """Which deliveries a fault that is drawn selects: its first three fields."""

    region: str
    operation: str
    chance: float


class DeliveryFault(Fault, frozen=True):
    """Which deliveries a fault applies to; what is left out matches all.

    Attributes:
        region: Only the deliveries of this region's webhook.
        operation: Only this operation's deliveries; ``name/3`` is its third repetition.
        chance: How likely it takes effect; drawn from the seed for each delivery.
    """

    region: RegionRef = ""
    operation: OperationRef = ""
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0

    # Whether it explains that an attempt got no answer.
    silences: ClassVar[bool] = False
    # What a timeline says of a request that it changed: in words, and in at most about five characters.
    request_note: ClassVar[tuple[str, str] | None] = None
    # The same for a request without an answer.
    silence_note: ClassVar[tuple[str, str] | None] = None
    # Whether it changes one event of several in a request. What changes the request would change them all.
    changes_one_event: ClassVar[bool] = False
    # Whether a server may lose the body over it, so that a refusal says nothing about the application.
    offers_upgrade: ClassVar[bool] = False

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """What becomes of a delivery."""
        raise NotImplementedError

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        """Whether no attempt of a delivery that it changed can succeed, however often its sender tries."""
        del attempt_timeout_ms
        return False

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        """A random fault of this kind, for a scenario with this timeout."""
        del values, timeout_ms
        return cls(*selection)

    @property
    def slow_for_ms(self) -> int:
        """For how long it keeps a request from being read to its end."""
        return 0

    @property
    def named_regions(self) -> tuple[str, ...]:
        return (self.region,) if self.region else ()

    def with_regions(self, rename: Callable[[str], str]) -> Self:
        return structs.replace(self, region=rename(self.region)) if self.region else self

    def describe(self) -> str:
        chance = f"{self.chance:.0%} of webhooks" if self.chance < 1 else ""
        selected = ", ".join(filter(None, (self.region, self.operation, chance)))
        return f"{selected}: {self.effect_text()}" if selected else self.effect_text()

    def effect_text(self) -> str:
        """What it does to a delivery that it selects, as a clause."""
        raise NotImplementedError

    def check(self, checks: FaultChecks) -> None:
        operation = checks.operation_of(self.operation)
        if checks.selects(self.region, operation):
            checks.sends(self.region, operation)
        if self.chance == 0:
            checks.problem("chance: 0 never takes effect; leave the fault out", "chance")
        if checks.in_envelopes and not self.changes_one_event:
            message = "it changes a request, which is shared; drop, delay, duplicate, reorder, malform do not"
            checks.problem(f"{self.tag}: {message}")


def ordinal_attempts(count: int, what: str) -> str:
    """``the first request is``, ``the first 3 requests are``."""
    return f"the first {what} is" if count == 1 else f"the first {count} {what}s are"
