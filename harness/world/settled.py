"""When a run in real time has shown all that it can show.

Rules of this file: pure. In virtual time watching costs nothing, so every run is watched for as long as
anything may legally happen. In real time most of that is waiting for operations that were notified long
since: for those it is enough to see that no second outcome follows.
"""

from collections.abc import Iterable

from fanin.harness.history import (
    SUCCESS,
    AttemptEnded,
    AttemptSent,
    Entry,
    NotificationReceived,
    RegistryEvent,
    SinkResponded,
)

# What a sender was told with one of these began nothing.
_REFUSED = range(400, 500)


def settled_ms(entries: Iterable[Entry]) -> int | None:
    """The instant since which nothing is due any more; None while something may be.

    Every operation that may have begun has a notification with a successful response, no request is under
    way, and nothing has happened since. Operations that share an id may be one or several, so where there
    are any, something always may be due.

    Args:
        entries: Of a history, so far.
    """
    sent: dict[int, AttemptSent] = {}
    told: dict[int, str | None] = {}
    may_have_begun: set[str] = set()
    accepted: set[str | None] = set()
    ids: set[str] = set()
    last_ms = 0
    for entry in entries:
        last_ms = max(last_ms, entry.at)
        match entry:
            case RegistryEvent():
                own = set(entry.ids.values())
                if own & ids:
                    return None
                ids |= own
            case AttemptSent():
                sent[entry.attempt] = entry
            case AttemptEnded():
                attempt = sent.pop(entry.attempt)
                if entry.status not in _REFUSED:
                    may_have_begun.add(attempt.op)
            case NotificationReceived():
                told[entry.request] = entry.op
            case SinkResponded():
                op = told.pop(entry.request, None)
                if entry.status in SUCCESS:
                    accepted.add(op)
            case _:
                pass
    is_settled = not sent and not told and bool(may_have_begun) and may_have_begun <= accepted
    return last_ms if is_settled else None
