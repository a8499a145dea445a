"""Connects to the first of a host's addresses that accepts (RFC 8305, "Happy Eyeballs").

A dead address costs a quarter of a second, not a timeout: the next one is tried beside it. Why this is no
library: docs/decisions/0003-notification-client.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import chain, zip_longest

from fanin.aggregator.notify.name_lookup import SocketAddress

# The "Connection Attempt Delay" that RFC 8305 recommends (section 8).
DELAY_S = 0.25

type Connect = Callable[[str, int], Awaitable[asyncio.Transport]]


async def connect_first(
    addresses: Sequence[SocketAddress], connect: Connect
) -> tuple[SocketAddress, asyncio.Transport]:
    """Connect to the addresses in their order, each a moment after the one before or when that has failed.

    Returns:
        The address that accepted first, and its transport. Connections to others are given up.

    Raises:
        OSError: none accepts; the last one's reason.
    """
    if len(addresses) == 1:
        return addresses[0], await connect(*addresses[0])
    failure = OSError("no address")
    waiting = list(reversed(addresses))
    running: dict[asyncio.Future[asyncio.Transport], SocketAddress] = {}
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop()
                running[asyncio.ensure_future(connect(*address))] = address
            await asyncio.wait(
                running, timeout=DELAY_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in [it for it in running if it.done()]:
                address = running.pop(attempt)
                try:
                    return address, attempt.result()
                except OSError as exc:
                    failure = exc
        raise failure
    finally:
        for attempt in running:
            attempt.cancel()
            attempt.add_done_callback(_give_up)


def _give_up(attempt: asyncio.Future[asyncio.Transport]) -> None:
    """Close a connection that came second. One that failed or was cancelled needs nothing."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()


def in_order(
    addresses: Sequence[SocketAddress],
    *,
    preferred: SocketAddress | None = None,
    avoided: Collection[SocketAddress] = (),
) -> list[SocketAddress]:
    """The order of attempts: what worked last, then the families in turn, beginning with the first one's.

    Args:
        addresses: As the look-up orders them.
        preferred: The address that accepted last; ignored when it is no longer one of them.
        avoided: Addresses that come last.
    """
    first = [host for host, _ in addresses[:1] if ":" in host]
    six = [it for it in addresses if ":" in it[0]]
    four = [it for it in addresses if ":" not in it[0]]
    pairs = zip_longest(*((six, four) if first else (four, six)))
    ordered = [it for it in chain.from_iterable(pairs) if it is not None]
    if preferred in ordered:
        ordered.remove(preferred)
        ordered.insert(0, preferred)
    return sorted(ordered, key=lambda it: it in avoided)
