"""Images that differ in nothing but their host, which payloads may leave out: operations of their own.

What a notification says may fit all of them (contract, clauses 1 and 9). `pushes` takes the likeliest; if it
leads to a finding, others are tried. Only what no choice can explain is one.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, permutations
from operator import attrgetter
from typing import NamedTuple

from fanin.harness.oracle.bounds import Bounds
from fanin.harness.oracle.evidence import Evidence, Notification, Operation

# So many choices are tried: a run has few such images, and few keys of each.
CHOICES_MAX = 100


class _Move(NamedTuple):
    """All notifications of a key are about another operation than was thought."""

    key: str
    owner: Operation
    other: Operation


type Choice = tuple[_Move, ...]


def images_alike(operations: Iterable[Operation]) -> Iterable[list[Operation]]:
    """Those of images that differ in nothing but the host, which payloads may leave out."""
    found: dict[tuple[str | None, ...], list[Operation]] = {}
    for operation in operations:
        event = operation.events[0]
        content = (event.action, event.repository, event.tag or None, event.digest or None)
        found.setdefault(content, []).append(operation)
    return found.values()


def of_image(
    notification: Notification, bounded: Sequence[tuple[Operation, Bounds]], evidence: Evidence
) -> Sequence[tuple[Operation, Bounds]]:
    """The pushes of the image that a notification names by id, request id or host; all if it names none."""
    images = _images_named(notification, [part for part, _ in bounded], evidence)
    return [it for it in bounded if image_of(it[0]) in images]


def _images_named(
    notification: Notification, parts: Sequence[Operation], evidence: Evidence
) -> Collection[str]:
    body, registry = notification.body, evidence.scenario.registry
    request = body.details.get("requestId")
    host = body.details.get("registry")
    if host is None and registry in (body.id or ""):
        host = registry
    events = [(image_of(part), event) for part in parts for event in part.events]
    by_id = {image for image, event in events if body.id in event.ids.values()}
    by_request = {
        image for image, event in events if request and (event.details or {}).get("requestId") == request
    }
    by_host = {image for image, event in events if event.host == host}
    every = {image for image, _ in events}
    return next((it for it in (by_id, by_request, by_host) if len(it) == 1), every)


def choices(evidence: Evidence) -> Iterator[Choice]:
    """Of what else notifications may be about than was thought: one key, or two that are exchanged."""
    for alike in images_alike(evidence.operations):
        if len(alike) == 1:
            continue
        moves = list(islice(_moves(alike, evidence), CHOICES_MAX))
        exchanges = (pair for pair in permutations(moves, 2) if _is_exchange(*pair))
        yield from islice(chain(((it,) for it in moves), exchanges), CHOICES_MAX)


def _moves(alike: Sequence[Operation], evidence: Evidence) -> Iterator[_Move]:
    """What is told of one image's pushes `pushes` knows better, but for who was completed late."""
    are_twins = len({image_of(it) for it in alike}) > 1
    for owner in alike:
        by_key: dict[str, list[Notification]] = {}
        for notification in owner.read if are_twins else owner.late_completions:
            if notification.received.key:
                by_key.setdefault(notification.received.key, []).append(notification)
        for key, its in by_key.items():
            images = set.intersection(*({*_images_named(it, alike, evidence)} for it in its))
            is_late = all(it.is_late_completion for it in its)
            others = (it for it in alike if image_of(it) in images and it is not owner)
            yield from (_Move(key, owner, it) for it in others if is_late or image_of(it) != image_of(owner))


def _is_exchange(one: _Move, back: _Move) -> bool:
    return one.owner is back.other and one.other is back.owner and one.key < back.key


@contextmanager
def trying(choice: Choice) -> Iterator[None]:
    """Inside, the notifications are about these."""
    concerned = [it for move in choice for it in (move.owner, move.other)]
    before = [(it, it.notifications, it.late_completions) for it in concerned]
    choose(choice)
    try:
        yield
    finally:
        for operation, notifications, late_completions in before:
            operation.notifications, operation.late_completions = notifications, late_completions


def choose(choice: Choice) -> None:
    """From now on, the notifications are about these."""
    going = [(move, [it for it in move.owner.read if it.received.key == move.key]) for move in choice]
    for move, its in going:
        _put(move.owner, [it for it in move.owner.read if it.received.key != move.key])
        _put(move.other, [*move.other.read, *its])


def _put(operation: Operation, read: Sequence[Notification]) -> None:
    operation.notifications, operation.late_completions = [], []
    for notification in sorted(read, key=attrgetter("index")):
        operation.add(notification)


def image_of(part: Operation) -> str:
    return part.image or part.key
