"""What a scenario of the right shape may still get wrong: unknown names, two kinds of delay at once.

Rules of this file: values are looked at, and `Location` says where they stand. It is only asked about a
scenario that could be read as a whole.
What may be wrong with faults is in `fanin.simulator.language.fault_validation`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fanin.simulator.durations import format_duration
from fanin.simulator.event_grid import TYPES
from fanin.simulator.language.names import KnownNames, operation_names
from fanin.simulator.language.problems import Report
from fanin.simulator.language.reader import Location
from fanin.simulator.language.scenario import Expectation, Operation, Scenario
from fanin.simulator.shapes import Delay
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region

_PLACEHOLDER = re.compile("[{][^{}]*[}]")
# Senders that put several events into one request.
GATHERING = ("cncf-distribution", "event-grid")
# A request that is framed otherwise than it says is refused, or read as another one (RFC 9112, 6).
_OF_THE_CONNECTION = frozenset(
    {
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_ROTATED = 2  # secrets, while one takes the other's place


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """A scenario that is being checked: what it says, where, and the names in it."""

    scenario: Scenario
    location: Location
    report: Report
    regions: KnownNames  # normalised
    operations: KnownNames

    @classmethod
    def of(cls, scenario: Scenario, location: Location, report: Report) -> "ValidationContext":
        """The context of a scenario that was read from ``location``."""
        regions = {normalise_region(each): each for each in scenario.regions}
        operations = {each: each for each in operation_names(scenario.operations)}
        return cls(
            scenario,
            location,
            report,
            KnownNames("region", regions),
            KnownNames("operation", operations),
        )

    def check_region(self, name: str, location: Location) -> bool:
        """Whether the region exists; when it does not, that is reported."""
        return self.regions.check(normalise_region(name), location.mark, self.report, written=name)


def check(context: ValidationContext) -> None:
    """Report what is wrong with everything but the faults."""
    scenario, location, report = context.scenario, context.location, context.report
    if not scenario.title.strip():
        report.add(location.at("title").mark, "title: it is blank; say in a few words what happens")
    _regions(scenario.regions, location.at("regions"), report)
    if location.has("expects"):
        check_not_empty(scenario.expects, location.at("expects"), report, "expects: every region")
    for field in ("repositories", "tags"):
        if location.at("only").has(field):
            what = f"{field}: every one of them"
            check_not_empty(getattr(scenario.only, field), location.at("only", field), report, what)
    check_region_list(scenario.expects, location.at("expects"), context, field="expects")
    _signing(context)
    _sender(context)
    check_delay(scenario.latency, location.at("latency"), report)
    _by_region(scenario.replication, location.at("replication"), context)
    for region, delay in scenario.replication.items():
        check_delay(delay, location.at("replication", region), report)
    _by_region(scenario.webhooks, location.at("webhooks"), context)
    for region, webhook in scenario.webhooks.items():
        _placeholders(webhook.uri, "{region}", "uri", location.at("webhooks", region, "uri"), report)
        _headers(webhook.headers, location.at("webhooks", region, "headers"), report)
    _names(scenario.operations, location.at("operations"), report)
    for index, operation in enumerate(scenario.operations):
        _operation(operation, location.at("operations", index), context)
    _expectations(context)


def _sender(context: ValidationContext) -> None:
    """Report what a sender does not do, and what Event Grid, which is a channel of its own, has not."""
    scenario, location, report = context.scenario, context.location, context.report
    sender = scenario.sender
    if sender.envelope is not None and sender.profile not in GATHERING:
        message = f"envelope: {sender.profile} gathers no events; only {' and '.join(GATHERING)} do"
        report.add(location.at("sender", "envelope").name, message)
    if sender.profile != "event-grid":
        if location.at("sender").has("schema"):
            message = f"schema: {sender.profile} has one form only; event-grid has two schemas"
            report.add(location.at("sender", "schema").name, message)
        return
    for region in scenario.webhooks:
        if location.at("webhooks", region).has("uri"):
            message = "uri: event-grid sends every region's events to /api/EventGrid; leave it out"
            report.add(location.at("webhooks", region, "uri").name, message)
    for index, operation in enumerate(scenario.operations):
        if operation.action not in TYPES:
            message = f"action: event-grid has no event for {operation.action}; it has {', '.join(TYPES)}"
            report.add(location.at("operations", index, "action").mark, message)


def check_delay(delay: Delay, location: Location, report: Report) -> None:
    """Report a delay that is not exactly one of: fixed, an even spread, log-normal."""
    spread = delay.min is not None or delay.max is not None
    forms = (delay.fixed is not None) + spread + (delay.median is not None)
    if forms != 1:
        found = "several kinds of delay at once" if forms else "no delay"
        report.add(location.mark, f"{found}; write a duration, or min and max, or median and sigma")
    elif delay.median is None and location.has("sigma"):
        report.add(location.at("sigma").name, "sigma without a median; write both")
    elif spread and (delay.min is None or delay.max is None):
        given, other = ("min", "max") if delay.max is None else ("max", "min")
        report.add(location.at(given).name, f"{given} without {other}; write both")
    elif delay.min is not None and delay.max is not None and delay.min > delay.max:
        shortest, longest = format_duration(delay.min), format_duration(delay.max)
        report.add(location.at("min").mark, f"min: {shortest} is longer than max, {longest}")


def check_not_empty(names: Iterable[str], location: Location, report: Report, what: str) -> None:
    """Report a list that is there and empty, where a list that is not there means ``what``."""
    if not tuple(names):
        report.add(location.mark, f"{what} is meant when it is left out; name at least one, or leave it out")


def _headers(names: Iterable[str], location: Location, report: Report) -> None:
    """Report headers that say how a request is sent, and those that are there twice."""
    seen: dict[str, str] = {}
    for name in names:
        where, lower = location.at(name).name, name.lower()
        if lower in _OF_THE_CONNECTION:
            report.add(
                where, f"headers: {quoted(name)} belongs to the connection, not to the webhook; leave it out"
            )
        elif (first := seen.setdefault(lower, name)) != name:
            report.add(
                where, f"headers: {quoted(name)} is {quoted(first)} in other letter case; write one of them"
            )


def check_region_list(
    names: Iterable[str], location: Location, context: ValidationContext, *, field: str
) -> None:
    """Report names in a field's list that are no regions, or that are listed twice."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        where = location.at(index)
        if not context.check_region(name, where):
            continue
        if (first := seen.setdefault(normalise_region(name), index)) != index:
            line = location.at(first).mark.line
            message = f"{field}: {quoted(name)} is listed twice, first on line {line}"
            context.report.add(where.mark, message)


