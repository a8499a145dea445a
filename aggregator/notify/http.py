"""One attempt at a notification: an HTTP POST. Any 2xx accepts it, any other response does not."""

import math
import os
import ssl
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from importlib.metadata import version

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.connection import ConnectionFailedError, Connections
from fanin.aggregator.notify.formats import Message, Render
from fanin.aggregator.notify.name_lookup import NameLookup, lookup_on_loop
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_policy import RETRY_AFTER_MS_MAX
from fanin.aggregator.notify.target import Target
from fanin.aggregator.signing import Signer

_ACCEPTED = range(200, 300)
# Standard Webhooks, "Delivery success and failure": 410 ends the subscription.
_GONE_IF_SIGNED = frozenset({HTTPStatus.GONE})
# After a 429 without a Retry-After.
_RATE_LIMIT_PAUSE_MS = 5_000


@cache
def _version() -> str:
    """Of this installation; looking it up is slow where thousands of lives are simulated."""
    return version("fanin")


class HttpTarget:
    """A target with a URL. Redirects are not followed: their destination was not configured.

    The caller limits how many attempts run at once, and how long one may take.
    """

    def __init__(
        self,
        target: Target,
        render: Render,
        clock: Clock,
        *,
        gone: frozenset[int] = frozenset(),
        rate_limited: bool = False,
        lookup: NameLookup = lookup_on_loop,
    ) -> None:
        self._render, self._clock, self._rate_limited = render, clock, rate_limited
        self._signer = Signer(target.signing_secrets) if target.signing_secrets else None
        self._gone = gone | (_GONE_IF_SIGNED if self._signer else frozenset())
        self._paused_until_ms = 0  # Unix epoch; nothing is sent before, if the receiver limits the rate
        address = target.address
        self._connections = Connections(address, lookup)
        lines = [
            f"POST {address.path} HTTP/1.1",
            f"host: {address.host_header}",
            f"user-agent: fanin/{_version()}",
        ]
        if address.authorization:
            lines.append(f"authorization: {address.authorization}")
        lines += [f"{name}: {value}" for name, value in target.headers]
        self._head = "\r\n".join(lines)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def send(self, notification: Notification) -> None:
        """Make one attempt: POST the notification, with its key as ``webhook-id``.

        Raises:
            NotDeliveredError: the target has not accepted it, or that is unknown.
        """
        now_ms = self._clock.now_ms()
        if now_ms < self._paused_until_ms:
            left_ms = self._paused_until_ms - now_ms
            raise NotDeliveredError("the receiver asked for a pause", retry_after_ms=left_ms, sent=False)
        request = self._request(notification, self._render(notification), now_ms // 1000)
        try:
            answer = await self._connections.post(request)
        except ConnectionFailedError as exc:
            raise NotDeliveredError(str(exc)) from exc
        except OSError as exc:
            raise NotDeliveredError(_reason(exc)) from exc
        if answer.status not in _ACCEPTED:
            raise self._refused(answer.status, answer.retry_after)

    def _request(self, notification: Notification, message: Message, timestamp_s: int) -> bytes:
        headers = {
            **message.headers,
            "webhook-id": notification.key,
            "webhook-timestamp": str(timestamp_s),
            "content-length": str(len(message.body)),
        }
        if self._signer:
            headers["webhook-signature"] = self._signer.sign(notification.key, timestamp_s, message.body)
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        return f"{self._head}{lines}\r\n\r\n".encode() + message.body

    def _refused(self, status: int, retry_after: str | None) -> NotDeliveredError:
        now_ms = self._clock.now_ms()
        after_ms = parse_retry_after(retry_after, now_ms)
        if self._rate_limited and (status == HTTPStatus.TOO_MANY_REQUESTS or after_ms is not None):
            pause_ms = _RATE_LIMIT_PAUSE_MS if after_ms is None else min(after_ms, RETRY_AFTER_MS_MAX)
            self._paused_until_ms = max(self._paused_until_ms, now_ms + pause_ms)
        return NotDeliveredError(f"answered {status}", retry_after_ms=after_ms, final=status in self._gone)


def parse_retry_after(retry_after: str | None, now_ms: int) -> int | None:
    """Parse ``Retry-After`` to milliseconds from ``now_ms`` (Unix epoch) on; None if absent or unreadable.

    It is seconds, with a fraction as Discord writes them, or a date (RFC 9110, section 10.2.3).
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
        except (ValueError, OverflowError):
            return None
    return math.ceil(seconds * 1000) if math.isfinite(seconds) and seconds >= 0 else None


def _reason(exc: OSError) -> str:
    """Why there is no connection. The URL is left out, because it may hold a secret."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"no TLS: {exc.reason}"
    if exc.errno:
        # Names that cannot be resolved have negative numbers, which only their own text explains.
        return os.strerror(exc.errno) if exc.errno > 0 else str(exc.strerror)
    return str(exc) or type(exc).__name__
