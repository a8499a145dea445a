"""The response to a webhook: 2xx when it counted, 4xx when it never will, and always soon."""

import asyncio
import json
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import Arrived, Step, Subject, start
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import ACTIONS, PING, Arrival
from fanin.harness.mutants.middleware import (
    AppResponse,
    Forward,
    WebhookCall,
    intercept,
    replace_status,
)
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, vary
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.target import AppFactory

# Longer than any sender waits.
SLOW_S = 20
LOCK_UPGRADE_S = 0.001
OK, BAD_REQUEST, UNAUTHORIZED, UNPROCESSABLE = 200, 400, 401, 422
# Of a password bcrypt reads so many bytes.
KEY_BYTES = 72


class _LockedError(RequestError):
    """Two transactions want to write."""

    status = 500


class _BusyError(RequestError):
    """The same, politely, and without saying when to try again."""

    status = 503


class _FailsUnderLoad(VariedEngine):
    """Begins with a read lock and upgrades it, which fails at once if another request does so, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readers = 0

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._readers += 1
        try:
            await asyncio.sleep(LOCK_UPGRADE_S)
            if self._readers > 1:
                raise self.lock_error()
            return await super().deliver(arrival)
        finally:
            self._readers -= 1

    def lock_error(self) -> RequestError:
        return _LockedError("database is locked")


class _BusyWithoutRetryAfter(_FailsUnderLoad):
    def lock_error(self) -> RequestError:
        return _BusyError("busy")


class _AnswersSlowly(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        await asyncio.sleep(SLOW_S)
        return receipt


async def _hang_on_malformed_body(call: WebhookCall, forward: Forward) -> AppResponse:
    answer = await forward(call)
    if answer.status == BAD_REQUEST:
        await asyncio.Event().wait()
    return answer


async def _read_first_object(call: WebhookCall, forward: Forward) -> AppResponse:
    """Decode the body as a stream of objects, and take the first."""
    try:
        _, end = json.JSONDecoder().raw_decode(call.body.decode())
    except (ValueError, RecursionError):  # no object, no UTF-8, or too deep
        return await forward(call)
    return await forward(call.with_body(call.body.decode()[:end].encode()))


def _with_right_key(
    handler: Callable[[WebhookCall, Forward, tuple[str, ...]], Any],
) -> AppFactory:
    """Give a handler the configured keys."""

    def factory(environment: Any, epoch_ms: int) -> Any:
        keys = Settings.from_environment(environment).keys
        return vary(middleware=intercept(lambda call, forward: handler(call, forward, keys)))(
            environment, epoch_ms
        )

    return factory


async def _accept_any_key(call: WebhookCall, forward: Forward, keys: tuple[str, ...]) -> AppResponse:
    """Replace whatever key there is by a right one."""
    return await forward(call.with_query(code=keys[0]) if keys and call.query.get("code") else call)


def _accept(right: Callable[[str | None, str], bool]) -> AppFactory:
    """Accept a key that is right by this comparison with a configured one."""

    async def check(call: WebhookCall, forward: Forward, keys: tuple[str, ...]) -> AppResponse:
        accepted = any(right(call.query.get("code"), key) for key in keys)
        return await forward(call.with_query(code=keys[0]) if accepted else call)

    return _with_right_key(check)


def _begin_alike(given: str | None, key: str) -> bool:
    return given is not None and given.encode()[:KEY_BYTES] == key.encode()[:KEY_BYTES]


async def _respond_to_pings_first(call: WebhookCall, forward: Forward) -> AppResponse:
    return AppResponse(OK) if call.payload.get("action") == PING else await forward(call)


async def _check_key_too_late(call: WebhookCall, forward: Forward, keys: tuple[str, ...]) -> AppResponse:
    """Process the webhook, and then look whether its key was right."""
    answer = await forward(call.with_query(code=keys[0]) if keys else call)
    return AppResponse(UNAUTHORIZED) if keys and call.query.get("code") not in keys else answer


def _begins_with(refusals: Collection[int]) -> AppFactory:
    """Let an operation begin with a webhook that was refused with one of these statuses."""

    def factory(environment: Any, epoch_ms: int) -> Any:
        heard_ms: dict[str, int] = {}  # by id, when something of it was refused

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            answer = await forward(call)
            if answer.status in refusals:
                heard_ms.setdefault(str(call.payload.get("id")), epoch_ms + elapsed_ms())
            return answer

        def begin(operation_id: str, subject: Subject, event: Arrived, **expected: Any) -> Step:
            began = start(operation_id, subject, event, **expected)
            first_ms = heard_ms.get(operation_id, event.at_ms)
            deadline_ms = began.state.deadline_ms - event.at_ms + first_ms
            return began._replace(state=msgspec.structs.replace(began.state, deadline_ms=deadline_ms))

        return vary(start=begin, middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _fans_in_actions_alike(environment: Any, epoch_ms: int) -> Any:
    """Fan in every action whose name holds that of a wanted one."""
    wanted = Settings.from_environment(environment).actions
    alike = frozenset(it for it in ACTIONS if any(name in it for name in wanted))
    return vary(settings={"actions": alike})(environment, epoch_ms)


async def _treat_ping_as_push(call: WebhookCall, forward: Forward) -> AppResponse:
    payload = call.payload
    if payload.get("action") != PING:
        return await forward(call)
    return await forward(call.with_payload(action="push", id=payload.get("id", PING), target={}))


MUTANTS = (
    Mutant(
        "fails-under-load",
        ("B55",),
        "Upgrades a read transaction to a write transaction, which fails at once when two do so together,"
        " so under load it answers 500 to webhooks that are sent only once.",
        "hot-op",
        vary(engine=_FailsUnderLoad),
    ),
    Mutant(
        "busy-without-retry-after",
        ("B55",),
        "Answers 503 without Retry-After when it is busy, so senders do not know when to try again.",
        "hot-op",
        vary(engine=_BusyWithoutRetryAfter),
    ),
    Mutant(
        "answers-slowly",
        ("B24",),
        "Works for longer than senders wait before it answers, so every webhook fails for its sender"
        " although it counted.",
        "ack-lost",
        vary(engine=_AnswersSlowly),
    ),
    Mutant(
        "crashes-on-malformed-body",
        ("B69",),
        "Does not handle the error of a body that cannot be read, so it answers 500.",
        "rude-traffic",
        vary(middleware=replace_status({BAD_REQUEST: 500})),
    ),
    Mutant(
        "swallows-errors",
        ("B69",),
        "Catches every error and answers 202, so a webhook that cannot be read is lost unnoticed.",
        "rude-traffic",
        vary(middleware=replace_status({BAD_REQUEST: 202})),
    ),
    Mutant(
        "hangs-on-malformed-body",
        ("B69",),
        "Waits for ever for the rest of a body that is broken, so its sender gets no answer.",
        "rude-traffic",
        vary(middleware=intercept(_hang_on_malformed_body)),
    ),
    Mutant(
        "accepts-any-key",
        (),
        "Checks whether there is a key and not which one, so every key gives access.",
        "wrong-key",
        _with_right_key(_accept_any_key),
    ),
    Mutant(
        "accepts-no-key",
        (),
        "Compares keys only where there is one, so a request without a key gives access.",
        "wrong-key",
        _accept(lambda given, _: not given),
    ),
    Mutant(
        "accepts-a-part-of-a-key",
        (),
        "Looks whether the key is part of the setting that holds it, so the beginning of a key gives access.",
        "wrong-key",
        _accept(lambda given, key: bool(given) and str(given) in key),
    ),
    Mutant(
        "accepts-more-than-a-key",
        (),
        "Looks whether the key begins with the right one, so a longer one gives access.",
        "wrong-key",
        _accept(lambda given, key: bool(given) and str(given).startswith(key)),
    ),
    Mutant(
        "accepts-a-key-in-any-case",
        (),
        "Compares keys without regard to letter case, so a key that differs in it gives access.",
        "wrong-key",
        _accept(lambda given, key: str(given).casefold() == key.casefold()),
    ),
    Mutant(
        "keys-cut-at-seventy-two",
        (),
        "Compares keys as bcrypt does, which reads 72 bytes, so a key that goes on otherwise gives access.",
        "wrong-key",
        _accept(_begin_alike),
    ),
    Mutant(
        "ping-before-key",
        (),
        "Answers a ping before it looks at the key, so a webhook that is set up with a wrong key seems to"
        " work.",
        "wrong-key",
        vary(middleware=intercept(_respond_to_pings_first)),
    ),
    Mutant(
        "checks-key-too-late",
        (),
        "Checks the key after the webhook was processed, so one with a wrong key is answered 401 and counts"
        " all the same.",
        "wrong-key",
        _with_right_key(_check_key_too_late),
    ),
    Mutant(
        "begins-with-unknown-regions",
        ("B32",),
        "Notes when it first hears of an operation before it looks at the region, so what names an unknown"
        " one makes the deadline too early.",
        "odd-regions",
        _begins_with((BAD_REQUEST, UNPROCESSABLE)),
    ),
    Mutant(
        "begins-with-wrong-keys",
        (),
        "Notes when it first hears of an operation before it checks the key, so a stranger can make the"
        " deadline too early.",
        "wrong-key",
        _begins_with((UNAUTHORIZED,)),
    ),
    Mutant(
        "begins-with-malformed-bodies",
        (),
        "Notes when it first hears of an operation before it has read the whole body, so one that it refuses"
        " makes the deadline too early.",
        "rude-traffic",
        _begins_with((BAD_REQUEST,)),
    ),
    Mutant(
        "reads-the-first-object",
        (),
        "Decodes the body as a stream and stops after the first object, so a body with two is answered 202.",
        "rude-traffic",
        vary(middleware=intercept(_read_first_object)),
    ),
    Mutant(
        "fans-in-pings",
        (),
        "Treats a ping as an event, so the test of a webhook starts an operation and leads to a"
        " notification.",
        "ping-and-unwanted",
        vary(middleware=intercept(_treat_ping_as_push)),
    ),
    Mutant(
        "fans-in-all-actions",
        (),
        "Ignores the list of actions that fan in, so there is a notification of a delete that is not in it.",
        "ping-and-unwanted",
        vary(settings={"actions": frozenset(ACTIONS)}),
    ),
    Mutant(
        "fans-in-actions-alike",
        (),
        "Looks whether the name of a wanted action is part of the action, so where pushes of images are"
        " wanted those of charts are notified as well.",
        "ping-and-unwanted",
        _fans_in_actions_alike,
    ),
)
