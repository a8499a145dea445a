"""Clauses 2 and 9: what a notification says of its operation, its regions and its deadline."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import unquote

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.bounds import FOREVER, Bounds, forgotten_from
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import NotificationBody, instant_ms
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation, names_each_region_once
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.wire import normalise_region

_CHART_ACTIONS = ("chart_push", "chart_delete")
_OF_CHARTS = ("name", "version")


@dataclass(frozen=True, slots=True)
class _Problems:
    """What a notification's body does not hold, and what it holds that is wrong."""

    absent: tuple[str, ...] = ()  # names of fields
    no_lists: tuple[str, ...] = ()  # of arrived and missing: those that are no list of names
    wrong: tuple[str, ...] = ()  # each the rest of a sentence about the body

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            absent=self.absent + other.absent,
            no_lists=self.no_lists + other.no_lists,
            wrong=self.wrong + other.wrong,
        )

    def __len__(self) -> int:
        return len(self.absent) + len(self.no_lists) + len(self.wrong)

    def __str__(self) -> str:
        fields = [f"no {listing(self.absent, 'or')}"] if self.absent else []
        lists = [f"no list of names as {listing(self.no_lists)}"] if self.no_lists else []
        lacks = ", and ".join(fields + lists)
        return "; ".join([f"has {lacks}", *self.wrong] if lacks else self.wrong)

    @property
    def of_form(self) -> bool:
        """Whether there is nothing wrong in what it holds."""
        return not self.wrong


def check(view: OperationView) -> Iterator[Violation]:
    """Judge each generation's first notification; those that differ from it are wrong already."""
    for generation in view.generations:
        if generation.notifications:
            yield from _misdirected(view, generation.notifications, generation.bounds)
            first = generation.notifications[0]
            if unexpected := _unexpected_regions(generation):
                problem = f"names {listing(unexpected)}, which is not expected"
                yield _violation(
                    view,
                    generation,
                    Rule.EXPECTED_REGIONS,
                    problem,
                    looks_like="B29 B66" if len(view.evidence.config_periods) > 1 else "B32",
                    also=(Rule.CONTENT,),
                )
            identity = _identity(view, first, succeeds=not generation.first)
            problems = identity + _regions(view, generation) + _Problems(wrong=_deadline(view, generation))
            if problems:
                also = (Rule.EXPECTED_REGIONS,) if _names_another_configuration(view, generation) else ()
                form = problems.of_form
                yield _violation(view, generation, Rule.CONTENT, str(problems), also=also, form=form)
    yield from _late_completions(view)


def _late_completions(view: OperationView) -> Iterator[Violation]:
    """The first that says something wrong of its operation; what it says of regions has its own rule."""
    yield from _misdirected(view, view.operation.late_completions, view.first.bounds)
    for it in view.operation.late_completions:
        problems = _identity(view, it, succeeds=it.at >= forgotten_from(view.first.bounds))
        if problems:
            yield view.violation(
                Rule.CONTENT,
                "a wrong late completion",
                f"was notified as completed late at {clock(it.at)} with a body that {problems}",
                records=[it.index],
                notification=it,
                form=problems.of_form,
            )
            return


def _misdirected(
    view: OperationView, notifications: Iterable[Notification], bounds: Bounds
) -> Iterator[Violation]:
    """The first notification that is no POST to the configured address."""
    for it in notifications:
        method, path = it.received.method, it.received.path
        if method == "POST" and not path:
            continue
        to = f" to the path {quoted(path)}, which is not the configured one" if path else ""
        yield view.violation(
            Rule.CONTENT,
            "not sent as a POST to the configured address",
            f"was reported at {clock(it.at)} with {method}{to}",
            records=[it.index],
            notification=it,
            bounds=bounds,
            form=True,
        )
        return


def _violation(
    view: OperationView,
    generation: Generation,
    rule: Rule,
    problem: str,
    *,
    looks_like: str = "",
    also: tuple[Rule, ...] = (),
    form: bool = False,
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
        also=also,
        form=form,
    )


def _named(notification: Notification) -> set[str]:
    return {*(notification.body.arrived or ()), *(notification.body.missing or ())}


def _names_another_configuration(view: OperationView, generation: Generation) -> bool:
    """Whether its regions are those that were configured when the operation did not begin."""
    own = set(map(normalise_region, generation.bounds.regions))
    named = _named(generation.notifications[0])
    others = (set(map(normalise_region, it.regions)) for it in view.evidence.config_periods)
    return named != own and named in others


def _unexpected_regions(generation: Generation) -> list[str]:
    expected = set(map(normalise_region, generation.bounds.regions))
    return sorted(_named(generation.notifications[0]) - expected)


