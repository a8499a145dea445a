"""Valid and unusual requests: long ones, with new fields or without some, with encoded keys."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import PING
from fanin.harness.mutants.middleware import AppResponse, Forward, Handler, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import vary
from fanin.harness.world.asgi import AsgiApp

BAD_REQUEST, UNAUTHORIZED, TOO_LARGE, UNSUPPORTED = 400, 401, 413, 415
DOCUMENTED = {"id", "timestamp", "action", "target", "request"}
# What a framework's parser of JSON accepts by default; Express has this limit.
PARSER_BYTES_MAX = 102_400
MEGABYTE = 1_000_000
ID_LENGTH_MAX = 128
JSON_TYPE = "application/json"


async def _lose_body_at_upgrade(call: WebhookCall, forward: Forward) -> AppResponse:
    return await forward(call.with_body(b"") if "upgrade" in call.headers else call)


def _refuse_if(condition: Callable[[dict[str, Any]], bool]) -> Handler:
    """Refuse webhooks by their payload."""

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        return AppResponse(BAD_REQUEST) if condition(call.payload) else await forward(call)

    return handle


def _refuse_longer_than(bytes_max: int) -> Handler:
    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        return AppResponse(TOO_LARGE) if len(call.body) > bytes_max else await forward(call)

    return handle


def _has_unknown_fields(payload: dict[str, Any]) -> bool:
    return not payload.keys() <= DOCUMENTED


def _lacks_optional_fields(payload: dict[str, Any]) -> bool:
    return payload.get("action", PING) != PING and payload.get("request") is None


def _lacks(name: str, action: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a payload for this action lacks a field of its target, or has an empty one."""

    def lacks(payload: dict[str, Any]) -> bool:
        target = payload.get("target")
        return payload.get("action") == action and isinstance(target, dict) and not target.get(name)

    return lacks


async def _require_bare_type(call: WebhookCall, forward: Forward) -> AppResponse:
    """Compare the whole header, in which a charset may stand as well."""
    bare = call.headers.get("content-type") == JSON_TYPE
    return await forward(call) if bare else AppResponse(UNSUPPORTED)


def _has_long_id(payload: dict[str, Any]) -> bool:
    return len(str(payload.get("id", ""))) > ID_LENGTH_MAX


def _compare_encoded_keys(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    """Compare the key as it stands in the URL."""
    keys = Settings.from_environment(environment).keys

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        encoded = any(quote(key, safe="") != key for key in keys)
        return AppResponse(UNAUTHORIZED) if encoded else await forward(call)

    app: AsgiApp = vary(middleware=intercept(handle))(environment, epoch_ms)
    return app


MUTANTS = (
    Mutant(
        "refuses-unknown-fields",
        ("B62",),
        "Refuses payloads with fields that are not documented, so when the registry adds a field, nothing"
        " completes any more.",
        "rude-traffic",
        vary(middleware=intercept(_refuse_if(_has_unknown_fields))),
    ),
    Mutant(
        "refuses-long-bodies",
        ("B62",),
        "Keeps its framework's limit of 100 KiB for a body, so a longer payload is refused.",
        "rude-traffic",
        vary(middleware=intercept(_refuse_longer_than(PARSER_BYTES_MAX))),
    ),
    Mutant(
        "limits-bodies-to-a-megabyte",
        ("B62",),
        "Refuses bodies of more than a million bytes, so a payload that is shorter than 1 MiB is refused.",
        "rude-traffic",
        vary(middleware=intercept(_refuse_longer_than(MEGABYTE))),
    ),
    Mutant(
        "requires-optional-fields",
        ("B62",),
        "Requires fields that not every payload has, so charts, which come without a request, are refused.",
        "every-action",
        vary(middleware=intercept(_refuse_if(_lacks_optional_fields))),
    ),
    Mutant(
        "loses-body-at-upgrade",
        (),
        "Takes what follows an offer of another protocol for that protocol, so a webhook that offers HTTP/2"
        " has no body and is refused.",
        "upgrade-offered",
        vary(middleware=intercept(_lose_body_at_upgrade)),
    ),
    Mutant(
        "requires-media-type",
        ("B62",),
        "Requires the media type, so a payload without it is refused.",
        "every-action",
        vary(middleware=intercept(_refuse_if(_lacks("mediaType", "push")))),
    ),
    Mutant(
        "requires-a-tag",
        ("B62",),
        "Requires a tag of every push, so a push by digest is refused.",
        "every-action",
        vary(middleware=intercept(_refuse_if(_lacks("tag", "push")))),
    ),
    Mutant(
        "requires-short-ids",
        ("B62",),
        "Keeps ids in a column of 128 characters and refuses longer ones, so their operations never"
        " complete.",
        "odd-ids",
        vary(middleware=intercept(_refuse_if(_has_long_id))),
    ),
    Mutant(
        "requires-a-bare-type",
        ("B62",),
        "Compares the whole content type with application/json, so a webhook that names its charset beside it"
        " is refused.",
        "rude-traffic",
        vary(middleware=intercept(_require_bare_type)),
    ),
    Mutant(
        "compares-encoded-keys",
        (),
        "Compares a key as it stands in the URL, so one with characters that are encoded there gives no"
        " access.",
        "wrong-key",
        _compare_encoded_keys,
    ),
)
