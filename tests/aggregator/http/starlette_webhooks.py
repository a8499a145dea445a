"""The webhooks' endpoint as Starlette's documentation would have it: what the real one is compared with.

It shares what decides (credentials, decoding, errors) and nothing of HTTP: routes, requests, responses and
headers are Starlette's own.
"""

import asyncio
import logging
import re

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fanin.aggregator import log
from fanin.aggregator.auth import Authenticator
from fanin.aggregator.engine import Engine
from fanin.aggregator.errors import (
    AggregatorError,
    BodyTimeoutError,
    BodyTooLargeError,
    MalformedError,
    StoreFailedError,
    UnauthorizedError,
    UnsupportedEncodingError,
)
from fanin.aggregator.http import body as limits
from fanin.aggregator.http.origin import Origin
from fanin.aggregator.http.query import parse_query, read_query
from fanin.aggregator.http.views import check_status
from fanin.aggregator.intake import Ignored, Intake
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import BODY_BYTES_MAX, decode


class StarletteWebhooks:
    """The two routes, and the endpoint behind them."""

    def __init__(self, settings: Settings, metrics: Metrics, engine: Engine) -> None:
        self._metrics, self._engine = metrics, engine
        self._auth = Authenticator(
            keys=settings.keys,
            keys_file=settings.keys_file,
            header=settings.header_secret,
            signing=settings.signing_secrets,
        )
        self._intake = Intake(settings)
        self._origin = Origin(settings.public_url, settings.trusted_proxies)

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route(path, self.respond, methods=["POST"]) for path in ("/api/ImagePush", "/webhooks/{region}")
        ]
        for route in routes:
            route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
        app = Starlette(routes=routes)
        app.router.redirect_slashes = False
        return app

    async def respond(self, request: Request) -> Response:
        """Respond, and count the response."""
        try:
            response = await self.push(request)
        except AggregatorError as exc:
            response = self._refused(request, exc)
        except Exception as exc:  # noqa: BLE001 - as the real one
            log.LOGGER.exception("request-crashed")
            response = self._refused(request, StoreFailedError(f"internal error: {type(exc).__name__}"))
        self._metrics.requests[response.status_code] += 1
        return response

    async def push(self, request: Request) -> Response:
        """Store one webhook."""
        query = read_query(request.scope["query_string"], ("region",))
        self._auth.require_key(request.headers, query)
        self._auth.require_header(request.headers)
        region = self._intake.region(_claimed_region(request))
        body = await _body(request)
        self._auth.verify_signature(request.headers, body, region)
        event = decode(body)
        arrival = self._intake.read(event, region)
        if isinstance(arrival, Ignored):
            if arrival is Ignored.PING:
                log.event(logging.INFO, "ping", region=region)
                return _json({"status": "pong", "region": region})
            log.event(
                logging.INFO, "ignored", action=event.action, id=event.id, region=region, reason=arrival
            )
            return _json({"status": "ignored", "action": event.action, "reason": arrival.value})
        receipt = await self._engine.deliver(arrival)
        location, accepted = check_status(self._origin.of(request.scope), arrival.operation_id)
        headers = {
            "location": location,
            "retry-after": "10",
            "fanin-arrival": receipt.result.value if receipt else "accepted",
        }
        return Response(accepted, 202, headers, "application/json")

    def _refused(self, request: Request, error: AggregatorError) -> Response:
        path, region = request.url.path[:200], _claimed_region(request)[:64] or None
        log.event(logging.INFO, "refused", status=error.status, path=path, region=region, reason=error)
        if isinstance(error, UnauthorizedError):
            return Response(status_code=error.status)
        headers = None if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
        return _json({"error": error.code, "message": str(error)}, error.status, headers)


def _claimed_region(request: Request) -> str:
    query, _ = parse_query(request.scope["query_string"])
    return request.path_params.get("region") or query.get("region", "")


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    too_large = announced.isdecimal() and int(announced) > BODY_BYTES_MAX
    if too_large and "expect" in request.headers:
        raise BodyTooLargeError(f"the body has {announced[:20]} bytes; at most {BODY_BYTES_MAX} are accepted")
    body = b""
    try:
        async with asyncio.timeout(limits.BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.BODY_BYTES_READ_MAX:
                    break
    except TimeoutError as exc:
        raise BodyTimeoutError(f"the body did not arrive within {limits.BODY_S:g} s") from exc
    except ClientDisconnect as exc:
        raise MalformedError("the sender closed the connection before the body was complete") from exc
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has more than {BODY_BYTES_MAX} bytes")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncodingError(encoding)
    return body


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")
