"""Notifications that a target has refused at least once: a virtual object each, to be listed.

Attempts do not depend on it: an attempt stores its result here after it has ordered the next one. Only a dead
letter begins again from here, when it is requeued.
"""

import msgspec

from fanin.aggregator.engine import OutboxEntry
from fanin.aggregator.engines.restate import sort_key
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.notification import SendRequest
from fanin.aggregator.engines.restate.services import ServiceNames

# The only entry of an object's state.
STATE = "entry"
# What the kinds of its sort key stand for.
PENDING, DEAD = "p", "d"

_encode = msgspec.json.Encoder().encode
_send_request = msgspec.json.Decoder(SendRequest).decode


def load(stored: bytes) -> OutboxEntry:
    """A stored notification as the port shows it."""
    request = _send_request(sort_key.remove(stored))
    return OutboxEntry.of(request.target, request.notification, request.record)


class OutboxObject:
    """The handlers of the object."""

    def __init__(self, names: ServiceNames) -> None:
        self._names = names

    def store(self, call: Call) -> None:
        """An attempt has failed. Input: `SendRequest`."""
        request = _send_request(call.input)
        dead = request.record.dead_ms is not None
        first, kind = (2, DEAD) if dead else (1, PENDING)
        stored = sort_key.prepend(first, request.notification.decided_ms, kind, _encode(request))
        call.set(STATE, stored)
        call.finish(b"")

    def delete(self, call: Call) -> None:
        """The target has accepted it after all."""
        call.clear()
        call.finish(b"")

    def requeue(self, call: Call) -> None:
        """Send a dead letter again. Output: JSON, whether it was one."""
        stored = call.get(STATE)
        request = None if stored is None else _send_request(sort_key.remove(stored))
        if request is None or request.record.dead_ms is None:
            call.finish(b"false")
            return
        again = msgspec.structs.replace(request, record=request.record.requeued())
        call.clear()
        call.send(self._names.sender, self._names.SEND, _encode(again))
        call.finish(b"true")
