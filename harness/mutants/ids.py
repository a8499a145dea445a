"""Ids: two operations are one only if their ids are equal, character by character."""

import re
import unicodedata
import zlib
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

COLUMN_LENGTH, LONG_COLUMN_LENGTH = 64, 200
END_LENGTH = 100
_BEYOND_THREE_BYTES = re.compile(r"[^\u0000-\uffff]")
_FORMAT_CHARACTERS = re.compile(r"[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
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


def _as_guid(id_: str) -> str:
    try:
        return str(UUID(id_))
    except ValueError:
        return id_


def _in_ascii(id_: str) -> str:
    return id_.encode("ascii", "ignore").decode()


def _first_and_last(id_: str) -> str:
    return id_ if len(id_) <= 2 * END_LENGTH else id_[:END_LENGTH] + id_[-END_LENGTH:]


def _checksum(id_: str) -> str:
    return f"{zlib.crc32(id_.encode()):08x}"


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


async def _make_text_of(call: WebhookCall, forward: Forward) -> AppResponse:
    """Take a number's digits for an id."""
    id_ = call.payload.get("id")
    return await forward(call.with_payload(id=str(id_)) if isinstance(id_, int) else call)


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
        "ids-in-a-long-column",
        ("B19",),
        "Keeps ids in a column of 200 characters, so two that differ only behind those are one.",
        "odd-ids",
        _taking_for_one(lambda id_: id_[:LONG_COLUMN_LENGTH]),
    ),
    Mutant(
        "ids-as-guids",
        ("B19",),
        "Reads ids that look like GUIDs as GUIDs, so one with hyphens and one without are one.",
        "odd-ids",
        _taking_for_one(_as_guid),
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
        "ids-in-three-bytes",
        ("B19",),
        "Keeps ids in a column of three-byte UTF-8, which has a question mark for every longer character, so"
        " two that differ only in an emoji are one.",
        "odd-ids",
        _taking_for_one(lambda id_: _BEYOND_THREE_BYTES.sub("?", id_)),
    ),
    Mutant(
        "ids-first-and-last",
        ("B19",),
        "Keeps the first and the last hundred characters of a long id, so two that differ between those are"
        " one.",
        "odd-ids",
        _taking_for_one(_first_and_last),
    ),
    Mutant(
        "ids-decoded-plus",
        ("B19",),
        "Takes a plus sign in an id for a blank, as in a form, so a+b and a b are one.",
        "odd-ids",
        _taking_for_one(lambda id_: id_.replace("+", " ")),
    ),
    Mutant(
        "ids-without-controls",
        ("B19",),
        "Takes characters that are not seen out of ids, such as U+200B and U+FE0F, so two that differ only in"
        " those are one.",
        "odd-ids",
        _taking_for_one(lambda id_: _FORMAT_CHARACTERS.sub("", id_)),
    ),
    Mutant(
        "ids-by-checksum",
        ("B19", "B33"),
        "Keeps a checksum of 32 bits instead of an id, so plumless and buckeroo are one.",
        "odd-ids",
        _taking_for_one(_checksum),
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
        "ids-made-text",
        ("B68",),
        "Makes text of an id that is a number, so what is malformed begins an operation.",
        "rude-traffic",
        vary(middleware=intercept(_make_text_of)),
    ),
    Mutant(
        "looks-up-any-id",
        ("B69",),
        "Looks an id up before it has checked that it is text, so an id that is an object is answered 500.",
        "rude-traffic",
        vary(middleware=intercept(_look_up_by_id)),
    ),
)
