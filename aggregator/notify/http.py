"""One attempt at a notification: an HTTP POST. Any 2xx accepts it, everything else does not."""

import math
import os
import ssl
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.connection import ConnectionFailedError, Connections
from fanin.aggregator.notify.formats.format import Message, Render
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_policy import RETRY_AFTER_MS_MAX
from fanin.aggregator.notify.signing import Signer
from fanin.aggregator.notify.target import Target

_ACCEPTED = range(200, 300)
# Standard Webhooks, "Delivery success and failure": the receiver wants no more from this source.
_GONE_IF_SIGNED = frozenset({HTTPStatus.GONE})
# What somebody who says 429 and no time is left alone for.
_PACE_MS = 5_000


class HttpTarget:
    """Accepts notifications at a URL. Redirects are not followed: where they point to was not configured.

    The caller limits how many attempts run at once, and how long one may take.
    """

    def __init__(
        self,
        target: Target,
        render: Render,
        clock: Clock,
        *,
        gone: frozenset[int] = frozenset(),
        paced: bool = False,
    ) -> None:
        self._render, self._clock, self._paced = render, clock, paced
        self._signer = Signer(target.signing_secrets) if target.signing_secrets else None
        self._gone = gone | (_GONE_IF_SIGNED if self._signer else frozenset())
        self._rests_until_ms = 0  # Unix epoch; until then a paced receiver is left alone
        address = target.address
        self._connections = Connections(address)
        lines = [
            f"POST {address.path} HTTP/1.1",
            f"host: {address.host_header}",
            f"user-agent: fanin/{version('fanin')}",
        ]
        if address.authorization:
            lines.append(f"authorization: {address.authorization}")
        lines += [f"{name}: {value}" for name, value in target.headers]
        self._head = "\r\n".join(lines)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def send(self, notification: Notification) -> None:
        """Post it, under the key of its decision.

        Raises:
            NotDeliveredError: it was not accepted, or we cannot know whether it was.
        """
        now_ms = self._clock.now_ms()
        if now_ms < self._rests_until_ms:
            left_ms = self._rests_until_ms - now_ms
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
        asked_ms = asked_for_ms(retry_after, now_ms)
        if self._paced and (status == HTTPStatus.TOO_MANY_REQUESTS or asked_ms is not None):
            rest_ms = _PACE_MS if asked_ms is None else min(asked_ms, RETRY_AFTER_MS_MAX)
            self._rests_until_ms = max(self._rests_until_ms, now_ms + rest_ms)
        return NotDeliveredError(f"answered {status}", retry_after_ms=asked_ms, final=status in self._gone)


def asked_for_ms(retry_after: str | None, now_ms: int) -> int | None:
    """What ``Retry-After`` asks for: seconds, with a fraction as Discord writes them, or a date (RFC 9110).

    None when there is none, or when it cannot be understood.
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
    """Why there is no connection, without the address: that is in the settings."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"no TLS: {exc.reason}"
    if exc.errno:
        # Names that cannot be resolved have negative numbers, which only their own text explains.
        return os.strerror(exc.errno) if exc.errno > 0 else str(exc.strerror)
    return str(exc) or type(exc).__name__
