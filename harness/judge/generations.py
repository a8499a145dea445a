"""Splits what the sink was told about one key into the operations that may legally have had it.

A key names one operation, and its end is remembered for the retention (contract, clause 6). An attempt after
that may find nothing and start a new operation with the same key, or may still be taken for late: both are
right. So from then on, and only then, one further outcome is legal, and again after its own retention.
"""

from collections.abc import Iterator
from typing import NamedTuple

from harness.judge.bounds import FOREVER, Bounds, bounds_of
from harness.judge.evidence import Attempt, Case, Post
from simulator.scenario import Scenario

RETENTION_MS = 7 * 86_400_000


class Generation(NamedTuple):
    """One operation that had the key: what may have come of it, and what the sink was told."""

    bounds: Bounds
    posts: tuple[Post, ...]  # in the order in which the sink read them; at least one but for the first
    first: bool  # False: it is one that only a forgotten predecessor makes legal
    opener: str  # the scenario's name of the operation whose delivery may have started it


def generations(case: Case, scenario: Scenario, *, margin: int = 0) -> list[Generation]:
    """The operations that had this key. The first is always there, even if the sink was told nothing."""
    bounds = bounds_of(case.attempts, scenario, margin=margin)
    if len(case.posts) <= 1:
        return [Generation(bounds, tuple(case.posts), True, _opener(case, case.attempts))]
    return list(_split(case, bounds, scenario, margin))


def _split(case: Case, bounds: Bounds, scenario: Scenario, margin: int) -> Iterator[Generation]:
    attempts, posts, first = case.attempts, [case.posts[0]], True
    for post in case.posts[1:]:
        forgotten_from = min(FOREVER, bounds.decided_from + RETENTION_MS)
        fresh = [it for it in case.attempts if it.ended_at >= forgotten_from and it.sent.at <= post.at]
        successor = bounds_of(fresh, scenario, margin=margin, certain=False)
        if successor.may and _is_new(post, posts):
            yield Generation(bounds, tuple(posts), first, _opener(case, attempts))
            attempts, posts, first, bounds = fresh, [post], False, successor
        else:
            posts.append(post)
    yield Generation(bounds, tuple(posts), first, _opener(case, attempts))


def _is_new(post: Post, before: list[Post]) -> bool:
    """Whether this is no mere repetition of a notification that the sink has not accepted yet."""
    return not post.repeats(before[0]) or any(it.accepted for it in before)


def _opener(case: Case, attempts: list[Attempt]) -> str:
    openers = (it.sent for it in attempts if it.counts is not False)
    opener = min(openers, key=lambda sent: sent.at, default=None)
    return case.name if opener is None else opener.op
