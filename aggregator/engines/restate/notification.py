"""Telling an outcome to one target: an invocation of its own, so that it never stands in an operation's way.

A first attempt that is accepted leaves nothing in the journal but the end of its invocation. One that fails
is noted durably and hands over to another invocation, some time later: waiting costs the server a timer, and
none of the invocations that it lets run at once. So does an attempt that finds no room here. Meanwhile, and
when it is given up, the notification is a letter (`letters`).
"""

import asyncio

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.attempt_slots import Room
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.services import Names
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import ATTEMPT_S, attempt, decide_retry, record_accepted, record_failure
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.settings import Settings

# For one target: attempts that run at once, and that wait for that. The server's default limit is 1,000
# invocations at once on a node, ours and everybody else's.
FIRST_SLOTS, FIRST_QUEUE_MAX = 64, 160
REPEAT_SLOTS, REPEAT_QUEUE_MAX = 32, 32


class Tell(msgspec.Struct, frozen=True, omit_defaults=True):
    """A notification that a target is to be told. `letters` keeps it as well."""

    target: str
    notify: Notification
    attempts: int = 0  # that failed
    tried_ms: int = 0  # the pauses between them, added up

    @property
    def first(self) -> bool:
        """Whether nobody has asked the target yet."""
        return self.tried_ms == 0


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an attempt ended, and what follows from that. Decided once, durably."""

    error: str | None  # None: it was accepted
    at_ms: int  # Unix epoch
    attempts: int
    pause_ms: int | None = None  # until the next attempt; None: there is none


class Keep(msgspec.Struct, frozen=True):
    """A notification that waits for its next attempt, or will have none. State and message of `letters`."""

    tell: Tell
    noted: Noted


_encode = msgspec.json.Encoder().encode
_tell = msgspec.json.Decoder(Tell).decode
_noted = msgspec.json.Decoder(Noted).decode


def letter_key(tell: Tell) -> str:
    """Where a notification to a target is kept."""
    return f"{tell.notify.key}/{tell.target}"


class Telling:
    """The handler of the service."""

    def __init__(
        self, names: Names, notifier: Notifier, settings: Settings, clock: Clock, metrics: Metrics
    ) -> None:
        self._names, self._notifier, self._settings = names, notifier, settings
        self._clock, self._metrics = clock, metrics
        self._rooms: dict[tuple[str, bool], Room] = {}  # by target; first attempts apart from repeats

    async def tell(self, call: Call) -> None:
        """Make one attempt, and provide for the next one if it fails. Input: `Tell`."""
        message = _tell(call.input)
        # An attempt that repeats steps has had its answer before; if no process has noted it, nobody knows.
        error = NotDeliveredError("interrupted") if call.repeats else await self._attempt(message)
        if error is None and message.first:
            call.finish(b"")
            return
        noted = _noted(call.run("noted", lambda: _encode(self._note(message, error))))
        names = self._names
        if noted.error is None:
            call.send(names.letters, names.DROP, b"{}", key=letter_key(message))
            call.finish(b"")
            return
        call.send(names.letters, names.KEEP, _encode(Keep(message, noted)), key=letter_key(message))
        if noted.pause_ms is not None:
            following = msgspec.structs.replace(
                message, attempts=noted.attempts, tried_ms=message.tried_ms + noted.pause_ms
            )
            call.send(names.teller, names.TELL, _encode(following), delay_ms=noted.pause_ms)
        call.finish(b"")

    async def _attempt(self, message: Tell) -> NotDeliveredError | None:
        """None when it was accepted, otherwise why not."""
        room = self._room(message)
        if not await room.wait():
            return NotDeliveredError("too many notifications wait for an answer already", sent=False)
        scope = asyncio.timeout(ATTEMPT_S)

        async def telling() -> None:
            room.begin(scope)
            await self._notifier.send(message.target, message.notify)

        try:
            error = await attempt(telling, scope)
        finally:
            room.end(scope)
        if error is None:
            record_accepted(self._metrics, message.notify, message.target, attempt=message.attempts + 1)
        return error

    def _note(self, message: Tell, error: NotDeliveredError | None) -> Noted:
        """What follows from how an attempt ended."""
        if error is None:
            return Noted(None, self._clock.now_ms(), message.attempts)
        follows = decide_retry(
            message.notify, error,
            attempts=message.attempts, tried_ms=message.tried_ms,
            retry_policy=self._settings.retry_policy(message.target),
        )  # fmt: skip
        record_failure(self._metrics, message.notify, message.target, error=error, decision=follows)
        pause = None if follows.dead else follows.pause_ms
        return Noted(str(error), self._clock.now_ms(), follows.attempts, pause)

    def _room(self, message: Tell) -> Room:
        first = message.attempts == 0
        room = self._rooms.get((message.target, first))
        if room is None:
            slots, queue_max = (FIRST_SLOTS, FIRST_QUEUE_MAX) if first else (REPEAT_SLOTS, REPEAT_QUEUE_MAX)
            room = self._rooms[message.target, first] = Room(slots, queue_max, gives_way=first)
        return room
