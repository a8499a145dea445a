"""Clauses 3, 7 and 8: the sink is told in time, is told at all, and is told again until it accepts."""

from collections.abc import Iterator

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Post
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.text import clock
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule


def check(hearing: Hearing) -> Iterator[Charge]:
    """Judge the first notification's instant, silence, and the gaps between repetitions."""
    # Whatever a second operation with the same key leads to is legal, so only the first can owe anything.
    if hearing.first.posts:
        yield from _told_late(hearing, hearing.first.posts[0])
    else:
        yield from _never_told(hearing)
    for generation in hearing.generations:
        yield from _not_sent_again(hearing, generation)


def due_until(hearing: Hearing) -> int:
    """Until when a correct aggregator may take to tell the sink; FOREVER when nothing is certain."""
    bounds = hearing.first.bounds
    return _due_until(hearing, bounds.decided_until)


def _due_until(hearing: Hearing, due: int) -> int:
    bounds = hearing.first.bounds
    return hearing.excuses.latest(hearing.case, bounds.decided_from, due, hearing.tolerance)


def _told_late(hearing: Hearing, told: Post) -> Iterator[Charge]:
    bounds = hearing.first.bounds
    outcome = told.notice.outcome
    named = () if outcome == "completed" else hearing.regions(told.notice.missing or ())
    due = bounds.due(named) if named or outcome == "completed" else bounds.deadline_until
    latest = _due_until(hearing, due)
    if told.at <= latest:
        return
    way, rule = f"told {outcome} too late", Rule.DEADLINE if outcome == "timed_out" else Rule.NOTIFICATION
    looks_like: str = ""
    if hearing.excuses.sink_held_others(hearing.case, bounds.decided_from, told.at):
        way, rule, looks_like = "held up by another operation's notification", Rule.ISOLATION, "B62"
    elif outcome == "timed_out":
        looks_like = "B39" if hearing.excuses.fell(bounds.deadline_from - bounds.timeout, due) else "B67"
    elif told.at >= bounds.deadline_from:
        looks_like = "B14"
    yield hearing.charge(
        rule,
        way,
        f"was told {outcome} at {clock(told.at)}, due at {clock(due)} and excused until {clock(latest)}",
        records=[told.index, *hearing.deciding(bounds.regions)],
        told=told,
        looks_like=looks_like,
    )


def _never_told(hearing: Hearing) -> Iterator[Charge]:
    bounds, end = hearing.first.bounds, hearing.evidence.end
    if end is None or not end.complete or end.at <= due_until(hearing):
        return  # silence proves nothing yet; `fanin.harness.oracle.rules.doubts` says so
    rule, looks_like = _why_silent(hearing)
    outcome = " or ".join(bounds.legal)
    yield hearing.charge(
        rule,
        "never told",
        f"was told nothing, though {outcome} was due at {clock(bounds.decided_until)}; the watch ended at"
        f" {clock(end.at)}",
        records=hearing.deciding(bounds.regions),
        looks_like=looks_like,
        silent=True,
    )


def _why_silent(hearing: Hearing) -> tuple[Rule, str]:
    """The clause that silence breaks, as far as the aggregator's falls tell."""
    bounds, excuses = hearing.first.bounds, hearing.excuses
    started, decided = min(bounds.must.values()), bounds.decided_until
    if excuses.sink_held_others(hearing.case, bounds.decided_from, due_until(hearing)):
        return Rule.ISOLATION, "B62"
    if excuses.sink_held(hearing.case, bounds.decided_from, decided):
        return Rule.NOTIFICATION, "B58"
    if excuses.fell(bounds.decided_from, due_until(hearing)):
        return Rule.NOTIFICATION, "B51"
    if excuses.fell(started, decided):
        return Rule.ACKNOWLEDGEMENT, "B38 B50" if bounds.complete_at == FOREVER else "B50"
    return (Rule.DEADLINE, "B33") if bounds.complete_at == FOREVER else (Rule.NOTIFICATION, "B06 B51")


def resend_until(hearing: Hearing, first: Post, post: Post) -> int:
    """Until when a notification that the sink has not accepted must be sent again, the first time as told."""
    ended = post.at if post.reply is None else post.reply.at
    grace = hearing.evidence.run.redelivery_grace
    return hearing.excuses.latest(hearing.case, ended, ended, grace, tried_from=first.at)


def _not_sent_again(hearing: Hearing, generation: Generation) -> Iterator[Charge]:
    followers = (*generation.posts[1:], None)
    for post, following in zip(generation.posts, followers, strict=False):
        if post.maybe_accepted:
            return
        latest = resend_until(hearing, generation.posts[0], post)
        if following is not None:
            if following.at > latest:
                yield _gap(hearing, generation, post, f"not again before {clock(following.at)}")
                return
            continue
        end = hearing.evidence.end
        if end is not None and end.complete and end.at > latest:
            yield _gap(
                hearing, generation, post, f"not again until the watch ended at {clock(end.at)}", silent=True
            )


def _gap(hearing: Hearing, generation: Generation, post: Post, when: str, *, silent: bool = False) -> Charge:
    reply = post.reply
    answered = "did not answer" if reply is None or reply.status is None else f"answered {reply.status}"
    return hearing.charge(
        Rule.NOTIFICATION,
        "not sent again in time",
        f"was told {post.notice.outcome} at {clock(post.at)}, which the sink {answered}, and {when}",
        records=post.records,
        told=post,
        bounds=generation.bounds,
        looks_like="B51",
        silent=silent,
    )
