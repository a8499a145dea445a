"""One attempt at a notification: an HTTP POST. Any 2xx accepts it, everything else does not."""

import os
import ssl
from collections.abc import Callable
from importlib.metadata import version

from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError
from aggregator.fanin import Notify
from aggregator.notify.address import Address
from aggregator.notify.connection import ConnectionFailedError, Connections
from aggregator.notify.plain import Message

_ACCEPTED = range(200, 300)


class HttpTarget:
    """Accepts notifications at a URL. Redirects are not followed: where they point to was not configured.

    The caller limits how many attempts run at once, and how long one may take.
    """

    def __init__(self, address: Address, render: Callable[[Notify], Message], clock: Clock) -> None:
        self._render, self._clock = render, clock
        self._connections = Connections(address)
        lines = [
            f"POST {address.path} HTTP/1.1",
            f"host: {address.host_header}",
            f"user-agent: fanin/{version('fanin')}",
        ]
        if address.authorization:
            lines.append(f"authorization: {address.authorization}")
        self._head = "\r\n".join(lines)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def tell(self, notify: Notify) -> None:
        """Post it, under the key of its decision.

        Raises:
            NotDeliveredError: it was not accepted, or we cannot know whether it was.
        """
        message = self._render(notify)
        headers = {
            **message.headers,
            "webhook-id": notify.key,
            "webhook-timestamp": str(self._clock.now_ms() // 1000),
            "content-length": str(len(message.body)),
        }
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        try:
            status = await self._connections.post(f"{self._head}{lines}\r\n\r\n".encode() + message.body)
        except ConnectionFailedError as exc:
            raise NotDeliveredError(str(exc)) from exc
        except OSError as exc:
            raise NotDeliveredError(_reason(exc)) from exc
        if status not in _ACCEPTED:
            raise NotDeliveredError(f"answered {status}")


def _reason(exc: OSError) -> str:
    """Why there is no connection, without the address: that is in the settings."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"no TLS: {exc.reason}"
    if exc.errno:
        # Names that cannot be resolved have negative numbers, which only their own text explains.
        return os.strerror(exc.errno) if exc.errno > 0 else str(exc.strerror)
    return str(exc) or type(exc).__name__
