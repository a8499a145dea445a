"""Faults of what is sent: the body, the region and the key in the URL, the signature, the headers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self, get_args

import msgspec

from fanin.simulator.durations import format_duration
from fanin.simulator.faults.delivery import SECOND_MS, DeliveryContext, DeliveryFault, Selection
from fanin.simulator.faults.fault import FaultChecks, RandomValues, Scaling
from fanin.simulator.plan import Delivery
from fanin.simulator.shapes import ShortText, Some
from fanin.simulator.signing import TOLERANCE_MS
from fanin.simulator.text import quoted
from fanin.simulator.wire import PLACE, encode, normalise_region, with_address, with_body, with_headers

MIB = 1_048_576
DEPTH = 20_000  # far beyond any parser's recursion limit (Python's is 1,000), and still a small body

Malformation = Literal[
    "not-json", "truncated", "empty", "not-an-object", "no-id", "empty-id",
    "id-not-text", "wrong-types", "no-action", "not-utf8", "huge", "deep", "no-target",
    "number-id", "null-id", "two-objects",
]  # fmt: skip


class Malform(DeliveryFault, frozen=True, tag_field="fault", tag="malform"):
    """The body is broken. It must be refused with a 4xx and must not count.

    Attributes:
        how: In which way it is broken.
    """

    how: Malformation = "not-json"

    changes_one_event = True

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Broken once. A ping stays sound where only an event would break: it misses no target."""
        body = delivery.request.body
        already = delivery.invalid_because.startswith("malformed")
        if already or (self.how in _NOT_FOR_PING and _decoded(body)["action"] == "ping"):
            return (delivery,)
        changed = delivery.changed_by(
            context.index,
            request=with_body(delivery.request, _MALFORMED[self.how](body)),
            invalid_because=delivery.invalid_because or f"malformed:{self.how}",
        )
        return (changed,)

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        del attempt_timeout_ms
        return True

    def effect_text(self) -> str:
        return f"the body is broken: {self.how}"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        if checks.in_envelopes and self.how not in OF_ONE_EVENT:
            message = f"how: {self.how} breaks a whole envelope; of an event there are"
            checks.problem(f"{message} {', '.join(OF_ONE_EVENT)}", "how")

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, how=values.choice(get_args(Malformation)))


class UnknownRegion(
    DeliveryFault, frozen=True, tag_field="fault", tag="unknown-region", rename={"url_region": "as"}
):
    """The URL names a region that is not expected, or none at all.

    Attributes:
        as: What the URL names instead of the region; empty for no region at all.
    """

    url_region: ShortText = "mars"

    _DRAWN: ClassVar[Sequence[str]] = ("mars", "", "0", "east-us", "Ωμέγα")

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """A region that aggregators wait for makes the delivery valid, whatever its URL named before."""
        address, url_region = delivery.request.address, self.url_region or None
        if address is None or PLACE not in address.template or address.region == url_region:
            return (delivery,)
        expected = url_region is not None and normalise_region(url_region) in context.expected
        invalid_because = delivery.invalid_because
        if invalid_because in ("", "unknown-region"):
            invalid_because = "" if expected else "unknown-region"
        changed = delivery.changed_by(
            context.index,
            request=with_address(delivery.request, address.with_region(url_region)),
            invalid_because=invalid_because,
        )
        return (changed,)

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        del attempt_timeout_ms
        return True

    def effect_text(self) -> str:
        return f"the URL names region {self.url_region!r}" if self.url_region else "the URL names no region"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        if self.url_region and checks.is_region(self.url_region):
            message = f"as: {quoted(self.url_region)} is one of the regions; name one that is not expected"
            checks.problem(message, "as")

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, url_region=values.choice(cls._DRAWN))


WrongKeyKind = Literal["other", "none", "beginning", "longer", "other-case"]

_WRONG_KEYS: Mapping[WrongKeyKind, Callable[[str], str]] = {
    "other": lambda key: f"not-{key}",
    "none": lambda _: "",
    "beginning": lambda key: key[:-1],
    "longer": lambda key: f"{key}.",
    "other-case": str.swapcase,
}

_WRONG_KEY_WORDS: Mapping[WrongKeyKind, str] = {
    "other": "a wrong key",
    "none": "no key",
    "beginning": "the key without its last character",
    "longer": "the key and one more character",
    "other-case": "the key in the other letter case",
}


class WrongKey(DeliveryFault, frozen=True, tag_field="fault", tag="wrong-key"):
    """The request carries a wrong function key. Needs a scenario with a ``key``.

    Attributes:
        how: Another one, none at all, the beginning of the right one, the right one and more, or the right
            one in the other letter case.
    """

    how: WrongKeyKind = "other"

    requires = ("function-keys",)

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Wrong once, or a second fault could make the key right again.

        Without a key there is nothing to get wrong, and without a letter in it no letter case.
        """
        address = delivery.request.address
        if address is None or not address.key or delivery.invalid_because == "wrong-key":
            return (delivery,)
        wrong = _WRONG_KEYS[self.how](address.key)
        if wrong == address.key:
            return (delivery,)
        changed = delivery.changed_by(
            context.index,
            request=with_address(delivery.request, replace(address, key=wrong)),
            invalid_because=delivery.invalid_because or "wrong-key",
        )
        return (changed,)

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        del attempt_timeout_ms
        return True

    def effect_text(self) -> str:
        return f"the request carries {_WRONG_KEY_WORDS[self.how]}"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        if not checks.key:
            checks.problem("wrong-key: the scenario has no key to get wrong; give it a 'key'")
        elif _WRONG_KEYS[self.how](checks.key) == checks.key:
            checks.problem(f"how: {self.how}: the key {quoted(checks.key)} has no letters", "how")

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, how=values.choice(get_args(WrongKeyKind)))


class Forge(DeliveryFault, frozen=True, tag_field="fault", tag="forge"):
    """The request's signature is wrong. Needs a scenario with ``signing``.

    Attributes:
        how: Signed with another secret, not signed at all, or signed before the body was altered.
    """

    how: Literal["wrong-secret", "unsigned", "altered"] = "wrong-secret"

    requires = ("signatures",)
    _DRAWN: ClassVar[Sequence[Literal["wrong-secret", "unsigned", "altered"]]] = (
        "wrong-secret",
        "unsigned",
        "altered",
    )

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Of two such faults the first one holds."""
        if delivery.forged:
            return (delivery,)
        invalid_because = delivery.invalid_because or f"forged:{self.how}"
        return (delivery.changed_by(context.index, forged=self.how, invalid_because=invalid_because),)

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        del attempt_timeout_ms
        return True

    def effect_text(self) -> str:
        return f"the signature is wrong: {self.how}"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        _check_signed(self, checks)

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        return cls(*selection, how=values.choice(cls._DRAWN))