def _regions(regions: Iterable[str], location: Location, report: Report) -> None:
    seen: dict[str, int] = {}
    for index, region in enumerate(regions):
        if (first := seen.setdefault(normalise_region(region), index)) != index:
            line = location.at(first).mark.line
            message = f"regions: {quoted(region)} is listed twice, first on line {line}"
            report.add(location.at(index).mark, message)


def _signing(context: ValidationContext) -> None:
    signing = context.scenario.signing
    if (signing.rotates is not None) != (len(signing.secrets) == _ROTATED):
        message = "signing: two secrets and 'rotates' go together; write both, or one secret alone"
        context.report.add(context.location.at("signing").mark, message)


def _by_region(table: Iterable[str], location: Location, context: ValidationContext) -> None:
    """Keys name regions, each at most once."""
    seen: dict[str, str] = {}
    for name in table:
        where = location.at(name)
        key = Location(where.name, where.name)
        if not context.check_region(name, key):
            continue
        if (first := seen.setdefault(normalise_region(name), name)) != name:
            message = f"{quoted(name)} is the region {quoted(first)}, which is there already"
            context.report.add(key.mark, message)


def _names(operations: Iterable[Operation], location: Location, report: Report) -> None:
    """Operations have names of their own, those by position included."""
    seen: dict[str, int] = {}
    for index, name in enumerate(operation_names(operations)):
        if (first := seen.setdefault(name, index)) != index:
            where, line = location.at(index), location.at(first).mark.line
            by = "" if where.has("name") else ", this one's name by its position,"
            message = f"name: {quoted(name)}{by} is already the operation on line {line}; choose another"
            report.add(where.at("name").mark, message)


def _operation(operation: Operation, location: Location, context: ValidationContext) -> None:
    report = context.report
    if operation.home:
        context.check_region(operation.home, location.at("home"))
    _by_region(operation.reaches, location.at("reaches"), context)
    for region, delay in operation.reaches.items():
        if delay is not None:
            check_delay(delay, location.at("reaches", region), report)
    if operation.padding and context.scenario.sender.envelope is not None:
        message = "padding: an envelope of several such events is longer than any body has to be accepted"
        report.add(location.at("padding").name, message)
    if location.has("every") and not location.has("repeat"):
        report.add(location.at("every").name, "every without repeat; say how many there are")
    for field, text in (("image", operation.image), ("id", operation.id)):
        where = location.at(field)
        _placeholders(text, "{n}", field, where, report)
        if "{n}" in text and not location.has("repeat"):
            report.add(where.mark, f"{field}: {{n}} without repeat; say how many there are")
    host = f"{context.scenario.registry}/"
    if operation.image.startswith(host):
        bare = operation.image.removeprefix(host)
        message = f"image: {quoted(operation.image)} names the registry; write {quoted(bare)}"
        report.add(location.at("image").mark, message)


def _placeholders(text: str, known: str, field: str, location: Location, report: Report) -> None:
    for found in _PLACEHOLDER.findall(text):
        if found != known:
            report.add(location.mark, f"{field}: {quoted(found)} stands for nothing; there is {known}")


def _expectations(context: ValidationContext) -> None:
    seen: dict[str, int] = {}
    for index, expectation in enumerate(context.scenario.expect):
        location = context.location.at("expect", index)
        _expectation(expectation, location, context)
        if (first := seen.setdefault(expectation.operation, index)) != index:
            line = context.location.at("expect", first).mark.line
            message = f"operation: {quoted(expectation.operation)} is expected twice, first on line {line}"
            context.report.add(location.at("operation").mark, message)


def _expectation(expectation: Expectation, location: Location, context: ValidationContext) -> None:
    report = context.report
    context.operations.check(expectation.operation, location.at("operation").mark, report)
    missing = location.at("missing")
    if expectation.missing and expectation.outcome != "timed_out":
        report.add(missing.name, f"missing: {expectation.outcome} misses no region; only timed_out does")
    seen: set[str] = set()
    for index, region in enumerate(expectation.missing):
        where = missing.at(index)
        if context.check_region(region, where) and normalise_region(region) in seen:
            report.add(where.mark, f"missing: {quoted(region)} is listed twice")
        seen.add(normalise_region(region))
    if expectation.at is not None and expectation.outcome == "none":
        report.add(location.at("at").name, "at: the outcome none is never notified; leave it out")
    if expectation.at is None and location.has("within"):
        report.add(location.at("within").name, "within without at; say of what")
