"""The HTTP surface: parse, hand over, answer. No decisions about operations, and no state.

Rules of this file: every answer is one that a sender can act on (2xx: durable; 4xx: change something; 503:
try again, with ``Retry-After``); nothing is ever answered 500; what an exception says to a sender is its own
message, never a traceback.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fanin.aggregator import engines, log
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.clock import SYSTEM_CLOCK, Clock, stopwatch_s
from fanin.aggregator.engine import Engine, EngineFactory
from fanin.aggregator.errors import (
    AggregatorError,
    BodyTimeoutError,
    BodyTooLargeError,
    MalformedError,
    StoreFailedError,
    UnauthorizedError,
    UnknownRegionError,
    UnsupportedEncodingError,
    quoted,
)
from fanin.aggregator.fanin import Phase, Region
from fanin.aggregator.http.query import parse_dead, parse_limit, parse_phase, parse_selection
from fanin.aggregator.http.views import (
    STATUS_PATH,
    check_status,
    durable_status,
    instance_view,
    outbox_entry_view,
    status_uri,
)
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.regions import RegistryRegions
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import (
    BODY_BYTES_MAX,
    CORRELATIONS,
    PING,
    Arrival,
    decode,
    normalise_region,
    subject_of,
)

# How long a body may take to arrive. Registries give up on an answer after about 10 s.
BODY_S = 30
# What is too large is read all the same, up to here, because a sender that is still sending does not see its
# answer when the connection is closed.
BODY_BYTES_READ_MAX = 16 << 20
# What a poller is asked to wait: Durable Functions says 10 s with the first answer, then 5 s.
RETRY_AFTER_START, RETRY_AFTER_STATUS = "10", "5"
# A log line is not for senders to fill.
PATH_LOGGED_MAX = 200

type _Endpoint = Callable[[Request], Awaitable[Response]]

_encoder = msgspec.json.Encoder()


def create_app(
    settings: Settings, *, clock: Clock = SYSTEM_CLOCK, engine: EngineFactory | None = None
) -> Starlette:
    """The service as an ASGI application. Its lifespan opens the engine, and closes it in order.

    Args:
        settings: What `fanin.aggregator.settings.Settings.from_environment` returned.
        clock: Wall-clock time; a simulated world has its own.
        engine: Builds the engine; by default the one that the settings name.
    """
    metrics = Metrics()
    surface = _Surface(settings, metrics)
    build = engine or engines.load(settings.engine)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if isinstance(settings.regions, RegistryRegions):
                stack.push_async_callback(settings.regions.close)
                metrics.region_refreshes = settings.regions.refreshes
                await settings.regions.start()
            notifier = None
            if settings.targets:
                notifier = HttpNotifier(settings.targets, clock)
                stack.callback(notifier.close)
            surface.engine = build(settings, clock, metrics, notifier)
            stack.push_async_callback(surface.engine.close)
            await surface.engine.open()
            yield

    app = Starlette(
        routes=surface.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


class _Surface:
    """The endpoints of one service."""

    engine: Engine  # there from the lifespan's startup on

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._auth = Authenticator(
            keys=settings.keys,
            keys_file=settings.keys_file,
            header=settings.header_secret,
            signing=settings.signing_secrets,
        )
        self._correlate = CORRELATIONS[settings.correlation]

    def routes(self) -> list[Route]:
        return [
            Route("/api/ImagePush", self._counted(self.push), methods=["POST"]),
            Route("/webhooks/{region}", self._counted(self.push), methods=["POST"]),
            Route(STATUS_PATH + "{operation_id:path}", _answering(self.status)),
            Route("/instances", _answering(self.instances)),
            Route("/outbox", _answering(self.outbox)),
            Route("/outbox/retry", _answering(self.retry), methods=["POST"]),
            Route("/metrics", _answering(self.figures)),
            Route("/healthz", _answering(self.healthz)),
            Route("/readyz", _answering(self.readyz)),
        ]

    # --- endpoints ---

    async def push(self, request: Request) -> Response:
        """Take one webhook."""
        self._authorise(request)
        self._auth.require_header(request.headers)
        region = normalise_region(request.path_params.get("region") or request.query_params.get("region", ""))
        body = await _body(request)
        self._auth.verify_signature(request.headers, body)
        event = decode(body)
        if event.action == PING:
            self._expect(region)
            log.event(logging.INFO, "ping", region=region)
            return _json({"status": "pong", "region": region})
        if event.action not in self._settings.actions:
            self._expect(region)
            log.event(logging.INFO, "ignored", action=event.action, id=event.id, region=region)
            return _json({"status": "ignored", "action": event.action})
        subject = subject_of(event)
        operation_id = self._correlate(event.id, subject)
        receipt = await self.engine.deliver(Arrival(operation_id, region, subject))
        location, told = check_status(_origin(request), operation_id)
        headers = {
            "location": location,
            "retry-after": RETRY_AFTER_START,
            "fanin-arrival": receipt.result.value if receipt else "accepted",
        }
        return Response(told, 202, headers, "application/json")

    async def status(self, request: Request) -> Response:
        """One operation, as Durable Functions would show it."""
        self._authorise(request)
        operation_id = request.path_params["operation_id"]
        state = await self.engine.inspect(operation_id)
        if state is None:
            raise HTTPException(404, f"no operation {quoted(operation_id)} is known, or no longer")
        body = durable_status(state, show_input=request.query_params.get("showInput", "").lower() != "false")
        if state.phase is not Phase.WAITING:
            return _json(body)
        location = status_uri(_origin(request), operation_id)
        return _json(body, 202, {"location": location, "retry-after": RETRY_AFTER_STATUS})

    async def instances(self, request: Request) -> Response:
        """A page of operations."""
        self._authorise(request)
        query = request.query_params
        page = await self.engine.instances(
            phase=parse_phase(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"instances": [instance_view(state) for state in page.states], "next": page.next})

    async def outbox(self, request: Request) -> Response:
        """A page of outbox entries: notifications that their target has not accepted."""
        self._authorise(request)
        self._require_outbox()
        query = request.query_params
        page = await self.engine.outbox(
            dead=parse_dead(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"entries": [outbox_entry_view(entry) for entry in page.entries], "next": page.next})

    async def retry(self, request: Request) -> Response:
        """Send dead letters again: all, or those of a target or an operation."""
        self._authorise(request)
        self._require_outbox()
        names = [target.name for target in self._settings.targets]
        target, operation = parse_selection(request.query_params, names)
        number = await self.engine.retry(target=target, operation=operation)
        log.event(
            logging.INFO, "dead-letters-retried", target=target, operation=operation, notifications=number
        )
        return _json({"retried": number})

    async def figures(self, request: Request) -> Response:
        """Prometheus' page."""
        self._authorise(request)
        return Response(self._metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """A webhook could be stored now: proved by a write."""
        await self.engine.check()
        return _json({"status": "ready"})

    # --- what they share ---

    def _authorise(self, request: Request) -> None:
        self._auth.require_key(request.headers, request.query_params)

    def _require_outbox(self) -> None:
        if not self.engine.capabilities.lists_outbox:
            raise HTTPException(404, f"the engine {self._settings.engine} keeps no list of its notifications")

    def _expect(self, region: Region) -> None:
        if region not in self._settings.regions:
            raise UnknownRegionError(region, self._settings.regions)

    def _counted(self, endpoint: _Endpoint) -> _Endpoint:
        answering, metrics = _answering(endpoint), self._metrics

        async def answer(request: Request) -> Response:
            began_s = stopwatch_s()
            response = await answering(request)
            metrics.requests[response.status_code] += 1
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                metrics.ack_s.observe(stopwatch_s() - began_s)
            return response

        return answer


def _answering(endpoint: _Endpoint) -> _Endpoint:
    """Turn whatever an endpoint raises into an answer."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException:
            raise
        except AggregatorError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - a bug is ours; the sender is told to try again
            log.LOGGER.exception("request-crashed")
            error = StoreFailedError(f"internal error: {type(exc).__name__}")
        path = request.url.path[:PATH_LOGGED_MAX]
        log.event(logging.INFO, "refused", status=error.status, path=path, reason=error)
        return _error(error)

    return answer


def _error(error: AggregatorError) -> Response:
    if isinstance(error, UnauthorizedError):
        return Response(status_code=error.status)
    retry_after_s = error.retry_after_s
    headers = None if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return _json({"error": error.code, "message": str(error)}, error.status, headers)


async def _http_error(request: Request, exc: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method."""
    if not isinstance(exc, HTTPException):
        raise exc
    code, message = "http-error", exc.detail
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (exc.headers or {}).get("allow", "")
        code, message = "method-not-allowed", f"{request.method} is not served here; use {allowed}"
    elif exc.status_code == HTTPStatus.NOT_FOUND:
        code = "not-found"
        if message == HTTPStatus.NOT_FOUND.phrase:  # Starlette's, not ours
            message = (
                f"nothing is at {quoted(request.url.path)}; webhooks go to POST /api/ImagePush?region=NAME"
            )
    return _json({"error": code, "message": message}, exc.status_code, exc.headers)


async def _body(request: Request) -> bytes:
    """The whole body, if it is small and quick enough.

    Raises:
        BodyTooLargeError, BodyTimeoutError, MalformedError: it is not, or the sender left.
        UnsupportedEncodingError: it is compressed.
    """
    headers = request.headers
    announced = headers.get("content-length", "0")
    too_large = announced.isdecimal() and int(announced) > BODY_BYTES_MAX
    if too_large and "expect" in headers:
        raise BodyTooLargeError(f"the body has {announced[:20]} bytes; at most {BODY_BYTES_MAX} are accepted")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= BODY_BYTES_MAX:
                    chunks.append(chunk)
                elif size > BODY_BYTES_READ_MAX:
                    break
    except TimeoutError as exc:
        raise BodyTimeoutError(f"the body did not arrive within {BODY_S:g} s") from exc
    except ClientDisconnect as exc:
        raise MalformedError("the sender left before its body was complete") from exc
    if size > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has more than {BODY_BYTES_MAX} bytes")
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncodingError(encoding)
    return b"".join(chunks)


def _origin(request: Request) -> str:
    """Scheme, host and prefix by which the sender knows us."""
    scope = request.scope
    host = request.headers.get("host") or ":".join(map(str, scope.get("server") or ("localhost",)))
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encoder.encode(body), status, headers, "application/json")
