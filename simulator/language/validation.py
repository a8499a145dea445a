"""What a scenario of the right shape may still get wrong: names that nobody has, delays of two kinds at once.

Rules of this file: values are looked at, `Location` says where they stand; what could not be read is not held
against the rest, so no region is called unknown while the list of regions is broken.
What may be wrong with faults is in `fanin.simulator.language.fault_validation`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fanin.simulator.durations import format_duration
from fanin.simulator.language.names import Directory, operation_names
from fanin.simulator.language.problems import Report
from fanin.simulator.language.reader import Location
from fanin.simulator.language.scenario import Expectation, Operation, Scenario
from fanin.simulator.shapes import Delay
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region

_PLACEHOLDER = re.compile("[{][^{}]*[}]")
_ROTATED = 2  # secrets, while one takes the other's place


@dataclass(frozen=True, slots=True)
class Reading:
    """A scenario that is being read: what it says so far, where, and who is in it."""

    scenario: Scenario
    place: Location
    report: Report
    regions: Directory  # by `normalise_region` name
    operations: Directory

    @classmethod
    def of(cls, scenario: Scenario, place: Location, report: Report) -> "Reading":
        return cls(
            scenario,
            place,
            report,
            Directory(
                "region",
                {normalise_region(each): each for each in scenario.regions},
                complete=place.sound("regions"),
            ),
            Directory(
                "operation",
                {each: each for each in operation_names(scenario.operations)},
                complete=place.sound("operations"),
            ),
        )

    def region(self, name: str, place: Location) -> bool:
        """Whether the region exists; when it does not, that is reported."""
        return self.regions.knows(normalise_region(name), place.mark, self.report, written=name)


def check(reading: Reading) -> None:
    """Report what is wrong with everything but the faults."""
    scenario, place = reading.scenario, reading.place
    _regions(scenario.regions, place.at("regions"), reading.report)
    check_expects(scenario.expects, place.at("expects"), reading)
    _signing(reading)
    if scenario.sender.envelope is not None and scenario.sender.profile != "cncf-distribution":
        message = f"envelope: {scenario.sender.profile} gathers no events; only cncf-distribution does"
        reading.report.add(place.at("sender", "envelope").name, message)
    check_delay(scenario.latency, place.at("latency"), reading.report)
    _by_region(scenario.replication, place.at("replication"), reading)
    for region, delay in scenario.replication.items():
        check_delay(delay, place.at("replication", region), reading.report)
    _by_region(scenario.webhooks, place.at("webhooks"), reading)
    for region, webhook in scenario.webhooks.items():
        where = place.at("webhooks", region, "uri")
        _placeholders(webhook.uri, "{region}", "uri", where, reading.report)
    _names(scenario.operations, place.at("operations"), reading.report)
    for index, operation in enumerate(scenario.operations):
        _operation(operation, place.at("operations", index), reading)
    seen: dict[str, int] = {}
    for index, expectation in enumerate(scenario.expect):
        where = place.at("expect", index)
        _expectation(expectation, where, reading)
        first = seen.setdefault(expectation.operation, where.mark.line)
        if first != where.mark.line:
            message = f"operation: {quoted(expectation.operation)} is expected twice, first on line {first}"
            reading.report.add(where.at("operation").mark, message)


def check_delay(delay: Delay, place: Location, report: Report) -> None:
    """Report a delay that is not exactly one of: fixed, an even spread, log-normal."""
    spread = delay.min is not None or delay.max is not None
    forms = (delay.fixed is not None) + spread + (delay.median is not None)
    if forms != 1:
        found = "several kinds of delay at once" if forms else "no delay"
        report.add(place.mark, f"{found}; write a duration, or min and max, or median and sigma")
    elif delay.median is None and place.has("sigma"):
        report.add(place.at("sigma").name, "sigma without a median; write both")
    elif spread and (delay.min is None or delay.max is None):
        given, other = ("min", "max") if delay.max is None else ("max", "min")
        report.add(place.at(given).name, f"{given} without {other}; write both")
    elif delay.min is not None and delay.max is not None and delay.min > delay.max:
        shortest, longest = format_duration(delay.min), format_duration(delay.max)
        report.add(place.at("min").mark, f"min: {shortest} is longer than max, {longest}")


def _regions(regions: Iterable[str], place: Location, report: Report) -> None:
    seen: dict[str, int] = {}
    for index, region in enumerate(regions):
        where = place.at(index).mark
        if (first := seen.setdefault(normalise_region(region), index)) != index:
            line = place.at(first).mark.line
            report.add(where, f"regions: {quoted(region)} is listed twice, first on line {line}")


def check_expects(expects: Iterable[str], place: Location, reading: Reading) -> None:
    """Report regions to wait for that there are not, or that are listed twice."""
    seen: dict[str, int] = {}
    for index, region in enumerate(expects):
        where = place.at(index)
        if (
            reading.region(region, where)
            and (first := seen.setdefault(normalise_region(region), index)) != index
        ):
            line = place.at(first).mark.line
            reading.report.add(where.mark, f"expects: {quoted(region)} is listed twice, first on line {line}")


def _signing(reading: Reading) -> None:
    signing, place = reading.scenario.signing, reading.place.at("signing")
    if (signing.rotates is not None) != (len(signing.secrets) == _ROTATED):
        message = "signing: two secrets and 'rotates' go together; write both, or one secret alone"
        reading.report.add(place.mark, message)


def _by_region(table: Iterable[str], place: Location, reading: Reading) -> None:
    """Keys name regions, each at most once."""
    seen: dict[str, str] = {}
    for name in table:
        where = place.at(name)
        key = Location(where.name, where.name)
        if reading.region(name, key) and (first := seen.setdefault(normalise_region(name), name)) != name:
            reading.report.add(
                key.mark, f"{quoted(name)} is the region {quoted(first)}, which is there already"
            )


def _names(operations: Iterable[Operation], place: Location, report: Report) -> None:
    """Operations have names of their own, those by position included."""
    if place.damaged:  # one may be missing, and positions with it
        return
    seen: dict[str, int] = {}
    for index, name in enumerate(operation_names(operations)):
        if (first := seen.setdefault(name, index)) != index:
            where, line = place.at(index), place.at(first).mark.line
            by = "" if where.has("name") else ", this one's name by its position,"
            message = f"name: {quoted(name)}{by} is already the operation on line {line}; choose another"
            report.add(where.at("name").mark, message)


def _operation(operation: Operation, place: Location, reading: Reading) -> None:
    report = reading.report
    if operation.home:
        reading.region(operation.home, place.at("home"))
    _by_region(operation.reaches, place.at("reaches"), reading)
    for region, delay in operation.reaches.items():
        if delay is not None:
            check_delay(delay, place.at("reaches", region), report)
    if place.has("every") and not place.has("repeat"):
        report.add(place.at("every").name, "every without repeat; say how many there are")
    for field, text in (("image", operation.image), ("id", operation.id)):
        where = place.at(field)
        _placeholders(text, "{n}", field, where, report)
        if "{n}" in text and not place.has("repeat"):
            report.add(where.mark, f"{field}: {{n}} without repeat; say how many there are")
    host = f"{reading.scenario.registry}/"
    if operation.image.startswith(host):
        bare = operation.image.removeprefix(host)
        message = f"image: {quoted(operation.image)} names the registry; write {quoted(bare)}"
        report.add(place.at("image").mark, message)


def _placeholders(text: str, known: str, field: str, place: Location, report: Report) -> None:
    for found in _PLACEHOLDER.findall(text):
        if found != known:
            report.add(place.mark, f"{field}: {quoted(found)} stands for nothing; there is {known}")


def _expectation(expectation: Expectation, place: Location, reading: Reading) -> None:
    report = reading.report
    reading.operations.knows(expectation.operation, place.at("operation").mark, report)
    missing = place.at("missing")
    if expectation.missing and expectation.outcome != "timed_out":
        report.add(missing.name, f"missing: {expectation.outcome} misses no region; only timed_out does")
    seen: set[str] = set()
    for index, region in enumerate(expectation.missing):
        where = missing.at(index)
        if reading.region(region, where) and normalise_region(region) in seen:
            report.add(where.mark, f"missing: {quoted(region)} is listed twice")
        seen.add(normalise_region(region))
    if expectation.at is not None and expectation.outcome == "none":
        report.add(place.at("at").name, "at: the outcome none is never notified; leave it out")
    if expectation.at is None and place.has("within"):
        report.add(place.at("within").name, "within without at; say of what")
