"""One attempt at a notification: an HTTP POST. Any 2xx accepts it, any other response does not."""

import math
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from importlib.metadata import version

from fanin.aggregator.clock import Clock
from fanin.aggregator.durations import format_duration
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.connection import ConnectionFailedError, Connections, Response
from fanin.aggregator.notify.connector import Connector, reason_of
from fanin.aggregator.notify.formats import Message, Render
from fanin.aggregator.notify.name_lookup import NameLookup, lookup_on_loop
from fanin.aggregator.notify.open_attempt import OpenAttempt
from fanin.aggregator.notify.port import TIMED_OUT, AttemptEnded, BegunAttempt, NotDeliveredError
from fanin.aggregator.notify.progress import AttemptProgress
from fanin.aggregator.notify.retry_policy import RETRY_AFTER_MS_MAX
from fanin.aggregator.notify.target import Target
from fanin.aggregator.notify.time_limits import TimeLimits
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

    The caller limits how many attempts run at once.
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
        self._limits = TimeLimits(target.timeout_ms / 1000)
        self._timeout_ms, self._has_proxy = target.timeout_ms, target.proxy is not None
        connector = Connector(target.address, lookup, proxy=target.proxy, tls_files=target.tls_files)
        self._connections = Connections(connector.connect)
        self._head = _head(target)

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
        progress, limit = AttemptProgress(), self._limits.limit()
        try:
            with limit:
                answer = await self._connections.post(request, progress)
        except ConnectionFailedError as exc:
            raise NotDeliveredError(str(exc)) from exc
        except OSError as exc:
            if limit.expired():
                raise NotDeliveredError(self._timed_out(progress)) from exc
            raise NotDeliveredError(reason_of(exc)) from exc
        if (refused := self._judge(answer)) is not None:
            raise refused

    def begin(self, notification: Notification, ended: AttemptEnded) -> BegunAttempt | None:
        """Begin the same attempt without a task, if there is an open connection.

        See `fanin.aggregator.notify.port.BeginningNotifier`.
        """
        now_ms = self._clock.now_ms()
        if now_ms < self._paused_until_ms:
            return None
        connection = self._connections.take()
        if connection is None:
            return None
        try:
            request = self._request(notification, self._render(notification), now_ms // 1000)
        except BaseException:
            connection.abort()
            raise
        attempt = OpenAttempt(
            self._connections, self._limits, judge=self._judge, timed_out=self._timed_out, ended=ended
        )
        attempt.begin(connection, request)
        return attempt

    def _judge(self, response: Response) -> NotDeliveredError | None:
        """What a response means; None: the target has accepted."""
        if response.status in _ACCEPTED:
            return None
        return self._refused(response.status, response.retry_after)

    def _timed_out(self, progress: AttemptProgress) -> str:
        return f"{TIMED_OUT} after {format_duration(self._timeout_ms)} while {progress}"

    def _request(self, notification: Notification, message: Message, timestamp_s: int) -> bytes:
        body, key, lines = message.body, notification.key, self._head
        for name, value in message.headers.items():
            lines += f"\r\n{name}: {value}"
        lines += f"\r\nwebhook-id: {key}\r\nwebhook-timestamp: {timestamp_s}\r\ncontent-length: {len(body)}"
        if self._signer:
            lines += f"\r\nwebhook-signature: {self._signer.sign(key, timestamp_s, body)}"
        return f"{lines}\r\n\r\n".encode() + body

    def _refused(self, status: int, retry_after: str | None) -> NotDeliveredError:
        now_ms = self._clock.now_ms()
        after_ms = parse_retry_after(retry_after, now_ms)
        if self._rate_limited and (status == HTTPStatus.TOO_MANY_REQUESTS or after_ms is not None):
            pause_ms = _RATE_LIMIT_PAUSE_MS if after_ms is None else min(after_ms, RETRY_AFTER_MS_MAX)
            self._paused_until_ms = max(self._paused_until_ms, now_ms + pause_ms)
        reason = f"answered {status}"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._has_proxy:
            reason += ": the proxy wants another name and password"
        return NotDeliveredError(reason, retry_after_ms=after_ms, final=status in self._gone)


def _head(target: Target) -> str:
    """The part of the head that is the same in each request."""
    address, proxy = target.address, target.proxy
    # A proxy without a tunnel is told where to (RFC 9112, section 3.2.2).
    place = f"http://{address.host_header}" if proxy is not None and not address.tls else ""
    lines = [
        f"POST {place}{address.path} HTTP/1.1",
        f"host: {address.host_header}",
        f"user-agent: fanin/{_version()}",
    ]
    if address.authorization:
        lines.append(f"authorization: {address.authorization}")
    if place and proxy is not None and proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    lines += [f"{name}: {value}" for name, value in target.headers]
    return "\r\n".join(lines)


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
