"""Notifications that a target has refused at least once: a virtual object each, for people to look at.

Attempts do not depend on it: an attempt says here how it ended, after it has ordered the next one. Only what
was given up begins again from here, when somebody asks for it.
"""

import msgspec

from fanin.aggregator.engine import OutboxEntry
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.notification import Keep, Tell
from fanin.aggregator.engines.restate.services import Names
from fanin.aggregator.engines.restate.sort_key import ranked, unranked

# The only entry of an object's state.
STATE = "letter"
LIVE, DEAD = "l", "d"

_encode = msgspec.json.Encoder().encode
_keep = msgspec.json.Decoder(Keep).decode


def letter(stored: bytes) -> OutboxEntry:
    """A stored letter as the port shows it."""
    kept = _keep(unranked(stored))
    tell, noted = kept.tell, kept.noted
    return OutboxEntry(
        operation_id=tell.notify.operation_id,
        target=tell.target,
        outcome=tell.notify.outcome,
        key=tell.notify.key,
        attempts=noted.attempts,
        due_ms=None if noted.pause_ms is None else noted.at_ms + noted.pause_ms,
        error=noted.error,
        dead_ms=noted.at_ms if noted.pause_ms is None else None,
    )


class LetterBox:
    """The handlers of the object."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def keep(self, call: Call) -> None:
        """An attempt has failed. Input: `Keep`."""
        kept = _keep(call.input)
        dead = kept.noted.pause_ms is None
        stored = ranked(2 if dead else 1, kept.tell.notify.decided_ms, DEAD if dead else LIVE, _encode(kept))
        call.set(STATE, stored)
        call.finish(b"")

    def drop(self, call: Call) -> None:
        """It was accepted after all."""
        call.clear()
        call.finish(b"")

    def revive(self, call: Call) -> None:
        """Begin again, if it was given up. Output: JSON, whether it was."""
        stored = call.get(STATE)
        kept = None if stored is None else _keep(unranked(stored))
        if kept is None or kept.noted.pause_ms is not None:
            call.finish(b"false")
            return
        afresh = Tell(kept.tell.target, kept.tell.notify)
        call.clear()
        call.send(self._names.teller, self._names.TELL, _encode(afresh))
        call.finish(b"true")
