"""Notifications over HTTP without the aggregator's client, for variants that send otherwise than it can."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.harness.mutants.variation import SendVariation, vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

SUCCESS = range(200, 300)
CLOSES_AFTER_S = 2


class PlainRequest(NamedTuple):
    """One request to the sink."""

    method: str
    path: str
    key: str
    body: bytes
    content_type: str = "application/json"


def request_of(notification: Notification) -> PlainRequest:
    """The notification as the contract wants it."""
    return PlainRequest("POST", "/", notification.key, msgspec.json.encode(body_of(notification)))


async def exchange(url: str, request: PlainRequest) -> int:
    """Send a request, and wait for its status as long as that takes.

    Raises:
        NotDeliveredError: there was none.
    """
    address = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except OSError as exc:
        raise NotDeliveredError("refused") from exc
    try:
        head = (
            f"{request.method} {request.path} HTTP/1.1\r\nhost: {address.netloc}\r\n"
            f"webhook-id: {request.key}\r\ncontent-type: {request.content_type}\r\n"
            f"content-length: {len(request.body)}\r\n\r\n"
        )
        writer.write(head.encode("latin-1", "replace") + request.body)
        status_line = await reader.readline()
    except OSError as exc:
        raise NotDeliveredError("broken") from exc
    except asyncio.CancelledError:
        writer.close()  # it has given up waiting, which a sink sees
        raise
    finally:
        # A client that closes at the instant of a response may have given up, for all that a sink can see.
        asyncio.get_running_loop().call_later(CLOSES_AFTER_S, writer.close)
    _, _, after = status_line.partition(b" ")
    if not after[:3].isdigit():
        raise NotDeliveredError("no response")
    return int(after[:3])


def to_the_sink(variation_of: Callable[[str], SendVariation]) -> AppFactory:
    """The real aggregator with attempts that are made from the sink's URL."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        return vary(send=variation_of(environment["NOTIFY_URL"]))(environment, epoch_ms)

    return factory


def changing(change: Callable[[PlainRequest, Notification], PlainRequest]) -> AppFactory:
    """Send another request than the contract's; any 2xx accepts."""

    def variation_of(url: str) -> SendVariation:
        async def attempt(notification: Notification) -> None:
            status = await exchange(url, change(request_of(notification), notification))
            if status not in SUCCESS:
                raise NotDeliveredError(f"answered {status}")

        return lambda _send, _clock: attempt

    return to_the_sink(variation_of)
