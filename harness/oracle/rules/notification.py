"""Clause 7: one decision, one idempotency key, sent again only while its acceptance is in doubt."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import SinkResponded
from fanin.harness.oracle.evidence import Case, Evidence, Post
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.text import clock, quoted
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule


def check(hearing: Hearing) -> Iterator[Charge]:
    """Judge the keys of one operation's notifications."""
    unobservable = hearing.evidence.run.unobservable
    for generation in hearing.generations:
        if "key" not in unobservable:
            yield from _no_key(hearing, generation)
        yield from _sent_after_acceptance(hearing, generation)


def _no_key(hearing: Hearing, generation: Generation) -> Iterator[Charge]:
    keyless = [post for post in generation.posts if not post.received.key]
    if keyless:
        yield hearing.charge(
            Rule.NOTIFICATION,
            "no webhook-id",
            f"was told {keyless[0].notice.outcome} at {clock(keyless[0].at)} without a webhook-id",
            records=[post.index for post in keyless],
            told=keyless[0],
            bounds=generation.bounds,
            looks_like="B52",
        )


def _sent_after_acceptance(hearing: Hearing, generation: Generation) -> Iterator[Charge]:
    """A key may be POSTed again only if its 2xx did not come, or went down with the aggregator.

    It may have gone down if the aggregator fell before the next POST and before it can have noted the 2xx.
    It has, if the aggregator was gone when the sink read what it had sent a moment before.
    And whoever was stopped between its decision and its POST sends it when it wakes, whatever others did.
    """
    accepted: tuple[Post, SinkResponded] | None = None
    for post in generation.posts:
        if not post.repeats(generation.posts[0]):
            return  # a second outcome, and judged as one
        if accepted is not None:
            before, reply = accepted
            noted_by, decided = reply.at + hearing.tolerance, generation.bounds.decided_from
            if not (
                hearing.excuses.away(before.at)
                or hearing.excuses.interrupted(before.at, min(post.at, noted_by))
                or hearing.excuses.woke(decided, post.at, hearing.tolerance)
            ):
                yield _repeated(hearing, generation, before, reply, post)
                return
        if post.accepted and post.reply is not None:
            accepted = (post, post.reply)


def _repeated(
    hearing: Hearing, generation: Generation, before: Post, reply: SinkResponded, post: Post
) -> Charge:
    overlaps = post.at < reply.at
    way = "sent again before the answer" if overlaps else "sent again after its acceptance"
    return hearing.charge(
        Rule.NOTIFICATION,
        way,
        f"was told {post.notice.outcome} again at {clock(post.at)} under the key {quoted(post.received.key)},"
        f" which the sink {'was to answer' if overlaps else 'answered'} {reply.status} at {clock(reply.at)}",
        records=[*before.records, *post.records],
        told=post,
        bounds=generation.bounds,
        looks_like="B56" if overlaps else "B43b B52",
    )


def check_keys(hearings: Sequence[Hearing]) -> Iterator[Charge]:
    """One key names one operation: the second operation that uses it breaks the rule."""
    owners: dict[str, tuple[Case, Post]] = {}
    for hearing in hearings:
        for post in hearing.case.posts:
            key = post.received.key
            if not key:
                continue
            owner, first = owners.setdefault(key, (hearing.case, post))
            if owner is not hearing.case:
                yield hearing.charge(
                    Rule.NOTIFICATION,
                    "two operations under one key",
                    f"was told at {clock(post.at)} under the key {quoted(key)}, used by {owner.name} at"
                    f" {clock(first.at)}: a sink that drops repeats never sees it",
                    records=[first.index, post.index],
                    told=post,
                    looks_like="B19",
                )
                break


def check_strays(evidence: Evidence) -> Iterator[Charge]:
    """Every notification names an operation that has occurred."""
    for post in evidence.strays:
        rule, way, what = Rule.CONTENT, "names no operation", "carries no id"
        if post.received.body is None:
            way, what = "not a JSON object", "is not a JSON object"
        elif post.notice.id is not None:
            rule, way = Rule.IDENTITY, "names an unknown operation"
            what = f"names the operation {quoted(post.notice.id)}, which never occurred"
        yield Charge(rule, way, f"the notification at {clock(post.at)} {what}", (post.index,))
