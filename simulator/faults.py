"""What goes wrong with webhooks between the registry and the aggregator: one function per fault.

Rule 1: a fault takes one delivery and returns what becomes of it: itself, another one, several, or none.
Rule 2: faults apply in the scenario's order, and what an earlier one made passes through all later ones.
Rule 3: a fault that changes nothing is not recorded; a run that proves nothing must be able to say so.

A new fault is its shape in `language.scenario`, a function here with its line in `BEHAVIOURS`, a test, and a
line in ``docs/fake-registry.md``. Faults of the sink and of the aggregator itself are the player's.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fanin.simulator.language.scenario import (
    DelayBy,
    Drop,
    Duplicate,
    Forge,
    LoseAnswer,
    LoseRequest,
    Malform,
    Malformation,
    OnDelivery,
    Reorder,
    Scenario,
    SignEarlier,
    SlowClient,
    UnknownRegion,
    WrongKey,
)
from fanin.simulator.plan import Delivery
from fanin.simulator.rng import LazyRandom, RandomSource, sample_ms
from fanin.simulator.signing import TOLERANCE_MS
from fanin.simulator.wire import PLACE, encode, normalise_region, with_address, with_body

MIB = 1_048_576
DEPTH = 20_000  # far beyond any parser's recursion limit (Python's is 1,000), and still a small body


@dataclass(frozen=True, slots=True)
class Bite:
    """What a fault may use while it bites."""

    fault: int  # its index in the scenario
    numbers: RandomSource  # its own draws for this delivery
    copies: Iterator[int]  # numbers for copies, unique in the delivery
    expected: frozenset[str]  # the regions that an aggregator waits for, as `normalise_region` writes them


Outcome = Sequence[Delivery]


# --- when it is sent, and how often ---


def drop(_fault: Drop, _delivery: Delivery, _bite: Bite) -> Outcome:
    """The registry never sends it."""
    return ()


def delay(fault: DelayBy, delivery: Delivery, bite: Bite) -> Outcome:
    """The registry sends it later."""
    return (_held(delivery, bite, sample_ms(fault.by, bite.numbers)),)


def reorder(fault: Reorder, delivery: Delivery, bite: Bite) -> Outcome:
    """Held back by anything from 0 to ``within``, so that deliveries overtake each other."""
    return (_held(delivery, bite, int(bite.numbers.random() * (fault.within + 1))),)


def duplicate(fault: Duplicate, delivery: Delivery, bite: Bite) -> Outcome:
    """The same request again. What happens on the way (`lose_request`, `lose_answer`) is each copy's own."""
    copies = (
        replace(
            delivery,
            copy=next(bite.copies),
            due_ms=delivery.due_ms + after,
            faults=(*delivery.faults, bite.fault),
            lose_requests=0,
            lose_requests_fault=None,
            lose_answers=0,
            lose_answers_fault=None,
        )
        for after in fault.after
    )
    return (delivery, *copies)


def _held(delivery: Delivery, bite: Bite, by_ms: int) -> Delivery:
    if by_ms == 0:
        return delivery
    return replace(delivery, due_ms=delivery.due_ms + by_ms, faults=(*delivery.faults, bite.fault))


# --- what happens on the way ---


def lose_request(fault: LoseRequest, delivery: Delivery, bite: Bite) -> Outcome:
    """The player records the bite when a request really vanishes. Of two such faults the longer one holds."""
    if fault.attempts <= delivery.lose_requests:
        return (delivery,)
    return (replace(delivery, lose_requests=fault.attempts, lose_requests_fault=bite.fault),)


def lose_answer(fault: LoseAnswer, delivery: Delivery, bite: Bite) -> Outcome:
    """The player records the bite when an answer is really lost. Of two such faults the longer one holds."""
    if fault.attempts <= delivery.lose_answers:
        return (delivery,)
    return (replace(delivery, lose_answers=fault.attempts, lose_answers_fault=bite.fault),)


def slow_client(fault: SlowClient, delivery: Delivery, bite: Bite) -> Outcome:
    """The body trickles in. Of two such faults the slower one holds."""
    if fault.over <= delivery.body_over_ms:
        return (delivery,)
    return (replace(delivery, body_over_ms=fault.over, faults=(*delivery.faults, bite.fault)),)


# --- what is sent ---


def malform(fault: Malform, delivery: Delivery, bite: Bite) -> Outcome:
    """The body is broken, once. A ping stays sound where only an event would break: it misses no target."""
    body = delivery.request.body
    already = delivery.invalid_because.startswith("malformed")
    if already or (fault.how in _NOT_FOR_PING and msgspec.json.decode(body)["action"] == "ping"):
        return (delivery,)
    return (
        replace(
            delivery,
            request=with_body(delivery.request, _MALFORMED[fault.how](body)),
            invalid_because=delivery.invalid_because or f"malformed:{fault.how}",
            faults=(*delivery.faults, bite.fault),
        ),
    )


def unknown_region(fault: UnknownRegion, delivery: Delivery, bite: Bite) -> Outcome:
    """The URL names another region, or none. A region that aggregators do wait for is sound."""
    address, claims = delivery.request.address, fault.claims or None
    if address is None or PLACE not in address.template or address.region == claims:
        return (delivery,)
    why = "" if claims and normalise_region(claims) in bite.expected else "unknown-region"
    return (
        replace(
            delivery,
            request=with_address(delivery.request, address.naming(claims)),
            invalid_because=why
            if delivery.invalid_because in ("", "unknown-region")
            else delivery.invalid_because,
            faults=(*delivery.faults, bite.fault),
        ),
    )


