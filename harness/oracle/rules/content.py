"""Clauses 2 and 9: what a notification says of its operation, its regions and its deadline."""

from collections.abc import Iterator

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import instant_ms
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.wire import normalise_region


def check(view: OperationView) -> Iterator[Violation]:
    """Judge each generation's first notification; those that differ from it are wrong already."""
    for generation in view.generations:
        if generation.notifications:
            first = generation.notifications[0]
            if unexpected := _unexpected_regions(view, first):
                problem = f"names {listing(unexpected)}, which is not expected"
                yield _violation(view, generation, Rule.EXPECTED_REGIONS, problem, looks_like="B32")
            problems = [*_identity(view, first), *_regions(view, first), *_deadline(view, generation)]
            if problems:
                yield _violation(view, generation, Rule.CONTENT, "; ".join(problems))


def _violation(
    view: OperationView, generation: Generation, rule: Rule, problem: str, looks_like: str = ""
) -> Violation:
    first = generation.notifications[0]
    return view.violation(
        rule,
        "a wrong notification",
        f"was reported at {clock(first.at)} with a body that {problem}",
        records=[first.index],
        notification=first,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _unexpected_regions(view: OperationView, notification: Notification) -> list[str]:
    expected = set(map(normalise_region, view.scenario.regions))
    named = {*(notification.body.arrived or ()), *(notification.body.missing or ())}
    return sorted(named - expected)


def _identity(view: OperationView, notification: Notification) -> list[str]:
    """What differs from the registry event that it fits best: one key may have several."""
    candidates = [_differences(view, notification, event) for event in view.operation.events]
    return min(candidates, key=len)


def _differences(view: OperationView, notification: Notification, event: RegistryEvent) -> list[str]:
    body, unobservable = notification.body, view.evidence.run.unobservable
    problems = []
    if "id" not in unobservable:
        ids = sorted(set(event.ids.values()))
        if body.id is None:
            problems.append("has no id")
        # An operation that its image identifies has no one id: each event and each region may have its own.
        elif ids and body.id not in ids and view.evidence.scenario.correlation != "image":
            problems.append(f"says id {quoted(body.id)}, not {listing(ids)}")
    for name, said, true in (
        ("action", body.action, event.action),
        ("repository", body.repository, event.repository),
        ("tag", body.tag, event.tag or None),
        ("digest", body.digest, event.digest or None),
    ):
        if said != true and name not in unobservable:
            problems.append(f"says {name} {quoted(said)}, not {true!r}")
    return problems


def _regions(view: OperationView, notification: Notification) -> list[str]:
    body = notification.body
    problems = []
    if body.outcome is None:
        problems.append(f"says outcome {quoted(body.raw_outcome)}, not 'completed' or 'timed_out'")
    lists = {"arrived": body.arrived, "missing": body.missing}
    if absent := [name for name, regions in lists.items() if regions is None]:
        shown = [name for name in absent if name not in view.evidence.run.unobservable]
        return [*problems, f"has no list of names as {listing(shown)}"] if shown else problems
    if not view.names_each_region_once(notification):
        problems.append("does not name every region once, as arrived or as missing")
    if body.outcome is not None and (body.outcome == "completed") == bool(body.missing):
        missing = listing(body.missing) if body.missing else "no region"
        problems.append(f"says {body.outcome} and names {missing} missing")
    return problems


def _deadline(view: OperationView, generation: Generation) -> list[str]:
    """The deadline is optional; if it is there, and the run knows the target's clock, it must be right."""
    deadline, epoch = generation.notifications[0].body.deadline, view.evidence.run.epoch
    if deadline is None or epoch is None:
        return []
    instant = instant_ms(deadline)
    if instant is None:
        return [f"says deadline {quoted(deadline)}, not an ISO 8601 instant with its offset, nor Unix time"]
    bounds, tolerance = generation.bounds, view.tolerance
    at = instant - epoch
    earliest, latest = bounds.deadline_from - tolerance, bounds.deadline_until + tolerance
    if bounds.deadline_from == FOREVER or earliest <= at <= latest:
        return []
    return [f"says a deadline of {clock(at)}, but the deadline is at {clock(bounds.deadline_from)}"]
