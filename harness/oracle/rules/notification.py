"""Clause 7: one decision, one idempotency key, sent again only while its acceptance is in doubt."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import SinkResponded
from fanin.harness.oracle.bounds import forgotten_from
from fanin.harness.oracle.evidence import Evidence, Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.hints import notifications
from fanin.harness.oracle.text import quoted, stated, under_key
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock


def check(view: OperationView) -> Iterator[Violation]:
    """Judge the keys of one operation's notifications."""
    for generation in view.generations:
        if "key" not in view.evidence.run.unobservable:
            yield from _no_key(view, generation)
        yield from _sent_after_acceptance(view, generation)


def _no_key(view: OperationView, generation: Generation) -> Iterator[Violation]:
    keyless = [it for it in generation.notifications if not it.received.key]
    if keyless:
        first = keyless[0]
        yield view.violation(
            Rule.NOTIFICATION,
            "no webhook-id",
            f"was reported {stated(first)} at {clock(first.at)} without a webhook-id",
            records=[it.index for it in keyless],
            notification=first,
            bounds=generation.bounds,
            looks_like="B52",
            form=True,
        )


def _sent_after_acceptance(view: OperationView, generation: Generation) -> Iterator[Violation]:
    """A key may be sent again only if its 2xx did not reach the aggregator, or was lost with it.

    The 2xx may have been lost if the aggregator died before the repetition and before it can have stored the
    2xx. It was lost if the aggregator was down when the sink read the notification. A process that was
    paused between its decision and its request sends the request when it resumes; and if it was paused in
    the middle of one, its time limit may be over when it resumes, so that it never reads the response.
    """
    accepted: tuple[Notification, SinkResponded] | None = None
    for notification in generation.notifications:
        if not notification.repeats(generation.notifications[0]):
            return  # a second outcome, and judged as one
        if accepted is not None:
            before, response = accepted
            stored_by, decided = response.at + view.tolerance, generation.bounds.decided_from
            if not (
                view.allowances.all_down(before.at)
                or view.allowances.interrupted(before.at, min(notification.at, stored_by))
                or view.allowances.resumed(decided, stored_by, notification.at, view.tolerance)
                or view.allowances.resumed(decided, response.at, response.at, view.tolerance)
            ):
                yield _sent_again(view, generation, before, response, notification)
                return
        if notification.accepted and notification.response is not None:
            accepted = (notification, notification.response)


def _sent_again(
    view: OperationView,
    generation: Generation,
    before: Notification,
    response: SinkResponded,
    again: Notification,
) -> Violation:
    overlaps = again.at < response.at
    kind = "sent again before the response" if overlaps else "sent again after its acceptance"
    return view.violation(
        Rule.NOTIFICATION,
        kind,
        f"was reported {stated(again)} again at {clock(again.at)} {under_key(again)}, which the sink"
        f" {'was to answer' if overlaps else 'answered'} {response.status} at {clock(response.at)}",
        records=[*before.records, *again.records],
        notification=again,
        bounds=generation.bounds,
        looks_like="B56" if overlaps else lambda: notifications.of_repetition(view, before, again),
        also=(Rule.LATE_AND_DUPLICATE,) if view.deliveries_between(before.at, again.at) else (),
    )


def check_keys(views: Sequence[OperationView]) -> Iterator[Violation]:
    """One key names one operation: the second operation that uses it breaks the rule."""
    owners: dict[str, tuple[OperationView, Notification]] = {}
    for view in views:
        for notification in view.operation.read:
            key = notification.received.key
            if not key:
                continue
            owner, first = owners.setdefault(key, (view, notification))
            if owner is not view and not _may_be_forgotten(owner, view, notification.at):
                yield view.violation(
                    Rule.NOTIFICATION,
                    "two operations under one key",
                    f"was reported at {clock(notification.at)} under the key {quoted(key)}, used by"
                    f" {owner.operation.name} at {clock(first.at)}: a sink that drops repeats never sees it",
                    records=[first.index, notification.index],
                    notification=notification,
                    looks_like="B19",
                )
                break


def _may_be_forgotten(earlier: OperationView, later: OperationView, at: int) -> bool:
    """Whether both are pushes of one image, and the key of the earlier may be forgotten by then."""
    image = earlier.operation.image
    return image != "" and image == later.operation.image and at >= forgotten_from(earlier.first.bounds)


def check_unattributed(evidence: Evidence) -> Iterator[Violation]:
    """Every notification names an operation that has occurred."""
    for notification in evidence.unattributed:
        rule, kind, problem = Rule.CONTENT, "names no operation", "has no id"
        also: tuple[Rule, ...] = ()
        if notification.received.body is None:
            kind, problem = "not a JSON object", "is not a JSON object"
        elif notification.body.id is not None:
            rule, kind, also = Rule.IDENTITY, "names an unknown operation", (Rule.CONTENT,)
            problem = f"names the operation {quoted(notification.body.id)}, which never occurred"
        message = f"the notification at {clock(notification.at)} {problem}"
        yield Violation(rule, kind, message, (notification.index,), also=also)
