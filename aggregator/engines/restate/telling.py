"""Telling an outcome to one target: an invocation of its own, so that it never stands in an operation's way.

An attempt that is accepted leaves nothing in the journal but the end of its invocation. One that fails is
noted durably and hands over to another invocation, some time later: waiting costs the server a timer, and
none of the invocations that it lets run at once. So does an attempt that finds no room here.
"""

import asyncio
import logging

import msgspec

from aggregator import log
from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError
from aggregator.engines.restate.call import Call
from aggregator.engines.restate.subscribers import Subscribers
from aggregator.fanin import Notify
from aggregator.metrics import Metrics
from aggregator.notify.outbox import ATTEMPT_S, FAIR_S, backoff_ms

TELL = "tell"
# Attempts of one process that run at once, and that wait for that. The server runs 1,000 invocations at once.
FIRST_SLOTS, FIRST_QUEUE_MAX = 64, 160
REPEAT_SLOTS, REPEAT_QUEUE_MAX = 32, 32


class Tell(msgspec.Struct, frozen=True, omit_defaults=True):
    """A notification that a target is to be told."""

    target: str
    notify: Notify
    attempts: int = 0  # that failed


class Failure(msgspec.Struct, frozen=True):
    """An attempt that was not accepted."""

    reason: str


_encode = msgspec.json.Encoder().encode
_tell = msgspec.json.Decoder(Tell).decode
_failure = msgspec.json.Decoder(Failure).decode


class Room:
    """Who may make an attempt: so many at once, and so many who wait for that.

    Where attempts give way, one that has had a fair while ends for one that waits.
    """

    def __init__(self, slots: int, queue_max: int, *, gives_way: bool) -> None:
        self._slots, self._queue_max, self._gives_way = slots, queue_max, gives_way
        self._running: dict[asyncio.Timeout, float] = {}  # since when, loop time; oldest first
        self._waiting = 0
        self._freed = asyncio.Event()

    async def wait(self) -> bool:
        """Wait for a place; False when too many wait already. What follows must `begin` at once."""
        if len(self._running) < self._slots:
            return True
        if self._waiting >= self._queue_max:
            return False
        self._waiting += 1
        try:
            while len(self._running) >= self._slots:
                self._freed.clear()
                try:
                    async with asyncio.timeout(self._left_s()):
                        await self._freed.wait()
                except TimeoutError:
                    self._end_oldest()
        finally:
            self._waiting -= 1
        return True

    def begin(self, scope: asyncio.Timeout) -> None:
        """Take the place, for as long as the scope lasts."""
        self._running[scope] = asyncio.get_running_loop().time()

    def end(self, scope: asyncio.Timeout) -> None:
        """Leave it."""
        self._running.pop(scope, None)
        self._freed.set()

    def _left_s(self) -> float | None:
        if not self._gives_way:
            return None
        return max(0.0, next(iter(self._running.values())) + FAIR_S - asyncio.get_running_loop().time())

    def _end_oldest(self) -> None:
        if len(self._running) >= self._slots and self._left_s() == 0:
            oldest = next(iter(self._running))
            del self._running[oldest]
            oldest.reschedule(asyncio.get_running_loop().time())


class Telling:
    """The handlers of the service."""

    def __init__(self, name: str, subscribers: Subscribers, clock: Clock, metrics: Metrics) -> None:
        self._name, self._subscribers, self._clock, self._metrics = name, subscribers, clock, metrics
        self._rooms: dict[tuple[str, bool], Room] = {}  # by target, first attempts apart from repeats

    async def tell(self, call: Call) -> None:
        """Make one attempt, and provide for the next one if it fails. Input: `Tell`."""
        message = _tell(call.input)
        # An attempt that repeats steps has failed before: what was accepted leaves no steps.
        reason = "interrupted" if call.repeats else await self._attempt(message)
        if reason is None:
            call.finish(b"")
            return
        noted = _failure(call.run("failure", lambda: _encode(Failure(reason))))
        attempts = message.attempts + 1
        pause_ms = backoff_ms(message.notify.key, attempts)
        log.event(
            logging.WARNING,
            "not-notified",
            operation=message.notify.operation_id,
            attempt=attempts,
            reason=noted.reason,
            again_in_s=pause_ms / 1000,
        )
        call.send(
            self._name,
            TELL,
            _encode(msgspec.structs.replace(message, attempts=attempts)),
            delay_ms=pause_ms,
        )
        call.finish(b"")

    async def _attempt(self, message: Tell) -> str | None:
        """None when it was accepted, otherwise why not."""
        notify = message.notify
        room = self._room(message)
        if not await room.wait():
            return "too many notifications wait for an answer already"
        scope = asyncio.timeout(ATTEMPT_S)
        try:
            async with scope:
                room.begin(scope)
                await self._subscribers.tell(message.target, notify)
        except NotDeliveredError as exc:
            reason = str(exc)
        except TimeoutError:
            reason = "no answer in time"
        except Exception as exc:  # noqa: BLE001 - a bug that one notification meets must not silence the others
            log.LOGGER.exception("notify-crashed")
            reason = f"internal error: {type(exc).__name__}"
        else:
            self._metrics.attempts["ok"] += 1
            log.event(logging.INFO, "notified", operation=notify.operation_id, attempt=message.attempts + 1)
            return None
        finally:
            room.end(scope)
        self._metrics.attempts["failed"] += 1
        return reason

    def _room(self, message: Tell) -> Room:
        first = message.attempts == 0
        room = self._rooms.get((message.target, first))
        if room is None:
            slots, queue_max = (FIRST_SLOTS, FIRST_QUEUE_MAX) if first else (REPEAT_SLOTS, REPEAT_QUEUE_MAX)
            room = self._rooms[message.target, first] = Room(slots, queue_max, gives_way=first)
        return room
