"""Clauses 2 and 9: a notification says what its operation was, and which regions arrived and are missing."""

from collections.abc import Iterator

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import instant_ms, normalise_region
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock


def check(view: OperationView) -> Iterator[Violation]:
    """Judge each operation's first notification; those that differ from it are wrong already."""
    for generation in view.generations:
        if generation.notifications:
            notification = generation.notifications[0]
            if strangers := _strangers(view, notification):
                yield _violation(
                    view,
                    generation,
                    Rule.EXPECTED_REGIONS,
                    f"names {listing(strangers)}, which nobody expects",
                    looks_like="B32",
                )
            complaints = [
                *_image(view, notification),
                *_regions(view, notification),
                *_deadline(view, generation),
            ]
            if complaints:
                yield _violation(view, generation, Rule.CONTENT, "; ".join(complaints))


def _violation(
    view: OperationView, generation: Generation, rule: Rule, complaint: str, looks_like: str = ""
) -> Violation:
    notification = generation.notifications[0]
    return view.violation(
        rule,
        "a wrong notification",
        f"was told at {clock(notification.at)} with a body that {complaint}",
        records=[notification.index],
        notification=notification,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _strangers(view: OperationView, notification: Notification) -> list[str]:
    expected = {normalise_region(region) for region in view.scenario.regions}
    named = {*(notification.body.arrived or ()), *(notification.body.missing or ())}
    return sorted(named - expected)


def _image(view: OperationView, notification: Notification) -> list[str]:
    """What it says of the image, compared with the occurrence that it fits best: one key may have several."""
    candidates = [_differences(view, notification, event) for event in view.operation.events]
    return min(candidates, key=len)


def _differences(view: OperationView, notification: Notification, event: RegistryEvent) -> list[str]:
    body, unobservable = notification.body, view.evidence.run.unobservable
    by_image = view.evidence.scenario.correlation == "image"
    wrong = []
    ids = sorted(set(event.ids.values()))
    if "id" in unobservable:
        pass
    elif body.id is None:
        wrong.append("carries no id")
    # An operation that its image names has no one id: every occurrence and every region may bring its own.
    elif ids and body.id not in ids and not by_image:
        wrong.append(f"says id {quoted(body.id)}, not {listing(ids)}")
    for name, said, true in (
        ("action", body.action, event.action),
        ("repository", body.repository, event.repository),
        ("tag", body.tag, event.tag or None),
        ("digest", body.digest, event.digest or None),
    ):
        if said != true and name not in unobservable:
            wrong.append(f"says {name} {quoted(said)}, not {true!r}")
    return wrong


def _regions(view: OperationView, notification: Notification) -> list[str]:
    body = notification.body
    wrong = []
    if body.outcome is None:
        wrong.append(f"says outcome {quoted(body.raw_outcome)}, not 'completed' or 'timed_out'")
    if body.arrived is None or body.missing is None:
        unobservable = view.evidence.run.unobservable
        lacking = [
            name
            for name in ("arrived", "missing")
            if getattr(body, name) is None and name not in unobservable
        ]
        return [*wrong, f"has no list of names as {listing(lacking)}"] if lacking else wrong
    if not view.names_each_region_once(notification):
        wrong.append("does not name every region once, as arrived or as missing")
    if body.outcome is not None and (body.outcome == "completed") == bool(body.missing):
        missing = listing(body.missing) if body.missing else "no region"
        wrong.append(f"says {body.outcome} and names {missing} missing")
    return wrong


def _deadline(view: OperationView, generation: Generation) -> list[str]:
    """The deadline is optional; if told, and if the run says what its clock showed at 0, it must be right."""
    notification, epoch = generation.notifications[0].body.deadline, view.evidence.run.epoch
    if notification is None or epoch is None:
        return []
    instant = instant_ms(notification)
    if instant is None:
        return [
            f"says deadline {quoted(notification)}, not an ISO 8601 instant with its offset, nor Unix time"
        ]
    bounds, tolerance = generation.bounds, view.tolerance
    at = instant - epoch
    if (
        bounds.deadline_from == FOREVER
        or bounds.deadline_from - tolerance <= at <= bounds.deadline_until + tolerance
    ):
        return []
    return [f"says a deadline of {clock(at)}, which lies at {clock(bounds.deadline_from)}"]
