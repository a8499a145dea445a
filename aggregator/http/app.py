"""The HTTP API: parses requests, calls the engine, responds. It has no state and decides nothing.

Rules of this file: a sender can act on every response (2xx: durable; 4xx: change the request; 503: try again,
with ``Retry-After``); no response is a 500; a response has an error's message, never a traceback.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fanin.aggregator import engines, log
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.clock import SYSTEM_CLOCK, Clock, stopwatch_s
from fanin.aggregator.engine import Engine, EngineFactory, TargetControl
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
from fanin.aggregator.http.origin import Origin
from fanin.aggregator.http.query import (
    fold_names,
    parse_dead,
    parse_limit,
    parse_phase,
    parse_selection,
    require_selection,
)
from fanin.aggregator.http.views import (
    STATUS_PATH,
    check_status,
    durable_status,
    instance_view,
    outbox_entry_view,
    status_uri,
    target_view,
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
    same_location,
    subject_of,
)

# How long a body may take to arrive. Registries wait about 10 s for a response.
BODY_S = 30
# A body that is too large is read up to here all the same: a sender that is still sending does not see the
# response when the connection is closed.
BODY_BYTES_READ_MAX = 16 << 20
# Retry-After of a poller: Durable Functions has 10 s in the first response, then 5 s.
RETRY_AFTER_START, RETRY_AFTER_STATUS = "10", "5"
# A sender must not fill the log.
PATH_LOGGED_MAX, REGION_LOGGED_MAX = 200, 64

type _Endpoint = Callable[[Request], Awaitable[Response]]

_encoder = msgspec.json.Encoder()


def create_app(
    settings: Settings, *, clock: Clock = SYSTEM_CLOCK, engine: EngineFactory | None = None
) -> Starlette:
    """Build the service as an ASGI application. Its lifespan opens the engine, and closes it in order.

    Args:
        settings: What `fanin.aggregator.settings.Settings.from_environment` returned.
        clock: The wall clock; a simulated world has its own.
        engine: Builds the engine; by default the one that the settings name.
    """
    metrics = Metrics()
    api = HttpApi(settings, metrics)
    build = engine or engines.load(settings.engine)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for warning in settings.warnings():
            log.event(logging.WARNING, "weak-credentials", reason=warning)
        async with AsyncExitStack() as stack:
            if isinstance(settings.regions, RegistryRegions):
                stack.push_async_callback(settings.regions.close)
                metrics.region_refreshes = settings.regions.refreshes
                await settings.regions.start()
            notifier = None
            if settings.targets:
                notifier = HttpNotifier(settings.targets, clock)
                stack.callback(notifier.close)
            api.engine = build(settings, clock, metrics, notifier)
            stack.push_async_callback(api.engine.close)
            await api.engine.open()
            yield

    app = Starlette(
        routes=api.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


class HttpApi:
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
        self._origin = Origin(settings.public_url, settings.trusted_proxies)
        self._correlate = CORRELATIONS[settings.correlation]

    def routes(self) -> list[Route]:
        """The endpoints by path, in any letter case, as Azure Functions finds them."""
        routes = [
            Route("/api/ImagePush", self._measured(self.push), methods=["POST"]),
            Route("/webhooks/{region}", self._measured(self.push), methods=["POST"]),
            Route("/api/ImagePush", explain, methods=["GET", "OPTIONS"]),
            Route("/webhooks/{region}", explain, methods=["GET", "OPTIONS"]),
            Route(STATUS_PATH + "{operation_id:path}", _responding(self.status)),
            Route("/instances", _responding(self.instances)),
            Route("/outbox", _responding(self.outbox)),
            Route("/outbox/retry", _responding(self.retry), methods=["POST"]),
            Route("/outbox/targets", _responding(self.targets)),
            Route("/outbox/pause", _responding(self.pause), methods=["POST"]),
            Route("/outbox/resume", _responding(self.resume), methods=["POST"]),
            Route("/outbox/discard", _responding(self.discard), methods=["POST"]),
            Route("/metrics", _responding(self.prometheus)),
            Route("/healthz", _responding(self.healthz)),
            Route("/readyz", _responding(self.readyz)),
        ]
        for route in routes:
            route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
        return routes

    # --- endpoints ---

    async def push(self, request: Request) -> Response:
        """Store one webhook."""
        self._authorise(request)
        self._auth.require_header(request.headers)
        region = self._region(request)
        body = await _body(request)
        self._auth.verify_signature(request.headers, body, region)
        event = decode(body)
        if event.action == PING:
            self._require_known_region(region)
            log.event(logging.INFO, "ping", region=region)
            return _json({"status": "pong", "region": region})
        if event.action not in self._settings.actions:
            self._require_known_region(region)
            log.event(logging.INFO, "ignored", action=event.action, id=event.id, region=region)
            return _json({"status": "ignored", "action": event.action})
        subject = subject_of(event)
        operation_id = self._correlate(event.id, subject)
        receipt = await self.engine.deliver(Arrival(operation_id, region, subject))
        location, accepted = check_status(self._origin.of(request.scope), operation_id)
        headers = {
            "location": location,
            "retry-after": RETRY_AFTER_START,
            "fanin-arrival": receipt.result.value if receipt else "accepted",
        }
        return Response(accepted, 202, headers, "application/json")

    async def status(self, request: Request) -> Response:
        """Respond with one operation, as Durable Functions would."""
        self._authorise(request)
        operation_id = request.path_params["operation_id"]
        state = await self.engine.inspect(operation_id)
        if state is None:
            raise HTTPException(
                404, f"there is no operation {quoted(operation_id)}, or its retention is over"
            )
        show_input = fold_names(request.query_params).get("showinput", "").lower() != "false"
        body = durable_status(state, show_input=show_input)
        if state.phase is not Phase.WAITING:
            return _json(body)
        location = status_uri(self._origin.of(request.scope), operation_id)
        return _json(body, 202, {"location": location, "retry-after": RETRY_AFTER_STATUS})

    async def instances(self, request: Request) -> Response:
        """Respond with a page of operations."""
        self._authorise(request)
        query = fold_names(request.query_params)
        page = await self.engine.instances(
            phase=parse_phase(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"instances": [instance_view(state) for state in page.states], "next": page.next})

    async def outbox(self, request: Request) -> Response:
        """Respond with a page of outbox entries: notifications that their target has not accepted."""
        self._authorise(request)
        self._require_outbox()
        query = fold_names(request.query_params)
        page = await self.engine.outbox(
            dead=parse_dead(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"entries": [outbox_entry_view(entry) for entry in page.entries], "next": page.next})

    async def retry(self, request: Request) -> Response:
        """Send dead letters again: all, or those of one target or operation."""
        self._authorise(request)
        self._require_outbox()
        names = [target.name for target in self._settings.targets]
        target, operation = parse_selection(fold_names(request.query_params), names)
        number = await self.engine.retry(target=target, operation=operation)
        log.event(
            logging.INFO, "dead-letters-retried", target=target, operation=operation, notifications=number
        )
        return _json({"retried": number})

    async def targets(self, request: Request) -> Response:
        """Respond with the targets, what waits for each, and whether it is sent."""
        self._authorise(request)
        states = await self._target_control().target_states()
        return _json({"targets": [target_view(state) for state in states]})

    async def pause(self, request: Request) -> Response:
        """Begin no attempts for a target until it is resumed."""
        return await self._set_paused(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Begin attempts for a target again."""
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: Request, *, paused: bool) -> Response:
        self._authorise(request)
        control = self._target_control()
        known = [state.target for state in await control.target_states()]
        target, operation = require_selection(fold_names(request.query_params), known)
        number = await control.pause(target=target, operation=operation, paused=paused)
        event = "outbox-paused" if paused else "outbox-resumed"
        log.event(logging.INFO, event, target=target, operation=operation)
        return _json({"paused": paused, "notifications": number if operation else None})

    async def discard(self, request: Request) -> Response:
        """Delete pending notifications and dead letters of a target, an operation, or both."""
        self._authorise(request)
        control = self._target_control()
        known = [state.target for state in await control.target_states()]
        target, operation = require_selection(fold_names(request.query_params), known)
        number = await control.discard(target=target, operation=operation)
        log.event(
            logging.WARNING, "outbox-discarded", target=target, operation=operation, notifications=number
        )
        return _json({"discarded": number})

    async def prometheus(self, request: Request) -> Response:
        """Respond with the metrics, for Prometheus."""
        self._authorise(request)
        return Response(self._metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(self, _: Request) -> Response:
        """Respond if the process is alive."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """Respond if a webhook could be stored now; a write proves it."""
        await self.engine.check()
        return _json({"status": "ready"})

    # --- what endpoints share ---

    def _authorise(self, request: Request) -> None:
        self._auth.require_key(request.headers, fold_names(request.query_params))

    def _region(self, request: Request) -> Region:
        """The region that a request names, as it is configured: ``West Europe`` is ``westeurope``, too."""
        region = normalise_region(_claimed_region(request))
        if region in self._settings.regions:
            return region
        return next((it for it in self._settings.regions if same_location(it, region)), region)

    def _require_outbox(self) -> None:
        if not self.engine.capabilities.lists_outbox:
            raise HTTPException(404, f"the engine {self._settings.engine} cannot list its outbox")

    def _target_control(self) -> TargetControl:
        if not self.engine.capabilities.controls_targets:
            raise HTTPException(404, f"the engine {self._settings.engine} cannot control its targets")
        return cast("TargetControl", self.engine)

    def _require_known_region(self, region: Region) -> None:
        if region not in self._settings.regions:
            raise UnknownRegionError(region, self._settings.regions)

    def _measured(self, endpoint: _Endpoint) -> _Endpoint:
        responding, metrics = _responding(endpoint), self._metrics

        async def respond(request: Request) -> Response:
            began_s = stopwatch_s()
            response = await responding(request)
            metrics.requests[response.status_code] += 1
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                metrics.ack_s.observe(stopwatch_s() - began_s)
            return response

        return respond


def _responding(endpoint: _Endpoint) -> _Endpoint:
    """Turn an endpoint's errors into responses."""

    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException:
            raise
        # No name in this frame may keep the error, whose causes' tracebacks keep the frame, and so the body.
        except AggregatorError as exc:
            return _refused(request, exc)
        except Exception as exc:  # noqa: BLE001 - a bug; the sender should try again
            log.LOGGER.exception("request-crashed")
            return _refused(request, StoreFailedError(f"internal error: {type(exc).__name__}"))

    return respond


def _refused(request: Request, error: AggregatorError) -> Response:
    path = request.url.path[:PATH_LOGGED_MAX]
    region = _claimed_region(request)[:REGION_LOGGED_MAX] or None
    log.event(logging.INFO, "refused", status=error.status, path=path, region=region, reason=error)
    return _error(error)


def _claimed_region(request: Request) -> str:
    """The region as the request's URL has it, which a refused sender may have made up."""
    return request.path_params.get("region") or fold_names(request.query_params).get("region", "")


def _error(error: AggregatorError) -> Response:
    if isinstance(error, UnauthorizedError):
        return Response(status_code=error.status)
    retry_after_s = error.retry_after_s
    headers = None if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return _json({"error": error.code, "message": str(error)}, error.status, headers)


async def explain(request: Request) -> Response:
    """Respond to people and gateways that look at the webhooks' address without sending one."""
    message = (
        "a registry POSTs its webhooks here, each with its region: POST /api/ImagePush?region=NAME or "
        "POST /webhooks/NAME"
    )
    headers = {"allow": "POST, OPTIONS"}
    if request.method == "OPTIONS":
        return _json({"message": message}, 200, headers)
    error = {"error": "method-not-allowed", "message": f"{request.method} is not allowed here; {message}"}
    return _json(error, 405, headers)


async def _http_error(request: Request, exc: Exception) -> Response:
    """Respond to Starlette's own errors: no such path, no such method."""
    if not isinstance(exc, HTTPException):
        raise exc
    code, message = "http-error", exc.detail
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = next((it for name, it in (exc.headers or {}).items() if name.lower() == "allow"), "")
        code, message = "method-not-allowed", f"{request.method} is not allowed here; use {allowed}"
    elif exc.status_code == HTTPStatus.NOT_FOUND:
        code = "not-found"
        if message == HTTPStatus.NOT_FOUND.phrase:  # Starlette's own
            message = (
                f"there is no {quoted(request.url.path)}; send webhooks to POST /api/ImagePush?region=NAME"
            )
    return _json({"error": code, "message": message}, exc.status_code, exc.headers)


async def _body(request: Request) -> bytes:
    """Read the whole body.

    Raises:
        BodyTooLargeError: it has more than `BODY_BYTES_MAX`.
        BodyTimeoutError: it takes longer than `BODY_S`.
        MalformedError: the sender closed the connection before its end.
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
                else:
                    chunks.clear()
                if size > BODY_BYTES_READ_MAX:
                    break
    except TimeoutError as exc:
        raise BodyTimeoutError(f"the body did not arrive within {BODY_S:g} s") from exc
    except ClientDisconnect as exc:
        raise MalformedError("the sender closed the connection before the body was complete") from exc
    if size > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has more than {BODY_BYTES_MAX} bytes")
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncodingError(encoding)
    return b"".join(chunks)


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encoder.encode(body), status, headers, "application/json")
