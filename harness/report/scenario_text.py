"""A scenario in words: for the heading of a report, and as a whole for ``fanin show``."""

from collections.abc import Iterator

from fanin.harness.report.line import WIDTH, Line, Tone, line, listed, wrap
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Expectation, Operation, Scenario, Sender


def describe(scenario: Scenario, *, path: str, play: str, width: int = WIDTH) -> Iterator[Line]:
    """The whole scenario, for a reader who has not seen it.

    Args:
        scenario: What to describe.
        path: Where its file lies.
        play: The command that plays it.
        width: Columns; path and command may be wider.
    """
    title = f"{scenario.scenario}: {scenario.title}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, width, hanging="  "))
    if scenario.description:
        yield line("")
        description = " ".join(scenario.description.split())
        yield from (line(text) for text in wrap(description, width, indent="  ", hanging="  "))
    yield line("")
    yield line("The world", Tone.STRONG)
    for sentence in scenario_sentences(scenario):
        yield from (line(text) for text in wrap(sentence, width, indent="  ", hanging="    "))
    yield line("")
    yield line(f"Verdict of a healthy aggregator: {scenario.verdict}")
    yield line(f"File: {path}")
    yield line(f"Play: {play}")


def sender_text(sender: Sender) -> str:
    """``acr (one attempt)``; where the scenario sets no number, the profile's name alone."""
    attempts = 1 if sender.attempts is None and sender.profile == "acr" else sender.attempts
    if attempts is None:
        return sender.profile
    return f"{sender.profile} ({'one attempt' if attempts == 1 else f'{attempts} attempts'})"


def scenario_sentences(scenario: Scenario) -> Iterator[str]:
    """The whole world, one sentence each."""
    yield f"Regions: {', '.join(scenario.regions)}."
    yield f"Timeout: {format_duration(scenario.timeout)} from the first webhook that the aggregator accepts."
    yield f"Sender: {sender_text(scenario.sender)}."
    slow = [f"{region} {delay.describe()}" for region, delay in scenario.replication.items()]
    if slow:
        yield f"Replication takes: {', '.join(slow)}."
    yield from _configuration(scenario)
    for operation in scenario.operations:
        yield _operation_words(operation)
    for fault in scenario.faults:
        yield f"Fault: {fault.describe()}."
    for expectation in scenario.expect:
        yield _expectation_words(expectation)


def _configuration(scenario: Scenario) -> Iterator[str]:
    """What is not as usual."""
    if scenario.correlation == "image":
        yield "Webhooks belong together when they name one image: host, action, repository, tag, digest."
    if scenario.ids == "distinct":
        yield "Each region's payload carries an id of its own."
    if scenario.expects:
        yield f"At first the aggregator is configured to wait for {listed(scenario.expects)} only."
    if scenario.replicas > 1:
        yield f"{scenario.replicas} replicas of the aggregator share its data; webhooks go to them in turn."
    yield from _forms(scenario.sender)
    if scenario.signing.rotates is not None:
        yield f"Deliveries are signed; from {clock(scenario.signing.rotates)} on with the second secret."
    elif scenario.signing.secrets:
        yield "Deliveries are signed."
    if scenario.key:
        yield "The aggregator asks for a function key."
    for region, webhook in scenario.webhooks.items():
        scope = f", scope {webhook.scope!r}" if webhook.scope else ""
        what = ", ".join(webhook.actions)
        yield f"Webhook of {region}: {webhook.uri}{scope}, {webhook.status}, for {what}."


def _forms(sender: Sender) -> Iterator[str]:
    """How events are put into requests."""
    if sender.envelope is not None:
        who, gathered = "A region", format_duration(sender.envelope)
        if sender.profile == "event-grid":
            who = "Event Grid"
        yield f"{who} gathers its events for {gathered}, and sends them as one request."
    if sender.schema == "cloudevents":
        yield "Events are CloudEvents 1.0."


def _operation_words(operation: Operation) -> str:
    where = f" in {operation.home}" if operation.home else ""
    often = ""
    if operation.repeat > 1:
        every = f", one every {format_duration(operation.every)}" if operation.every else ", all at once"
        often = f", {operation.repeat:,} times{every}"
    reaches = ", ".join(
        f"{region} {'never' if delay is None else 'after ' + delay.describe()}"
        for region, delay in operation.reaches.items()
    )
    what = f"At {clock(operation.at)}: {operation.action} of {operation.image}{where}{often}"
    return f"{what}; it reaches {reaches}." if reaches else f"{what}."


def _expectation_words(expectation: Expectation) -> str:
    missing = f", missing {', '.join(expectation.missing)}" if expectation.missing else ""
    at = f", notified at {clock(expectation.at)}" if expectation.at is not None else ""
    outcome = "no notification" if expectation.outcome == "none" else expectation.outcome
    return f"Expected of {expectation.operation}: {outcome}{missing}{at}."
