"""The HTTP API: parses requests, calls the engine, responds. It has no state and decides nothing.

Rules of this file: a sender can act on every response (2xx: durable; 4xx: change the request; 503: try again,
with ``Retry-After``); no response is a 500; a response has an error's message, never a traceback.
"""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fanin.aggregator import engines, log
from fanin.aggregator.advice import advice
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.clock import SYSTEM_CLOCK, Clock, stopwatch_s
from fanin.aggregator.engine import Engine, EngineFactory, Receipt, TargetControl
from fanin.aggregator.errors import (
    AggregatorError,
    MalformedError,
    StoreFailedError,
    quoted,
)
from fanin.aggregator.fanin import Phase
from fanin.aggregator.http.event_grid import EventGridEndpoint
from fanin.aggregator.http.exchange import CompleteRequest, Message
from fanin.aggregator.http.origin import Origin
from fanin.aggregator.http.page.endpoint import StatusPage
from fanin.aggregator.http.query import (
    Query,
    parse_dead,
    parse_limit,
    parse_phase,
    parse_query,
    parse_selection,
    parse_target,
    read_query,
    refuse_unknown,
    require_selection,
)
from fanin.aggregator.http.views import (
    STATUS_PATH,
    durable_status,
    instance_view,
    outbox_entry_view,
    rehearsal_view,
    status_uri,
    target_view,
)
from fanin.aggregator.http.webhooks import BY_REGION, IMAGE_PUSH, WebhookEndpoint, is_webhook, refuse
from fanin.aggregator.intake import Intake
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.rehearsal import rehearse
from fanin.aggregator.regions import RegistryRegions
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

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
    api = HttpApi(settings, metrics, clock)
    build = engine or engines.load(settings.engine)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for warning in settings.warnings():
            log.event(logging.WARNING, "weak-credentials", reason=warning)
        for sentence in advice(settings):
            log.event(logging.WARNING, "doubtful-setting", reason=sentence)
        async with AsyncExitStack() as stack:
            if isinstance(settings.regions, RegistryRegions):
                stack.push_async_callback(settings.regions.close)
                metrics.region_refreshes = settings.regions.refreshes
                await settings.regions.start()
            notifier = None
            if settings.targets:
                notifier = api.notifier = HttpNotifier(settings.targets, clock)
                stack.callback(notifier.close)
            api.engine = api.webhooks.engine = build(settings, clock, metrics, notifier)
            stack.push_async_callback(api.engine.close)
            await api.engine.open()
            yield

    app = _Service(
        api.webhooks,
        make_routes=api.routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


class _Service(Starlette):
    """Serves webhooks itself, and has Starlette do the rest."""

    def __init__(
        self, webhooks: WebhookEndpoint, *, make_routes: Callable[[], list[Route]], **options: Any
    ) -> None:
        super().__init__(**options)
        self._webhooks, self._make_routes = webhooks, make_routes

    def begin(self, request: CompleteRequest, connection: Message) -> bool:
        """Take a webhook; see `fanin.aggregator.http.exchange.DirectApp`."""
        return self._webhooks.begin(request, connection)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_webhook(scope):
            await self._webhooks(scope, receive, send)
            return
        # Made for the first request that needs them: in a simulation, which starts thousands of services,
        # most get webhooks alone.
        if scope["type"] == "http" and not self.router.routes:
            self.router.routes.extend(self._make_routes())
        await super().__call__(scope, receive, send)


class HttpApi:
    """The endpoints of one service but the webhooks', which `webhooks` is."""

    engine: Engine  # there from the lifespan's startup on
    notifier: Notifier | None = None  # the same; None without targets

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._auth = Authenticator(
            keys=settings.keys,
            keys_file=settings.keys_file,
            header=settings.header_secret,
            signing=settings.signing_secrets,
        )
        self._origin = Origin(settings.public_url, settings.trusted_proxies)
        intake = Intake(settings)
        self.webhooks = WebhookEndpoint(metrics, self._auth, self._origin, intake)
        self._page = StatusPage(settings, metrics, self._auth, clock, lambda: self.engine)
        self._event_grid = EventGridEndpoint(self._auth, intake, metrics, self._deliver)

    def routes(self) -> list[Route]:
        """The endpoints by path, in any letter case, as Azure Functions finds them."""
        routes = [
            # They are found by `_Service` already; here, other methods are answered with those there are.
            *(Route(path, self.webhooks, methods=["POST"]) for path in (IMAGE_PUSH, BY_REGION)),
            Route("/api/EventGrid", self._measured(self._event_grid.receive), methods=["POST"]),
            Route("/api/EventGrid", _responding(self._event_grid.handshake), methods=["GET", "OPTIONS"]),
            *(Route(path, explain, methods=["GET", "OPTIONS"]) for path in (IMAGE_PUSH, BY_REGION)),
            Route(STATUS_PATH + "{operation_id:path}", _responding(self.status)),
            Route("/instances", _responding(self.instances)),
            Route("/outbox", _responding(self.outbox)),
            Route("/outbox/retry", _responding(self.retry), methods=["POST"]),
            Route("/outbox/test", _responding(self.test), methods=["POST"]),
            Route("/outbox/targets", _responding(self.targets)),
            Route("/outbox/pause", _responding(self.pause), methods=["POST"]),
            Route("/outbox/resume", _responding(self.resume), methods=["POST"]),
            Route("/outbox/discard", _responding(self.discard), methods=["POST"]),
            Route("/metrics", _responding(self.prometheus)),
            Route("/", _responding(self._page.get)),
            Route("/", _responding(self._page.post), methods=["POST"]),
            Route("/healthz", _responding(self.healthz)),
            Route("/readyz", _responding(self.readyz)),
        ]
        for route in routes:
            route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
        return routes

    # --- endpoints ---

    async def status(self, request: Request) -> Response:
        """Respond with one operation, as Durable Functions would."""
        # Durable Functions' clients send parameters of its own, which change nothing here.
        query = self._authorise(request, "showinput")
        operation_id = request.path_params["operation_id"]
        state = await self.engine.inspect(operation_id)
        if state is None:
            raise HTTPException(
                404, f"there is no operation {quoted(operation_id)}, or its retention is over"
            )
        show_input = query.get("showinput", "").lower() != "false"
        body = durable_status(state, show_input=show_input)
        if state.phase is not Phase.WAITING:
            return _json(body)
        location = status_uri(self._origin.of(request.scope), operation_id)
        return _json(body, 202, {"location": location, "retry-after": RETRY_AFTER_STATUS})

    async def instances(self, request: Request) -> Response:
        """Respond with a page of operations."""
        query = self._query(request, "state", "limit", "after")
        page = await self.engine.instances(
            phase=parse_phase(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"instances": [instance_view(state) for state in page.states], "next": page.next})

    async def outbox(self, request: Request) -> Response:
        """Respond with a page of outbox entries: notifications that their target has not accepted."""
        query = self._query(request, "state", "limit", "after")
        self._require_outbox()
        page = await self.engine.outbox(
            dead=parse_dead(query.get("state")),
            after=query.get("after"),
            limit=parse_limit(query.get("limit")),
        )
        return _json({"entries": [outbox_entry_view(entry) for entry in page.entries], "next": page.next})

    async def retry(self, request: Request) -> Response:
        """Send dead letters again: all, or those of one target or operation."""
        query = self._query(request, "target", "operation")
        self._require_outbox()
        names = [target.name for target in self._settings.targets]
        target, operation = parse_selection(query, names)
        number = await self.engine.retry(target=target, operation=operation)
        log.event(
            logging.INFO, "dead-letters-retried", target=target, operation=operation, notifications=number
        )
        return _json({"retried": number})

    async def test(self, request: Request) -> Response:
        """Send a test message to one target, or to all; respond with what each answered."""
        query = self._query(request, "target")
        names = [target.name for target in self._settings.targets]
        target = parse_target(query, names)
        if self.notifier is None:
            raise MalformedError("no target is configured, so there is nothing to test")
        chosen = names if target is None else [target]
        results = await rehearse(self.notifier, chosen, tuple(self._settings.regions), self._clock)
        return _json({"targets": [rehearsal_view(result) for result in results]})

    async def targets(self, request: Request) -> Response:
        """Respond with the targets, what waits for each, and whether it is sent."""
        self._query(request)
        states = await self._target_control().target_states()
        return _json({"targets": [target_view(state) for state in states]})

    async def pause(self, request: Request) -> Response:
        """Begin no attempts for a target until it is resumed."""
        return await self._set_paused(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Begin attempts for a target again."""
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: Request, *, paused: bool) -> Response:
        query = self._query(request, "target", "operation")
        control = self._target_control()
        known = [state.target for state in await control.target_states()]
        target, operation = require_selection(query, known)
        number = await control.pause(target=target, operation=operation, paused=paused)
        event = "outbox-paused" if paused else "outbox-resumed"
        log.event(logging.INFO, event, target=target, operation=operation)
        return _json({"paused": paused, "notifications": number if operation else None})

    async def discard(self, request: Request) -> Response:
        """Delete pending notifications and dead letters of a target, an operation, or both."""
        query = self._query(request, "target", "operation")
        control = self._target_control()
        known = [state.target for state in await control.target_states()]
        target, operation = require_selection(query, known)
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

    def _authorise(self, request: Request, *names: str) -> Query:
        """Ask for the key; return the query, in which each of these parameters is there once at most."""
        query = read_query(request.scope["query_string"], names)
        self._auth.require_key(request.headers, query)
        return query

    def _query(self, request: Request, *names: str) -> Query:
        """Ask for the key; return the query, which has no parameters but these."""
        query = self._authorise(request, *names)
        refuse_unknown(query, names)
        return query

    async def _deliver(self, arrival: Arrival) -> Receipt | None:
        return await self.engine.deliver(arrival)

    def _require_outbox(self) -> None:
        if not self.engine.capabilities.lists_outbox:
            raise HTTPException(404, f"the engine {self._settings.engine} cannot list its outbox")

    def _target_control(self) -> TargetControl:
        if not self.engine.capabilities.controls_targets:
            raise HTTPException(404, f"the engine {self._settings.engine} cannot control its targets")
        return cast("TargetControl", self.engine)

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
    region = parse_query(request.scope["query_string"])[0].get("region", "")
    raw = refuse(error, path=request.url.path, region=region)
    response = Response(raw.body, raw.status)
    response.raw_headers = list(raw.headers)
    return response


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


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encoder.encode(body), status, headers, "application/json")
