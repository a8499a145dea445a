"""The endpoint of the webhooks: two paths, POST, one request stored; in front of the router.

A webhook is what this service is for, and most of what one cost was not its own: Starlette's middleware, its
router, its request and response objects, and a timeout around a body that had already come. The other
endpoints are Starlette's (`fanin.aggregator.http.app`). Responses are the same as theirs would be:
`tests/aggregator/http/test_webhooks.py` compares with the same endpoint written on Starlette.

Under the service's own HTTP, a webhook that has come as a whole is not served as ASGI says, either: a task,
the coroutines within it, and a scope that nothing else reads would cost as much as storing it (`begin`).

Rules of this file: those of `fanin.aggregator.http.app`.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from http import HTTPStatus
from typing import NamedTuple, cast

import msgspec

from fanin.aggregator import log
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.clock import stopwatch_s
from fanin.aggregator.engine import Engine, Receipt, SubmittingEngine
from fanin.aggregator.errors import AggregatorError, StoreFailedError, UnauthorizedError
from fanin.aggregator.fanin import ArrivalResult, OperationId, Region
from fanin.aggregator.http.body import receive_body, take_body
from fanin.aggregator.http.exchange import CompleteRequest, Message, Receive, Send, complete_request
from fanin.aggregator.http.origin import Origin
from fanin.aggregator.http.query import Query, first_of, given_twice, parse_query
from fanin.aggregator.http.request_headers import RequestHeaders
from fanin.aggregator.http.views import check_status
from fanin.aggregator.intake import Ignored, Intake
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.wire import Arrival, decode

# The paths of the webhooks, in any letter case, as Azure Functions finds them.
IMAGE_PUSH, BY_REGION = "/api/ImagePush", "/webhooks/{region}"
_PATH = re.compile(r"^/api/ImagePush$|^/webhooks/([^/]+)$", re.IGNORECASE)

# Retry-After of a poller: Durable Functions has 10 s in the first response.
RETRY_AFTER_START = "10"
# A sender must not fill the log.
PATH_LOGGED_MAX, REGION_LOGGED_MAX = 200, 64
# A registry's URL for webhooks hardly ever changes: so many are parsed once, up to this length.
_URLS_KEPT, _URL_KEPT_LENGTH_MAX = 256, 1_024

_encoder = msgspec.json.Encoder()
_JSON = (b"content-type", b"application/json")
_RETRY_AFTER = (b"retry-after", RETRY_AFTER_START.encode())
_RESULTS = {result: (b"fanin-arrival", result.value.encode()) for result in ArrivalResult}
_STORED = (b"fanin-arrival", b"accepted")


class RawResponse(msgspec.Struct, frozen=True):
    """A response as ASGI wants it."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class _Url(NamedTuple):
    """What the URL of a webhook says."""

    query: Query
    region: str  # as sent
    repeated: str  # the parameter that is given more than once, of those that are read; empty: none


class _Pending(msgspec.Struct, frozen=True):
    """A webhook that is being stored."""

    request: CompleteRequest
    url: _Url
    operation_id: OperationId
    origin: str  # of the status address
    began_s: float


def is_webhook(scope: Message) -> bool:
    """Whether a request is a webhook's: a POST to one of the two paths."""
    return scope["type"] == "http" and scope["method"] == "POST" and _is_path(_route_path(scope))


def _is_path(path: str) -> bool:
    return path == IMAGE_PUSH or _PATH.match(path) is not None


