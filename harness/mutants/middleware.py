"""ASGI middleware in front of the real application, for variants of its HTTP interface.

Rules of this file: only webhooks (POST requests) pass through a handler, and their whole body is read first;
everything else goes to the application untouched.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from fanin.harness.world.asgi import AsgiApp

type Middleware = Callable[[AsgiApp], AsgiApp]
type Forward = Callable[["WebhookCall"], Awaitable["AppResponse"]]  # has the application answer it
type Handler = Callable[["WebhookCall", Forward], Awaitable["AppResponse"]]


class AppResponse(NamedTuple):
    """An HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class WebhookCall(NamedTuple):
    """A POST request whose body has been read."""

    scope: Mapping[str, Any]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By name, in lower case."""
        return {name.decode("latin-1").lower(): it.decode("latin-1") for name, it in self.scope["headers"]}

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL, decoded."""
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    @property
    def region(self) -> str:
        """The region as the URL has it, decoded but not normalised."""
        head, slash, last = self.scope["path"].rpartition("/")
        return unquote(last) if slash and head == "/webhooks" else self.query.get("region", "")

    @property
    def payload(self) -> dict[str, Any]:
        """The body; empty when it is no JSON object."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}

    def with_body(self, body: bytes) -> "WebhookCall":
        """The same request with another body."""
        length = (b"content-length", str(len(body)).encode())
        headers = [(name, value) for name, value in self.scope["headers"] if name.lower() != length[0]]
        return WebhookCall({**self.scope, "headers": [*headers, length]}, body)

    def with_payload(self, **fields: Any) -> "WebhookCall":
        """The same request with other fields in its payload."""
        return self.with_body(msgspec.json.encode({**self.payload, **fields}))

    def with_query(self, **parameters: str) -> "WebhookCall":
        """The same request with other parameters in its URL."""
        query = urlencode({**self.query, **parameters}).encode()
        return self._replace(scope={**self.scope, "query_string": query})


def intercept(handler: Handler) -> Middleware:
    """Middleware that has webhooks answered by a handler, which may forward them."""

    def middleware(app: AsgiApp) -> AsgiApp:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["method"] != "POST":
                await app(scope, receive, send)
                return
            body = await _read(receive)
            if body is None:
                return
            status, headers, content = await handler(WebhookCall(scope, body), lambda call: _call(app, call))
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            await send({"type": "http.response.body", "body": content})

        return wrapped

    return middleware


def replace_status(statuses: Mapping[int, int]) -> Middleware:
    """Middleware that answers with other statuses, by the application's own."""

    def middleware(app: AsgiApp) -> AsgiApp:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            async def send_replaced(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "status": statuses.get(message["status"], message["status"])}
                await send(message)

            await app(scope, receive, send_replaced)

        return wrapped

    return middleware


async def _read(receive: Any) -> bytes | None:
    """A request's body to its end; None when the client disconnects before."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _call(app: AsgiApp, call: WebhookCall) -> AppResponse:
    """The application's response to a request."""
    status, headers, content = 500, (), bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple(message["headers"])
        else:
            content.extend(message.get("body", b""))

    await app({**call.scope}, receive, send)
    return AppResponse(status, headers, bytes(content))