def _identity(view: OperationView, notification: Notification, *, succeeds: bool) -> _Problems:
    """What differs from the registry event that it fits best: one key may have several.

    Args:
        view: The operation.
        notification: What the sink has read of it.
        succeeds: Whether the operation may be one that began when all of its key was forgotten, with a
            delivery of any push of the image.
    """
    events = [*view.operation.events]
    if succeeds:
        events = [event for it in view.operation.of_image or (view.operation,) for event in it.events]
    return min((_differences(view, notification, event, events) for event in events), key=len)


def _differences(
    view: OperationView, notification: Notification, event: RegistryEvent, events: Sequence[RegistryEvent]
) -> _Problems:
    body, unobservable = notification.body, view.evidence.run.unobservable
    absent, wrong = [], []
    if "id" not in unobservable:
        ids = sorted(set(event.ids.values()))
        if body.id is None:
            absent.append("id")
        elif view.evidence.scenario.correlation == "image":
            known = {known for it in events for known in it.ids.values()}
            if body.id not in known and not _names_image(body.id, event):
                wrong.append(f"says id {quoted(body.id)}, which is no delivery's id nor names the image")
        elif ids and body.id not in ids:
            wrong.append(f"says id {quoted(body.id)}, not {listing(ids)}")
    for name, said, true in (
        ("action", body.action, event.action),
        ("repository", body.repository, event.repository),
        ("tag", body.tag, event.tag or None),
        ("digest", body.digest, event.digest or None),
    ):
        if said == true or name in unobservable:
            continue
        if said is None:
            absent.append(name)
        else:
            wrong.append(_says(name, said, true))
    return _Problems(absent=tuple(absent), wrong=(*wrong, *_details(body, event)))


def _says(name: str, said: object, true: str | None) -> str:
    return f"says {name} {quoted(said)}, {'though there is none' if true is None else f'not {true!r}'}"


def _details(body: NotificationBody, event: RegistryEvent) -> list[str]:
    """What is optional; if it is there, it is right. In other bodies, name and version may mean anything."""
    if event.details is None:
        return []
    of_chart = event.action in _CHART_ACTIONS
    return [
        _says(name, said, event.details.get(name))
        for name, said in body.details.items()
        if said != event.details.get(name) and (of_chart or name not in _OF_CHARTS)
    ]


def _names_image(text: str, event: RegistryEvent) -> bool:
    """Whether an id is the image in some notation: its repository, and its digest or its tag."""
    written = _alphanumeric(unquote(text))
    versions = [_alphanumeric(it) for it in (event.digest, event.tag) if it]
    named = not versions or any(it in written for it in versions)
    return named and _alphanumeric(event.repository) in written


def _alphanumeric(text: str) -> str:
    """Letters and digits alone: some notations replace all others."""
    return "".join(filter(str.isalnum, text.casefold()))


def _regions(view: OperationView, generation: Generation) -> _Problems:
    notification, bounds = generation.notifications[0], generation.bounds
    body = notification.body
    absent = ("outcome",) if body.raw_outcome is None else ()
    wrong = []
    if body.outcome is None and not absent:
        wrong.append(f"says outcome {quoted(body.raw_outcome)}, not 'completed' or 'timed_out'")
    lists = {"arrived": body.arrived, "missing": body.missing}
    if no_lists := [name for name, regions in lists.items() if regions is None]:
        shown = tuple(name for name in no_lists if name not in view.evidence.run.unobservable)
        return _Problems(absent, shown, tuple(wrong))
    if not names_each_region_once(notification, bounds):
        wrong.append("does not name every region once, as arrived or as missing")
    if body.outcome is not None and (body.outcome == "completed") == bool(body.missing):
        missing = listing(body.missing) if body.missing else "no region"
        wrong.append(f"says {body.outcome} and names {missing} missing")
    return _Problems(absent, wrong=tuple(wrong))


def _deadline(view: OperationView, generation: Generation) -> tuple[str, ...]:
    """The deadline is optional; if it is there, and the run knows the target's clock, it must be right."""
    first, epoch = generation.notifications[0], view.evidence.run.epoch
    deadline = first.body.deadline
    if deadline is None or epoch is None:
        return ()
    instant = instant_ms(deadline)
    if instant is None:
        return (f"says deadline {quoted(deadline)}, not an ISO 8601 instant with its offset, nor Unix time",)
    bounds, tolerance = generation.bounds, view.tolerance
    at = instant - epoch
    # Where pushes may have mixed, the generation of a later one may have begun at any time; but it had begun
    # when it was reported, and a timeout comes after its deadline.
    until = bounds.deadline_until if view.operation.pushes == 1 else FOREVER
    reported_by = first.at + (0 if first.body.outcome == "timed_out" else bounds.timeout)
    reported_by += view.evidence.run.clock_drift
    earliest, latest = bounds.deadline_from, min(until, reported_by)
    if earliest == FOREVER or earliest - tolerance <= at <= latest + tolerance:
        return ()
    problem = f"but the deadline is at {clock(earliest)}"
    if latest < at <= until:
        problem = f"too late for what is reported at {clock(first.at)}"
    return (f"says a deadline of {clock(at)}, {problem}",)