class WebhookEndpoint:
    """Stores webhooks. An ASGI application for requests of which `is_webhook` is true, and a `DirectApp`."""

    engine: Engine  # there from the lifespan's startup on

    def __init__(self, metrics: Metrics, auth: Authenticator, origin: Origin, intake: Intake) -> None:
        self._metrics, self._auth, self._origin, self._intake = metrics, auth, origin, intake
        self._sending: set[asyncio.Task[None]] = set()  # responses to clients that read slowly

    # --- as ASGI says ---

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        began_s = stopwatch_s()
        response = await self._respond(scope, receive)
        self._count(response, began_s)
        request = complete_request(scope)
        if request is None or not request.respond(response.status, response.headers, response.body):
            await _send(send, response)

    async def _respond(self, scope: Message, receive: Receive) -> RawResponse:
        url = _url(_route_path(scope), scope["query_string"])
        try:
            headers = RequestHeaders(scope["headers"])
            region = self._authorise(headers, url)
            body = await receive_body(scope, receive, headers)
            arrival = self._read(headers, body, region)
            if isinstance(arrival, RawResponse):
                return arrival
            receipt = await self.engine.deliver(arrival)
            return self._accepted(arrival.operation_id, receipt, self._origin.of(scope, headers.last))
        # No name in this frame may keep the error, whose causes' tracebacks keep the frame, and so the body.
        except Exception as exc:  # noqa: BLE001 - every request gets a response
            return _failed(exc, scope["path"], url)

    # --- without ASGI ---

    def begin(self, request: CompleteRequest, connection: Message) -> bool:
        """Take a webhook; its response follows when it is stored. See `DirectApp`."""
        head, engine = request.head, self.engine
        if head.method != "POST" or not _is_path(head.path) or not engine.capabilities.submits:
            return False
        began_s = stopwatch_s()
        url = _url(head.path, head.query)
        try:
            headers = RequestHeaders(head.headers)
            region = self._authorise(headers, url)
            body = take_body(request, headers)
            if body is None:
                return True  # the client has left
            arrival = self._read(headers, body, region)
            if not isinstance(arrival, RawResponse):
                origin = self._origin.of(connection, headers.last)
                storing = cast("SubmittingEngine", engine).submit(arrival)
                pending = _Pending(request, url, arrival.operation_id, origin, began_s)
                storing.add_done_callback(partial(self._stored, pending))
                return True
            response = arrival
        except Exception as exc:  # noqa: BLE001 - as above
            response = _failed(exc, head.path, url)
        self._finish(request, response, began_s)
        return True

    def _stored(self, pending: _Pending, stored: "asyncio.Future[Receipt]") -> None:
        try:
            response = self._accepted(pending.operation_id, stored.result(), pending.origin)
        except asyncio.CancelledError:
            return  # the event loop ends
        except Exception as exc:  # noqa: BLE001 - as above
            response = _failed(exc, pending.request.head.path, pending.url)
        self._finish(pending.request, response, pending.began_s)

    def _finish(self, request: CompleteRequest, response: RawResponse, began_s: float) -> None:
        self._count(response, began_s)
        if not request.respond(response.status, response.headers, response.body):
            task = asyncio.get_running_loop().create_task(_send(request.send, response))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    # --- both ---

    def _count(self, response: RawResponse, began_s: float) -> None:
        self._metrics.requests[response.status] += 1
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            self._metrics.ack_s.observe(stopwatch_s() - began_s)

    def _authorise(self, headers: RequestHeaders, url: _Url) -> Region:
        """Check what does not need the body; return the region."""
        if url.repeated:
            raise given_twice(url.repeated)
        self._auth.require_key(headers, url.query)
        self._auth.require_header(headers)
        return self._intake.region(url.region)

    def _read(self, headers: RequestHeaders, body: bytes, region: Region) -> Arrival | RawResponse:
        """What is to be stored, or the response to what is not."""
        self._auth.verify_signature(headers, body, region)
        event = decode(body)
        arrival = self._intake.read(event, region)
        if not isinstance(arrival, Ignored):
            return arrival
        self._metrics.ignored[arrival] += 1
        if arrival is Ignored.PING:
            log.event(logging.INFO, "ping", region=region)
            return _json({"status": "pong", "region": region})
        log.event(logging.INFO, "ignored", action=event.action, id=event.id, region=region, reason=arrival)
        return _json({"status": "ignored", "action": event.action, "reason": arrival.value})

    def _accepted(self, operation_id: OperationId, receipt: Receipt | None, origin: str) -> RawResponse:
        location, body = check_status(origin, operation_id)
        fields = (
            (b"location", location.encode("latin-1")),
            _RETRY_AFTER,
            _RESULTS[receipt.result] if receipt else _STORED,
            (b"content-length", b"%d" % len(body)),
            _JSON,
        )
        return RawResponse(202, fields, body)


async def _send(send: Send, response: RawResponse) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    await send({"type": "http.response.body", "body": response.body})


def _failed(error: Exception, path: str, url: _Url) -> RawResponse:
    """The response to a request that failed, called where the error is handled."""
    if isinstance(error, AggregatorError):
        return refuse(error, path=path, region=url.region)
    log.LOGGER.exception("request-crashed")  # a bug; the sender should try again
    crashed = StoreFailedError(f"internal error: {type(error).__name__}")
    return refuse(crashed, path=path, region=url.region)


def refuse(error: AggregatorError, *, path: str, region: str) -> RawResponse:
    """Log an error, and make it a response. ``region`` is what the sender says, which it may have made up."""
    region = region[:REGION_LOGGED_MAX]
    path = path[:PATH_LOGGED_MAX]
    log.event(logging.INFO, "refused", status=error.status, path=path, region=region or None, reason=error)
    if isinstance(error, UnauthorizedError):
        return RawResponse(error.status, ((b"content-length", b"0"),), b"")
    body = {"error": error.code, "message": str(error)}
    if error.retry_after_s is None:
        return _json(body, error.status)
    return _json(body, error.status, (b"retry-after", b"%d" % error.retry_after_s))


def _json(value: object, status: int = 200, *headers: tuple[bytes, bytes]) -> RawResponse:
    body = _encoder.encode(value)
    return RawResponse(status, (*headers, (b"content-length", b"%d" % len(body)), _JSON), body)


# --- the URL ---


def _route_path(scope: Message) -> str:
    """The path below the application's root, as Starlette finds it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :]
    return path


def _url(path: str, query: bytes) -> _Url:
    if len(path) + len(query) > _URL_KEPT_LENGTH_MAX:
        return _parse_url(path, query)
    return _kept_url(path, query)


def _parse_url(path: str, query: bytes) -> _Url:
    parameters, repeated = parse_query(query)
    match = _PATH.match(path)
    claimed = (match and match[1]) or parameters.get("region", "")
    return _Url(parameters, claimed, first_of(("region",), repeated))


_kept_url = lru_cache(maxsize=_URLS_KEPT)(_parse_url)
