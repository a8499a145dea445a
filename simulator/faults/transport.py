"""Faults on the way: whether, when and how often a webhook is sent, and what the network loses."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from msgspec import Meta, structs

from fanin.simulator.durations import Millis, format_duration
from fanin.simulator.faults.delivery import (
    SECOND_MS,
    DeliveryContext,
    DeliveryFault,
    Selection,
    ordinal_attempts,
)
from fanin.simulator.faults.fault import FaultChecks, RandomValues, Scaling
from fanin.simulator.plan import Delivery
from fanin.simulator.rng import sample_ms
from fanin.simulator.shapes import Count, Delay, Some
from fanin.simulator.text import listed

_COPIES_NAMED_MAX = 6
_DAY_MS = 86_400_000
_ATTEMPTS_LOST = (1, 1, 2, 3)


class Drop(DeliveryFault, frozen=True, tag_field="fault", tag="drop"):
    """The registry never sends it."""

    draw_weight = 2
    changes_one_event = True

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        del delivery, context
        return ()

    def effect_text(self) -> str:
        return "the registry never sends the webhook"


class DelayBy(DeliveryFault, frozen=True, tag_field="fault", tag="delay", kw_only=True):
    """The registry sends it later.

    Attributes:
        by: How much later.
    """

    by: Delay

    draw_weight = 2
    changes_one_event = True
    scaling: ClassVar[Mapping[str, Scaling]] = {
        "by": Scaling.INSTANT
    }  # a fixed delay; what is drawn from a spread is in proportion
    request_note = ("held back", "held")

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        return (_held_back(delivery, context, sample_ms(self.by, context.random)),)

    def effect_text(self) -> str:
        return f"the registry holds the webhook back by {self.by.describe()}"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        checks.delay(self.by, "by")
        if self.by.fixed == 0 or self.by.max == 0:
            checks.problem("by: a delay of nothing; write a longer one", "by")

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        return cls(*selection, by=values.delay(timeout_ms))


class Duplicate(DeliveryFault, frozen=True, tag_field="fault", tag="duplicate"):
    """The registry sends it again.

    Attributes:
        after: One duration for each copy, counted from the delivery itself.
    """

    after: Annotated[tuple[Millis, ...], Meta(min_length=1, max_length=10_000)] = (1_000,)

    draw_weight = 2
    changes_one_event = True
    scaling: ClassVar[Mapping[str, Scaling]] = {"after": Scaling.INSTANT}

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """The same request again. What the network loses of it (``lose_…``) is each copy's own."""
        copies = (
            delivery.changed_by(
                context.index,
                copy=next(context.copies),
                due_ms=delivery.due_ms + after,
                lose_requests=0,
                lose_requests_fault=None,
                lose_responses=0,
                lose_responses_fault=None,
            )
            for after in self.after
        )
        return (delivery, *copies)

    def effect_text(self) -> str:
        copies = listed([format_duration(after) for after in self.after], _COPIES_NAMED_MAX)
        return f"the registry repeats the webhook {copies} later"

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        ends = (5, SECOND_MS, timeout_ms, 3 * timeout_ms, 8 * _DAY_MS)
        count = values.choice((1, 1, 1, 2, 3, 5))
        after = sorted(values.duration(0, values.choice(ends)) for _ in range(count))
        return cls(*selection, after=tuple(after))


def copies(region: str, operation: str, after: Sequence[int]) -> DeliveryFault:
    """Copies of one webhook so many ms after it, for what places copies itself."""
    return Duplicate(region, operation, after=tuple(after))


class Reorder(DeliveryFault, frozen=True, tag_field="fault", tag="reorder", kw_only=True):
    """Deliveries overtake each other.

    Attributes:
        within: The longest time that one is held back; the seed draws how long.
    """

    within: Some

    draw_weight = 2
    changes_one_event = True

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        return (_held_back(delivery, context, int(context.random.random() * (self.within + 1))),)

    def effect_text(self) -> str:
        return f"webhooks change places within {format_duration(self.within)}"

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        return cls(*selection, within=values.duration(1, timeout_ms))


class LoseRequest(DeliveryFault, frozen=True, tag_field="fault", tag="lose-request"):
    """Requests are lost on the way; the sender waits until it gives up.

    Attributes:
        attempts: How many of the delivery's first requests are lost.
    """

    attempts: Count = 1

    draw_weight = 2
    silences = True

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Of two such faults the longer one holds. Each loss is recorded when it happens."""
        if self.attempts <= delivery.lose_requests:
            return (delivery,)
        return (structs.replace(delivery, lose_requests=self.attempts, lose_requests_fault=context.index),)

    def effect_text(self) -> str:
        return f"{ordinal_attempts(self.attempts, 'request')} lost on the way"

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, attempts=values.choice(_ATTEMPTS_LOST))


class LoseResponse(DeliveryFault, frozen=True, tag_field="fault", tag="lose-response"):
    """The aggregator processes requests, and the connection breaks before its answers arrive.

    Attributes:
        attempts: How many of the delivery's first requests get no answer.
    """

    attempts: Count = 1

    draw_weight = 2
    silences = True
    silence_note = ("answer lost", "cut")

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Of two such faults the longer one holds. Each loss is recorded when it happens."""
        if self.attempts <= delivery.lose_responses:
            return (delivery,)
        return (structs.replace(delivery, lose_responses=self.attempts, lose_responses_fault=context.index),)

    def effect_text(self) -> str:
        return f"{ordinal_attempts(self.attempts, 'answer')} lost on the way back"

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, attempts=values.choice(_ATTEMPTS_LOST))


class SlowClient(DeliveryFault, frozen=True, tag_field="fault", tag="slow-client", kw_only=True):
    """The body arrives slowly.

    Attributes:
        over: From its first byte to its last.
    """

    over: Some

    draw_weight = 2
    silences = True
    scaling: ClassVar[Mapping[str, Scaling]] = {"over": Scaling.MACHINE_TIME}
    request_note = ("slowly", "")
    _OVER_MS_MAX: ClassVar[int] = 12 * SECOND_MS  # of what is drawn

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Of two such faults the slower one holds."""
        if self.over <= delivery.body_over_ms:
            return (delivery,)
        return (delivery.changed_by(context.index, body_over_ms=self.over),)

    @property
    def slow_for_ms(self) -> int:
        return self.over

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        return self.over >= attempt_timeout_ms

    def effect_text(self) -> str:
        return f"the body takes {format_duration(self.over)}"

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, over=values.duration(1, cls._OVER_MS_MAX))


def _held_back(delivery: Delivery, context: DeliveryContext, by_ms: int) -> Delivery:
    if by_ms == 0:
        return delivery
    return delivery.changed_by(context.index, due_ms=delivery.due_ms + by_ms)
