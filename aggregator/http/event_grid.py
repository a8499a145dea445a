"""``/api/EventGrid``: events of the registry as Azure Event Grid sends them, several in a request.

Rules of this file: every event of a request is handled by itself, so that a bad one takes no other with it;
Event Grid has one answer for all of them, and it is chosen by what it leads to: 503 is repeated, 400 is
dropped or dead-lettered for ever, 2xx is done. So it is 503 if any event could not be stored, and 400 only
if every one of them is refused.

What Event Grid does with a status: "Event Grid message delivery and retry". The handshake by OPTIONS: "HTTP
1.1 Web Hooks for Event Delivery", section 4.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fanin.aggregator import log
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.engine import Receipt
from fanin.aggregator.errors import AggregatorError, MalformedError, RequestError, StoreError
from fanin.aggregator.event_grid import (
    GridEvent,
    RegistryEvent,
    SubscriptionDeleted,
    SubscriptionValidation,
    decode_events,
)
from fanin.aggregator.http.body import read_body
from fanin.aggregator.http.query import read_query
from fanin.aggregator.intake import Ignored, Intake
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.wire import Arrival

# So many events of a request are stored at a time: other senders' webhooks come in between.
CONCURRENT_MAX = 100
# So many refused events are listed in a response.
LISTED_MAX = 20
# What the webhook specification has as origins: names of hosts, and an asterisk for any.
_ORIGIN = re.compile(r"[A-Za-z0-9.:*-]{1,253}")
ANY = "*"
ALLOW = "POST, OPTIONS"

# What one event led to; None: stored.
type _Result = Ignored | AggregatorError | None

_encode = msgspec.json.Encoder().encode


class EventGridEndpoint:
    """The endpoint of event subscriptions."""

    def __init__(
        self,
        auth: Authenticator,
        intake: Intake,
        metrics: Metrics,
        deliver: Callable[[Arrival], Awaitable[Receipt | None]],
    ) -> None:
        self._auth, self._intake, self._metrics, self._deliver = auth, intake, metrics, deliver

    async def receive(self, request: Request) -> Response:
        """Store the events of one request, or complete the handshake of the Event Grid schema."""
        query = read_query(request.scope["query_string"], ("region",))
        self._auth.require_key(request.headers, query)
        body = await read_body(request)
        events = decode_events(body, request.headers)
        for event in events:
            if isinstance(event, SubscriptionValidation):
                log.event(logging.INFO, "event-grid-validated", subscription=_subscription(request))
                return _json({"validationResponse": event.code})
        self._auth.require_header(request.headers)
        # A signature covers the body, which says the regions: it needs no secret of one.
        self._auth.verify_signature(request.headers, body, "")
        url_region = query.get("region", "")
        results: list[_Result] = []
        for start in range(0, len(events), CONCURRENT_MAX):
            chunk = events[start : start + CONCURRENT_MAX]
            results += await asyncio.gather(*(self._handle(event, url_region, request) for event in chunk))
        return _response(results)

    async def handshake(self, request: Request) -> Response:
        """Agree to receive CloudEvents, or say in a sentence what this address is for."""
        origin = request.headers.get("webhook-request-origin", "")
        if request.method == "OPTIONS" and _ORIGIN.fullmatch(origin):
            # A subscription whose key is wrong fails now, when it is made, and not with its first event.
            self._auth.require_key(request.headers, read_query(request.scope["query_string"]))
            log.event(logging.INFO, "event-grid-validated", origin=origin)
            headers = {"allow": ALLOW, "webhook-allowed-origin": origin, "webhook-allowed-rate": ANY}
            return Response(status_code=200, headers=headers)
        message = "Azure Event Grid POSTs the registry's events here; docs/deploy.md has the command"
        if request.method == "OPTIONS":
            return _json({"message": message}, 200, {"allow": ALLOW})
        error = {"error": "method-not-allowed", "message": f"{request.method} is not allowed here; {message}"}
        return _json(error, 405, {"allow": ALLOW})

    async def _handle(self, event: GridEvent | MalformedError, url_region: str, request: Request) -> _Result:
        """Store one event, or return why not. No name may keep an error: its traceback keeps the body."""
        if isinstance(event, MalformedError):
            _log_refused(event, request, None)
            return event
        if not isinstance(event, RegistryEvent):
            if isinstance(event, SubscriptionDeleted):
                log.event(logging.WARNING, "event-grid-unsubscribed", subscription=_subscription(request))
            return None
        claimed = event.location or url_region
        try:
            return await self._store(event, claimed)
        except StoreError as exc:
            return exc.with_traceback(None)
        except RequestError as exc:
            _log_refused(exc, request, claimed)
            return exc.with_traceback(None)

    async def _store(self, event: RegistryEvent, claimed: str) -> Ignored | None:
        region = self._intake.region(claimed)
        # A connected registry's region is not where it happened, so whether there is one does not matter.
        connected = bool(event.connected_registry)
        arrival = Ignored.CONNECTED_REGISTRY if connected else self._intake.read(event.event, region)
        if isinstance(arrival, Ignored):
            self._metrics.ignored[arrival] += 1
            log.event(logging.INFO, "ignored", id=event.event.id, region=region, reason=arrival)
            return arrival
        await self._deliver(arrival)
        return None


def _response(results: list[_Result]) -> Response:
    """The one response to all events of a request."""
    busy = [it for it in results if isinstance(it, StoreError)]
    if busy:
        retry_after_s = max(it.retry_after_s or 0 for it in busy)
        error = {"error": busy[0].code, "message": str(busy[0])}
        return _json(error, 503, {"retry-after": str(retry_after_s)})
    refused = [(n, it) for n, it in enumerate(results) if isinstance(it, AggregatorError)]
    if len(refused) == len(results):
        # 422 would be repeated for a day, in vain.
        _, first = refused[0]
        return _json({"error": first.code, "message": str(first), **_listed(refused[1:])}, 400)
    ignored = sum(isinstance(it, Ignored) for it in results)
    accepted = len(results) - ignored - len(refused)
    found = {"accepted": accepted, "ignored": ignored, **_listed(refused)}
    return _json(found, 202 if accepted else 200)


def _listed(refused: Iterable[tuple[int, AggregatorError]]) -> dict[str, Any]:
    listed = [{"event": n, "error": it.code, "message": str(it)} for n, it in refused]
    return {"refused": listed[:LISTED_MAX]} if listed else {}


def _log_refused(error: AggregatorError, request: Request, region: str | None) -> None:
    claimed = (region or "")[:64] or None
    path = request.url.path[:200]
    log.event(logging.INFO, "refused", status=error.status, path=path, region=claimed, reason=error)


def _subscription(request: Request) -> str | None:
    """The name of the event subscription, which Event Grid puts into a header."""
    return request.headers.get("aeg-subscription-name", "")[:128] or None


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(body), status, headers, "application/json")
