"""An attempt over a connection that is open already. It needs no task, which would double what it costs.

Rules of this file: it ends as an attempt in a task does (`fanin.aggregator.notify.http.HttpTarget.send`), for
the same reasons, once, and in a later turn of the event loop.
"""

import asyncio
from collections.abc import Callable

from fanin.aggregator.notify.connection import Connection, ConnectionFailedError, Connections, Response
from fanin.aggregator.notify.port import PREEMPTED, AttemptEnded, NotDeliveredError
from fanin.aggregator.notify.progress import AttemptPhase, AttemptProgress
from fanin.aggregator.notify.time_limits import TimeLimits


class OpenAttempt:
    """See `fanin.aggregator.notify.port.BegunAttempt`."""

    __slots__ = (
        "_connection",
        "_connections",
        "_ended",
        "_given_up",
        "_judge",
        "_limits",
        "_timed_out",
        "began_s",
        "ends_s",
    )

    def __init__(
        self,
        connections: Connections,
        limits: TimeLimits,
        *,
        judge: Callable[[Response], NotDeliveredError | None],
        timed_out: Callable[[AttemptProgress], str],
        ended: AttemptEnded,
    ) -> None:
        """Prepare.

        Args:
            connections: The target's.
            limits: How long an attempt may take.
            judge: Says what a response means; None: the target has accepted.
            timed_out: The reason when it takes too long.
            ended: Called when it has ended.
        """
        self._connections, self._limits, self._judge, self._timed_out = connections, limits, judge, timed_out
        self._ended: AttemptEnded | None = ended
        self._given_up = ""  # why, when it has been
        self.began_s = self.ends_s = 0.0  # loop time

    def begin(self, connection: Connection, request: bytes) -> None:
        """Send the request over a connection that `Connections.take` has given."""
        self._connection = connection
        connection.begin(request, self._end)
        self._limits.began(self, asyncio.get_running_loop())

    def expire(self) -> None:
        progress = AttemptProgress()
        progress.phase = AttemptPhase.REQUEST if self._connection.is_sending else AttemptPhase.RESPONSE
        self._give_up(self._timed_out(progress))

    def preempt(self) -> None:
        self._give_up(PREEMPTED)

    def cancel(self) -> None:
        self._ended = None
        self._connection.fail(PREEMPTED)

    def _give_up(self, reason: str) -> None:
        """End it, unless a response has come that a busy event loop has not read yet: that one counts."""
        if not self._given_up:
            self._given_up = reason
            loop = asyncio.get_running_loop()
            # Between two turns the loop reads what is there.
            loop.call_soon(loop.call_soon, self._fail)

    def _fail(self) -> None:
        if self._ended is not None:
            self._connection.fail(self._given_up)

    def _end(self, result: Response | ConnectionFailedError) -> None:
        self._limits.ended(self)
        error: NotDeliveredError | None
        if isinstance(result, Response):
            error = self._judge(result)
        else:
            self._connection.on_failure()
            error = NotDeliveredError(self._given_up or str(result))
        self._connections.give_back(self._connection)
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self, error)