class SignEarlier(DeliveryFault, frozen=True, tag_field="fault", tag="sign-earlier", kw_only=True):
    """The signature is older than the request. Needs a scenario with ``signing``.

    Up to five minutes are tolerated; an older one may be a replay and must be refused.

    Attributes:
        by: How much older.
    """

    by: Some

    requires = ("signatures",)
    # How old a signature may be is agreed upon by all who sign.
    scaling: ClassVar[Mapping[str, Scaling]] = {"by": Scaling.FIXED}
    request_note = ("signed earlier", "")
    _UNDECIDED_MS: ClassVar[int] = 10 * SECOND_MS

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Of two such faults the older signature holds."""
        if self.by <= delivery.signed_earlier_ms:
            return (delivery,)
        stale = "stale-signature" if self.by > TOLERANCE_MS else ""
        invalid_because = delivery.invalid_because or stale
        changed = delivery.changed_by(
            context.index, signed_earlier_ms=self.by, invalid_because=invalid_because
        )
        return (changed,)

    def never_succeeds(self, attempt_timeout_ms: int) -> bool:
        del attempt_timeout_ms
        return self.by > TOLERANCE_MS

    def effect_text(self) -> str:
        return f"the signature is {format_duration(self.by)} old"

    def check(self, checks: FaultChecks) -> None:
        super().check(checks)
        _check_signed(self, checks)

    @classmethod
    def draw(cls, values: RandomValues, selection: Selection, timeout_ms: int) -> Self:
        del timeout_ms
        by = values.duration(SECOND_MS, 2 * TOLERANCE_MS)
        # Signatures have whole seconds, and there is a way to go: at the limit itself either answer is right.
        if abs(by - TOLERANCE_MS) < cls._UNDECIDED_MS:
            by += 2 * cls._UNDECIDED_MS
        return cls(*selection, by=by)


# What Java's ``HttpClient`` (11 to 21) sends to an ``http://`` address. The settings are a frame's payload:
# tables of 16 KiB, server push, 100 streams, windows of 16 MiB, frames of 16 KiB. [RFC 7540, 3.2.1 and 6.5.2]
_H2C_OFFER: Mapping[str, str] = {
    "Connection": "Upgrade, HTTP2-Settings",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "Upgrade": "h2c",
}


class UpgradeH2c(DeliveryFault, frozen=True, tag_field="fault", tag="upgrade-h2c"):
    """The request offers to go on in HTTP/2 over cleartext, as Java's ``HttpClient`` does.

    A receiver that does not upgrade serves the request as if nothing had been offered (RFC 9110, 7.8).
    """

    draw_weight = 2
    request_note = ("offers h2c", "")
    offers_upgrade = True

    def apply(self, delivery: Delivery, context: DeliveryContext) -> Sequence[Delivery]:
        """Offered once; the delivery is as valid as it was."""
        if _H2C_OFFER.items() <= dict(delivery.request.headers).items():
            return (delivery,)
        return (delivery.changed_by(context.index, request=with_headers(delivery.request, _H2C_OFFER)),)

    def effect_text(self) -> str:
        return "the request offers to upgrade to HTTP/2"


def _check_signed(fault: Forge | SignEarlier, checks: FaultChecks) -> None:
    if not checks.is_signed:
        checks.problem(f"{fault.tag}: deliveries are not signed; give the scenario a 'signing'")


# --- how a body may be broken ---


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
    # An object is no key in many languages.
    "id-not-text": _with(id={"build": [17]}),
    # Many languages make text of both without being asked.
    "number-id": _with(id=17),
    "null-id": _with(id=None),
    "wrong-types": _with(id=17, timestamp=[], action={"push": True}, target="team/app:1.0.0"),
    "no-action": _without("action"),
    # In the id, where even a parser that skips what it does not need must look.
    "not-utf8": lambda body: body.replace(b'"id":"', b'"id":"\xff\xfe', 1),
    "huge": _with(padding="x" * MIB),
    "deep": _nested,
    "no-target": _without("target"),
    # A decoder of a stream stops after the first, and does not say that more follows.
    "two-objects": lambda body: body + b"\n" + body,
}
_NOT_FOR_PING: frozenset[Malformation] = frozenset(
    {"no-id", "empty-id", "id-not-text", "number-id", "null-id", "no-target", "deep"}
)
# What can be wrong with one event of an envelope while the others are sound.
OF_ONE_EVENT: Sequence[Malformation] = (
    "not-an-object", "no-id", "empty-id", "id-not-text", "wrong-types", "no-action", "no-target",
    "number-id", "null-id",
)  # fmt: skip