def wrong_key(_fault: WrongKey, delivery: Delivery, bite: Bite) -> Outcome:
    """Another function key. Without a key in the scenario there is nothing to get wrong."""
    address = delivery.request.address
    if address is None or not address.key:
        return (delivery,)
    return (
        replace(
            delivery,
            request=with_address(delivery.request, replace(address, key=f"not-{address.key}")),
            invalid_because=delivery.invalid_because or "wrong-key",
            faults=(*delivery.faults, bite.fault),
        ),
    )


def forge(fault: Forge, delivery: Delivery, bite: Bite) -> Outcome:
    """Whoever sends it signs it wrongly. Of two such faults the first one holds."""
    if delivery.forged:
        return (delivery,)
    return (
        replace(
            delivery,
            forged=fault.how,
            invalid_because=delivery.invalid_because or f"forged:{fault.how}",
            faults=(*delivery.faults, bite.fault),
        ),
    )


def sign_earlier(fault: SignEarlier, delivery: Delivery, bite: Bite) -> Outcome:
    """The signature is older than the request, and too old if that is more than is tolerated."""
    if fault.by <= delivery.signed_earlier_ms:
        return (delivery,)
    invalid_because = delivery.invalid_because or ("stale-signature" if fault.by > TOLERANCE_MS else "")
    faults = (*delivery.faults, bite.fault)
    return (replace(delivery, signed_earlier_ms=fault.by, invalid_because=invalid_because, faults=faults),)


def _without(*fields: str) -> Callable[[bytes], bytes]:
    def cut(body: bytes) -> bytes:
        return encode({name: value for name, value in _decoded(body).items() if name not in fields})

    return cut


def _with(**fields: Any) -> Callable[[bytes], bytes]:
    def put(body: bytes) -> bytes:
        return encode({**_decoded(body), **fields})

    return put


def _nested(body: bytes) -> bytes:
    """The nest stands where an object must stand, so that a parser that survives it still has to refuse."""
    return encode({**_decoded(body), "target": msgspec.Raw(b"[" * DEPTH + b"]" * DEPTH)})


def _decoded(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])


_MALFORMED: Mapping[Malformation, Callable[[bytes], bytes]] = {
    "not-json": lambda _: b"action=push&repository=team%2Fapp",
    "truncated": lambda body: body[: len(body) // 2],
    "empty": lambda _: b"",
    "not-an-object": lambda body: b"[" + body + b"]",
    "no-id": _without("id"),
    "empty-id": _with(id=""),
    "wrong-types": _with(id=17, timestamp=[], action={"push": True}, target="team/app:1.0.0"),
    "no-action": _without("action"),
    # In the id, where even a parser that skips what it does not need must look.
    "not-utf8": lambda body: body.replace(b'"id":"', b'"id":"\xff\xfe', 1),
    "huge": _with(padding="x" * MIB),
    "deep": _nested,
    "no-target": _without("target"),
}
_NOT_FOR_PING: frozenset[Malformation] = frozenset({"no-id", "empty-id", "no-target", "deep"})


# --- all of them ---

BEHAVIOURS: Mapping[type[OnDelivery], Callable[[Any, Delivery, Bite], Outcome]] = {
    Drop: drop,
    DelayBy: delay,
    Duplicate: duplicate,
    Reorder: reorder,
    LoseRequest: lose_request,
    LoseAnswer: lose_answer,
    Malform: malform,
    UnknownRegion: unknown_region,
    WrongKey: wrong_key,
    SlowClient: slow_client,
    Forge: forge,
    SignEarlier: sign_earlier,
}


class Faults:
    """The faults of one scenario that hit deliveries, in its order."""

    def __init__(self, scenario: Scenario, *, seed: int) -> None:
        self._seed = seed
        self._expected = frozenset(map(normalise_region, scenario.regions))
        self._faults = [
            (index, fault) for index, fault in enumerate(scenario.faults) if isinstance(fault, OnDelivery)
        ]

    def apply(self, delivery: Delivery, operation: str) -> tuple[list[Delivery], int | None]:
        """Let every fault that selects the delivery have its go at it.

        Args:
            delivery: The delivery as the registry would send it.
            operation: The operation's name in the scenario, which stands for all its repeats.

        Returns:
            What is left to send, the delivery itself first, and the fault that dropped all of it, if one did.
        """
        copies = itertools.count(1)
        alive, dropped_by = [delivery], list[int]()
        for index, fault in self._faults:
            if not _selects(fault, delivery, operation):
                continue
            numbers = LazyRandom(self._seed, "fault", index, delivery.op, delivery.region)
            bite = Bite(index, numbers, copies, self._expected)
            become = [
                BEHAVIOURS[type(fault)](fault, each, bite) if _bites(fault, numbers) else (each,)
                for each in alive
            ]
            dropped_by += [index] * sum(not outcome for outcome in become)
            alive = list(itertools.chain.from_iterable(become))
        if not alive:
            return [], dropped_by[-1]
        if dropped_by:  # a copy is gone and another one is left: no loss to report, but the fault did bite
            alive[0] = replace(alive[0], faults=(*alive[0].faults, *dropped_by))
        return alive, None


def _selects(fault: OnDelivery, delivery: Delivery, operation: str) -> bool:
    return fault.region in ("", delivery.region) and fault.operation in ("", operation, delivery.op)


def _bites(fault: OnDelivery, numbers: RandomSource) -> bool:
    """``chance`` 1 draws nothing, and 0 never bites, whatever is drawn."""
    return fault.chance >= 1 or numbers.random() < fault.chance
