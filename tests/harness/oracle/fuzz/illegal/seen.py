"""What can be seen from outside of a legal run, and how its entries are changed.

Each change is a function of a legal run and a source of chance; it returns the changed entries, or None where
the run gives no occasion for it. It makes sure from what can be seen that nothing else explains the result:
an acknowledgement is certain, a silence is not.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent, Entry, NotificationReceived, SinkResponded
from tests.harness.oracle.fuzz.model import RETENTION_MS, TOO_BIG, LegalRun, Truth

type Entries = list[Entry]
type Change = Callable[[LegalRun, random.Random], Entries | None]
FOREVER = 1 << 60


class Seen:
    """The records of a legal run, by what they belong to."""

    def __init__(self, run: LegalRun) -> None:
        self.run = run
        self.ended = {it.attempt: it for it in run.entries if isinstance(it, AttemptEnded)}
        self.responded = {it.request: it for it in run.entries if isinstance(it, SinkResponded)}
        self._sent: dict[str, list[tuple[AttemptSent, AttemptEnded]]] = {}  # by operation
        for it in run.entries:
            if isinstance(it, AttemptSent):
                self._sent.setdefault(it.op, []).append((it, self.ended[it.attempt]))
        self._possible: dict[str, list[tuple[AttemptSent, AttemptEnded]]] = {}

    def sent(self, truth: Truth) -> list[tuple[AttemptSent, AttemptEnded]]:
        """The attempts at an operation's deliveries, valid or not."""
        return self._sent.get(truth.event.op, [])

    def possible(self, truth: Truth) -> list[tuple[AttemptSent, AttemptEnded]]:
        """Those that may have counted: of a region that may have been known then, and not refused."""
        op = truth.event.op
        if op not in self._possible:
            self._possible[op] = [*self._possibly(truth)]
        return self._possible[op]

    def _possibly(self, truth: Truth) -> Iterator[tuple[AttemptSent, AttemptEnded]]:
        around, since = self.run.around, FOREVER
        for sent, ended in sorted(self.sent(truth), key=lambda pair: pair[0].at):
            refused = ended.error in ("refused", "lost") or 300 <= (ended.status or 0) < 500
            if refused or sent.invalid_because not in ("", TOO_BIG) or not truth.awaited:
                continue
            if around.ever_configured(sent.region, min(since, sent.at), ended.at):
                since = min(since, sent.at)
                yield sent, ended

    def certain_by(self, truth: Truth, region: str, *, alone: bool = False) -> int:
        """When this region's first delivery was acknowledged; ``alone``: not together with others."""
        known = (
            ended.at
            for sent, ended in self.possible(truth)
            if sent.region == region and ended.status in range(200, 300) and not (alone and sent.envelope)
        )
        return min(known, default=FOREVER)

    def possible_from(self, truth: Truth) -> int:
        """The earliest instant at which any delivery may have counted."""
        return min((sent.at for sent, _ in self.possible(truth)), default=FOREVER)

    def notifications(self, truth: Truth) -> list[NotificationReceived]:
        """Those of its outcome, while it is remembered."""
        return [it for it in truth.told if it.at < truth.told[0].at + RETENTION_MS]


@lru_cache(maxsize=1)  # most runs are asked for several changes in a row
def seen_in(run: LegalRun) -> Seen:
    """The records of a run, whose drawing is over."""
    return Seen(run)


type Told = tuple[Seen, Truth, list[NotificationReceived]]


def some_told(run: LegalRun, rng: random.Random) -> Told | None:
    """Any operation that alone has its key, and what the sink has read of it."""
    seen = seen_in(run)
    told = [(truth, them) for truth in run.truths if (them := seen.notifications(truth))]
    return (seen, *rng.choice(told)) if told else None


def some_told_late(run: LegalRun, rng: random.Random) -> Told | None:
    """Any operation whose late completion the sink has read, of those that alone have their key."""
    late = [it for it in run.truths if it.told_late]
    if run.successors or not late:
        return None
    truth = rng.choice(late)
    return seen_in(run), truth, truth.told_late


def changed(run: LegalRun, *changes: tuple[Entry, Entry | None]) -> Entries:
    """The entries with some of them replaced, or left out."""
    by_id = {id(old): new for old, new in changes}
    result = (by_id.get(id(it), it) for it in run.entries)
    return [it for it in result if it is not None]


def with_body(run: LegalRun, told: Sequence[NotificationReceived], **fields: Any) -> Entries:
    """The same change in every notification, so that none differs from another."""
    return changed(run, *((it, replace(it, body={**(it.body or {}), **fields})) for it in told))


def without(run: LegalRun, seen: Seen, told: Sequence[NotificationReceived]) -> Entries:
    """The sink has not read these."""
    return changed(run, *((it, None) for it in told), *((seen.responded[it.request], None) for it in told))


def with_extra(run: LegalRun, told: NotificationReceived, status: int = 200) -> Entries:
    """The sink reads one more."""
    number = run.numbers + 1
    return [*run.entries, replace(told, request=number), SinkResponded(told.at + 1, number, status)]


def moved(run: LegalRun, seen: Seen, told: NotificationReceived, at: int) -> Entries:
    """The sink reads it at another time."""
    response = seen.responded[told.request]
    later = replace(response, at=response.at - told.at + at)
    return changed(run, (told, replace(told, at=at)), (response, later))


def is_calm(run: LegalRun) -> bool:
    return not run.around.outages and not run.around.sink_faults
