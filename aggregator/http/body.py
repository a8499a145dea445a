"""Reads the body of a request, within limits of size and time."""

import asyncio

from starlette.requests import Request
from starlette.types import Receive, Scope

from fanin.aggregator.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    MalformedError,
    UnsupportedEncodingError,
)
from fanin.aggregator.http.exchange import CompleteRequest, complete_request
from fanin.aggregator.http.request_headers import RequestHeaders
from fanin.aggregator.wire import BODY_BYTES_MAX

# How long a body may take to arrive. Registries wait about 10 s for a response.
BODY_S = 30
# A body that is too large is read up to here all the same: a sender that is still sending does not see the
# response when the connection is closed.
BODY_BYTES_READ_MAX = 16 << 20


async def read_body(request: Request) -> bytes:
    """Read the whole body; see `receive_body`."""
    return await receive_body(request.scope, request.receive, RequestHeaders(request.scope["headers"]))


def take_body(request: CompleteRequest, headers: RequestHeaders) -> bytes | None:
    """Take the body of a request that has come as a whole, which needs no time limit; None if it cannot be.

    Raises:
        BodyTooLargeError, UnsupportedEncodingError: as `receive_body`.
    """
    body = request.take_body()
    if body is None:
        return None
    _refuse_announced(headers)
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has more than {BODY_BYTES_MAX} bytes")
    _refuse_encoded(headers)
    return body


async def receive_body(scope: Scope, receive: Receive, headers: RequestHeaders) -> bytes:
    """Receive the whole body of an ASGI request.

    Raises:
        BodyTooLargeError: it has more than `BODY_BYTES_MAX`.
        BodyTimeoutError: it takes longer than `BODY_S`.
        MalformedError: the sender closed the connection before its end.
        UnsupportedEncodingError: it is compressed.
    """
    _refuse_announced(headers)
    request = complete_request(scope)
    body = take_body(request, headers) if request is not None else None
    if body is not None:
        return body
    try:
        async with asyncio.timeout(BODY_S):
            body = await _receive(receive)
    except TimeoutError as exc:
        raise BodyTimeoutError(f"the body did not arrive within {BODY_S:g} s") from exc
    _refuse_encoded(headers)
    return body


def _refuse_announced(headers: RequestHeaders) -> None:
    """Refuse a body before it is sent, if its sender asks (RFC 9110, section 10.1.1)."""
    if not headers.get("expect"):
        return
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has {announced[:20]} bytes; at most {BODY_BYTES_MAX} are accepted")


def _refuse_encoded(headers: RequestHeaders) -> None:
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity" and encoding.strip().lower() != "identity":
        raise UnsupportedEncodingError(encoding)


async def _receive(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= BODY_BYTES_READ_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedError("the sender closed the connection before the body was complete")
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= BODY_BYTES_MAX:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"the body has more than {BODY_BYTES_MAX} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
