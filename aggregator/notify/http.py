"""One attempt at a notification: an HTTP POST. The only file that knows the HTTP client."""

import os
from collections.abc import Callable
from importlib.metadata import version

import aiohttp
from yarl import URL

from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError
from aggregator.fanin import Notify
from aggregator.notify.plain import Message

_ACCEPTED = range(200, 300)


class HttpTarget:
    """A URL that accepts notifications: any 2xx accepts, everything else does not, redirects included.

    The caller limits how many attempts run at once, and how long one may take.
    """

    def __init__(self, url: str, render: Callable[[Notify], Message], clock: Clock) -> None:
        self._url, self._render, self._clock = URL(url), render, clock
        self._session: aiohttp.ClientSession | None = None
        self._user_agent = f"fanin/{version('fanin')}"

    async def open(self) -> None:
        """Make ready to connect. Nothing is sent."""
        connector = aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver())
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def tell(self, notify: Notify) -> None:
        """Post it, under the key of its decision.

        Raises:
            NotDeliveredError: it was not accepted, or we cannot know whether it was.
        """
        if self._session is None:
            raise NotDeliveredError("not open")
        message = self._render(notify)
        headers = {
            **message.headers,
            "user-agent": self._user_agent,
            "webhook-id": notify.key,
            "webhook-timestamp": str(self._clock.now_ms() // 1000),
        }
        try:
            async with self._session.post(
                self._url, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                # The body is left unread: what was accepted must not become doubtful because it stalls.
                status = answer.status
        except (aiohttp.ClientError, OSError) as exc:
            raise NotDeliveredError(_reason(exc)) from exc
        if status not in _ACCEPTED:
            raise NotDeliveredError(f"answered {status}")


def _reason(exc: Exception) -> str:
    """Why, without the URL: its path may hold a secret."""
    if isinstance(exc, OSError) and exc.errno:
        # Names that cannot be resolved have negative numbers, which only their own text explains.
        return os.strerror(exc.errno) if exc.errno > 0 else str(exc.strerror)
    return type(exc).__name__
