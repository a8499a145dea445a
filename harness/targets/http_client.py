"""Sends one webhook over a real network; failures are the standard library's connection errors."""

import asyncio
import errno
import io
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import aiohttp
from yarl import URL

from fanin.harness.world.asgi import OnResponse, WebhookResponse
from fanin.simulator.wire import WebhookRequest

_BODY_PIECES = 10
# How much of a response's body is read, and for how long. Check-status responses have about 2 KB.
BODY_BYTES_MAX = 64 * 1024
BODY_S = 5
# A connection that is not made after so long never is.
CONNECT_S = 10


def client() -> aiohttp.ClientSession:
    """A client that opens a new connection for every request.

    A pooled connection may belong to a process that was killed since, or may just be closed by its server
    for being idle; either would look like a broken response.
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
        body_over_ms: Over how long the body is sent, in pieces.
        on_response: Called with the status, before anything else; True breaks the connection.
        headers: Sent in addition to the request's own.
        wants_body: Whether to read the response's body.

    Returns:
        The response, and its body if that is wanted.

    Raises:
        ConnectionRefusedError: no connection; the request certainly did not count.
        ConnectionResetError: the connection broke; it may have counted.
    """
    # aiohttp warns about large raw bytes, not about a file.
    body = _in_pieces(request.body, body_over_ms) if body_over_ms else io.BytesIO(request.body)
    try:
        async with session.post(
            URL(url, encoded=True),
            data=body,
            headers=[*request.headers, *(headers or {}).items()],
            allow_redirects=False,
        ) as response:
            if on_response(response.status):
                raise ConnectionResetError("the aggregator was killed before its response left")
            result = WebhookResponse(
                response.status, {name.lower(): value for name, value in response.headers.items()}
            )
            return result, await _body(response) if wants_body else b""
    except aiohttp.ConnectionTimeoutError:
        raise ConnectionRefusedError(f"no connection within {CONNECT_S} s") from None
    except aiohttp.ClientConnectorError as exc:
        raise ConnectionRefusedError(_reason(exc)) from None
    except aiohttp.ClientError as exc:
        raise ConnectionResetError(_how_it_broke(exc)) from None


def _reason(exc: aiohttp.ClientConnectorError) -> str:
    """The reason without the URL, which may hold a key."""
    if isinstance(exc, aiohttp.ClientSSLError):
        return f"TLS failed: {_tls_reason(exc)}"  # its number is OpenSSL's, not the system's
    error = exc.os_error
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return error.strerror or str(error) or type(exc).__name__


def why_not_listening(exc: OSError) -> str:
    """Why an address cannot be listened at, without the address."""
    if isinstance(exc, socket.gaierror):
        return exc.strerror or "unknown host"  # its number is the resolver's
    # Where the machine has no such address, asyncio's error has no number.
    return os.strerror(exc.errno or errno.EADDRNOTAVAIL)


def _how_it_broke(exc: aiohttp.ClientError) -> str:
    match exc:
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without a response"
        case aiohttp.ClientResponseError():
            return "its response is not HTTP"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case _:
            return type(exc).__name__


def _tls_reason(exc: aiohttp.ClientSSLError) -> str:
    """``self-signed certificate`` or ``wrong version number``."""
    error = (
        exc.certificate_error if isinstance(exc, aiohttp.ClientConnectorCertificateError) else exc.os_error
    )
    why = getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__
    return str(why).replace("_", " ").lower()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """What can be read of the body in time. The status decides, so a body that breaks off is no error."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(BODY_S):
            async for piece in response.content.iter_any():
                body += piece
                if len(body) >= BODY_BYTES_MAX:
                    break
    return bytes(body)


async def _in_pieces(body: bytes, over_ms: int) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _BODY_PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for piece in pieces:
        await asyncio.sleep(over_ms / 1000 / len(pieces))
        yield piece
