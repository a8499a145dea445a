"""Carries one webhook over a real network, and says in the standard library's words how that ended."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import aiohttp
from yarl import URL

from fanin.harness.world.asgi import OnResponse, WebhookResponse
from fanin.simulator.wire import WebhookRequest

_PIECES = 10
# Of an answer's body so much is read, and for so long. Check-status answers have about 2 KB.
ANSWER_BYTES_MAX = 64 * 1024
ANSWER_S = 5
# Whoever has not taken a connection after so long never will.
CONNECT_S = 10


def client() -> aiohttp.ClientSession:
    """A client that opens a connection for every request.

    What a dead process leaves in a pool proves nothing, and a connection that its server closes because it
    was idle looks like a broken answer.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def deliver(
    session: aiohttp.ClientSession,
    url: str,
    request: WebhookRequest,
    *,
    body_over_ms: int,
    on_response: OnResponse,
    headers: Mapping[str, str] | None = None,
    wants_body: bool = False,
) -> tuple[WebhookResponse, bytes]:
    """Send a webhook to ``url``, which is percent-encoded and sent as it stands.

    Args:
        session: From `client`.
        url: Where to.
        request: Its headers and body are sent; its own target is not looked at.
        body_over_ms: How long the body takes to trickle in.
        on_response: Told the status before anybody else; True breaks the connection.
        headers: Sent besides.
        wants_body: Whether to wait for the answer's body, too.

    Returns:
        The answer, and its body if that is wanted.

    Raises:
        ConnectionRefusedError: no connection; the request certainly did not count.
        ConnectionResetError: the connection broke; it may have counted.
    """
    # Of raw bytes that are many, aiohttp warns.
    body = _trickle(request.body, body_over_ms) if body_over_ms else io.BytesIO(request.body)
    try:
        async with session.post(
            URL(url, encoded=True),
            data=body,
            headers=[*request.headers, *(headers or {}).items()],
            allow_redirects=False,
        ) as response:
            if on_response(response.status):
                raise ConnectionResetError("the aggregator died before its answer left")
            answer = WebhookResponse(
                response.status, {name.lower(): value for name, value in response.headers.items()}
            )
            return answer, await _body(response) if wants_body else b""
    except aiohttp.ConnectionTimeoutError:
        raise ConnectionRefusedError(f"no connection within {CONNECT_S} s") from None
    except aiohttp.ClientConnectorError as exc:
        raise ConnectionRefusedError(_reason(exc)) from None
    except aiohttp.ClientError as exc:
        raise ConnectionResetError(type(exc).__name__) from None


def _reason(exc: aiohttp.ClientConnectorError) -> str:
    """Why there was no connection, without the URL."""
    error = exc.os_error
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return error.strerror or str(error) or type(exc).__name__


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The status has decided already, so a body that breaks off or never ends is only shorter."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            async for piece in response.content.iter_any():
                body += piece
                if len(body) >= ANSWER_BYTES_MAX:
                    break
    return bytes(body)


async def _trickle(body: bytes, over_ms: int) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for piece in pieces:
        await asyncio.sleep(over_ms / 1000 / len(pieces))
        yield piece
