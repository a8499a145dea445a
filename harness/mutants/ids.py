"""Ids: two operations are one only if their ids are equal, character by character."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Send, vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

COLUMN_LENGTH = 64
BAD_REQUEST, SERVER_ERROR, CREATED = 400, 500, 202


def _taking_for_one(same: Callable[[str], str]) -> AppFactory:
    """Take ids for one whose ``same`` is equal; notify under the one that came first."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        first: dict[str, str] = {}  # by what is the same

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            id_ = call.payload.get("id")
            if not isinstance(id_, str) or not id_:
                return await forward(call)
            first.setdefault(same(id_), id_)
            return await forward(call.with_payload(id=first[same(id_)]))

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _as_number(id_: str) -> str:
    return str(int(id_)) if id_.isdecimal() else id_


def _as_file_name(id_: str) -> str:
    return id_.replace("/", "_")


def _in_ascii(id_: str) -> str:
    return id_.encode("ascii", "ignore").decode()


async def _require_uuid(call: WebhookCall, forward: Forward) -> AppResponse:
    """Refuse ids that are no UUID."""
    id_ = call.payload.get("id")
    if isinstance(id_, str) and id_:
        try:
            UUID(id_)
        except ValueError:
            return AppResponse(BAD_REQUEST)
    return await forward(call)


async def _look_up_by_id(call: WebhookCall, forward: Forward) -> AppResponse:
    """Look the id up before it is checked; an object is no key."""
    return AppResponse(SERVER_ERROR) if isinstance(call.payload.get("id"), dict) else await forward(call)


def _joined_with_region() -> AppFactory:
    """Remember deliveries by id and region with a hyphen between."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        seen: dict[str, str] = {}  # the id by which a joined name was seen first

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            id_ = call.payload.get("id")
            name = f"{id_}-{call.region.strip().casefold()}"
            if isinstance(id_, str) and seen.setdefault(name, id_) != id_:
                return AppResponse(CREATED)
            return await forward(call)

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _in_latin_1(send: Send, _clock: Clock) -> Send:
    def attempt(notification: Notification) -> Any:
        id_ = notification.operation_id.encode("latin-1", "replace").decode("latin-1")
        return send(msgspec.structs.replace(notification, operation_id=id_))

    return attempt


MUTANTS = (
    Mutant(
        "ids-in-one-case",
        ("B19",),
        "Compares ids in one letter case, so two operations whose ids differ only in that are one.",
        "odd-ids",
        _taking_for_one(str.casefold),
    ),
    Mutant(
        "ids-cut-short",
        ("B19",),
        "Keeps ids in a column of 64 characters, so two that begin alike are one.",
        "odd-ids",
        _taking_for_one(lambda id_: id_[:COLUMN_LENGTH]),
    ),
    Mutant(
        "ids-as-file-names",
        ("B19",),
        "Makes a file name of the id and replaces slashes, so a/b and a_b are one.",
        "odd-ids",
        _taking_for_one(_as_file_name),
    ),
    Mutant(
        "ids-trimmed",
        ("B19",),
        "Takes away the blanks around ids, so two that differ only in those are one.",
        "odd-ids",
        _taking_for_one(str.strip),
    ),
    Mutant(
        "ids-decoded",
        ("B19",),
        "Decodes percent signs in ids, so a%2Fb and a/b are one.",
        "odd-ids",
        _taking_for_one(unquote),
    ),
    Mutant(
        "ids-composed",
        ("B19",),
        "Composes accents in ids, as some stores do, so two texts that only look alike are one.",
        "odd-ids",
        _taking_for_one(lambda id_: unicodedata.normalize("NFC", id_)),
    ),
    Mutant(
        "ids-in-ascii",
        ("B19",),
        "Leaves out what is not ASCII, so ids that differ only in that are one.",
        "odd-ids",
        _taking_for_one(_in_ascii),
    ),
    Mutant(
        "ids-as-numbers",
        ("B19",),
        "Reads ids that consist of digits as numbers, so 007 and 7 are one.",
        "odd-ids",
        _taking_for_one(_as_number),
    ),
    Mutant(
        "ids-joined-with-regions",
        ("B19",),
        "Remembers deliveries by id and region with a hyphen between, so push from east-us is taken for"
        " push-east from us.",
        "odd-ids",
        _joined_with_region(),
    ),
    Mutant(
        "requires-uuids",
        ("B62",),
        "Requires that an id is a UUID, so others are refused and their operations never complete.",
        "odd-ids",
        vary(middleware=intercept(_require_uuid)),
    ),
    Mutant(
        "ids-in-latin",
        (),
        "Writes ids in Latin-1, so a notification names an operation that never occurred.",
        "odd-ids",
        vary(send=_in_latin_1),
    ),
    Mutant(
        "looks-up-any-id",
        ("B69",),
        "Looks an id up before it has checked that it is text, so an id that is an object is answered 500.",
        "rude-traffic",
        vary(middleware=intercept(_look_up_by_id)),
    ),
)
