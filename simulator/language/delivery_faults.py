"""What may go wrong with a delivery. These shapes belong to `language.scenario`; import them from there.

`fanin.simulator.faults` says what each of them does. The docstrings are what an editor shows.
"""

from typing import Annotated, Literal

from msgspec import Meta

from fanin.simulator.durations import Millis
from fanin.simulator.shapes import Count, Delay, OperationRef, RegionRef, ShortText, Some, Strict


class OnDelivery(Strict, frozen=True):
    """Which deliveries a fault bites; what is left out matches all.

    Attributes:
        region: Bites the deliveries of this region's webhook only.
        operation: Bites this operation's deliveries only; ``name/3`` is its third repetition.
        chance: How likely it bites; drawn from the seed for each delivery.
    """

    region: RegionRef = ""
    operation: OperationRef = ""
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Drop(OnDelivery, frozen=True, tag_field="fault", tag="drop"):
    """The registry never sends it."""


class DelayBy(OnDelivery, frozen=True, tag_field="fault", tag="delay", kw_only=True):
    """The registry sends it later.

    Attributes:
        by: So much later.
    """

    by: Delay


class Duplicate(OnDelivery, frozen=True, tag_field="fault", tag="duplicate"):
    """The registry sends it again.

    Attributes:
        after: One duration for each copy, counted from the delivery itself.
    """

    after: Annotated[tuple[Millis, ...], Meta(min_length=1, max_length=10_000)] = (1_000,)


class Reorder(OnDelivery, frozen=True, tag_field="fault", tag="reorder", kw_only=True):
    """Deliveries change places.

    Attributes:
        within: Each one is held back by up to so much, as the seed draws.
    """

    within: Some


class LoseRequest(OnDelivery, frozen=True, tag_field="fault", tag="lose-request"):
    """Requests vanish on the way; the sender waits in vain.

    Attributes:
        attempts: The delivery's first requests that vanish.
    """

    attempts: Count = 1


class LoseAnswer(OnDelivery, frozen=True, tag_field="fault", tag="lose-answer"):
    """The aggregator processes requests and the connection breaks before its answers arrive.

    Attributes:
        attempts: The delivery's first requests that stay without an answer.
    """

    attempts: Count = 1


Malformation = Literal[
    "not-json", "truncated", "empty", "not-an-object", "no-id", "empty-id",
    "wrong-types", "no-action", "not-utf8", "huge", "deep", "no-target",
]  # fmt: skip


class Malform(OnDelivery, frozen=True, tag_field="fault", tag="malform"):
    """The body is broken. It must be refused with a 4xx and must not count.

    Attributes:
        how: In which way it is broken.
    """

    how: Malformation = "not-json"


class UnknownRegion(
    OnDelivery, frozen=True, tag_field="fault", tag="unknown-region", rename={"claims": "as"}
):
    """The URL names a region that nobody expects, or none at all.

    Attributes:
        as: What the URL names instead of the region; empty for no region at all.
    """

    claims: ShortText = "mars"


class WrongKey(OnDelivery, frozen=True, tag_field="fault", tag="wrong-key"):
    """The request carries a wrong function key. Needs a scenario with a ``key``."""


class SlowClient(OnDelivery, frozen=True, tag_field="fault", tag="slow-client", kw_only=True):
    """The body trickles in.

    Attributes:
        over: From its first byte to its last.
    """

    over: Some


class Forge(OnDelivery, frozen=True, tag_field="fault", tag="forge"):
    """The request's signature is wrong. Needs a scenario with ``signing``.

    Attributes:
        how: Signed with another secret, not signed at all, or signed before the body was altered.
    """

    how: Literal["wrong-secret", "unsigned", "altered"] = "wrong-secret"


class SignEarlier(OnDelivery, frozen=True, tag_field="fault", tag="sign-earlier", kw_only=True):
    """The signature is older than the request. Needs a scenario with ``signing``.

    Up to five minutes are tolerated; what is older may be a replay and must be refused.

    Attributes:
        by: So much older.
    """

    by: Some
