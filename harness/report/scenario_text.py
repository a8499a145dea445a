"""A scenario in words: for the heading of a report, and as a whole for ``fanin show``."""

from collections.abc import Iterator
from typing import assert_never

from fanin.harness.report.line import Line, Tone, line, listed, wrap
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import (
    ClockJump,
    Crash,
    DelayBy,
    DeliveryFault,
    Drop,
    Duplicate,
    Expectation,
    Fault,
    Forge,
    LoseAnswer,
    LoseRequest,
    Malform,
    Operation,
    Pause,
    Reorder,
    Restart,
    Scenario,
    Sender,
    SignEarlier,
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesAnswer,
    SinkRefuses,
    SinkStalls,
    SlowClient,
    UnknownRegion,
    WrongKey,
)
from fanin.simulator.shapes import Delay


def describe(scenario: Scenario, *, path: str, play: str) -> Iterator[Line]:
    """The whole scenario, for a reader who has not seen it.

    Args:
        scenario: What to describe.
        path: Where its file lies.
        play: The command that plays it.
    """
    title = f"{scenario.scenario}: {scenario.title}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, hanging="  "))
    if scenario.description:
        yield line("")
        description = " ".join(scenario.description.split())
        yield from (line(text) for text in wrap(description, indent="  ", hanging="  "))
    yield line("")
    yield line("The world", Tone.STRONG)
    for sentence in scenario_sentences(scenario):
        yield from (line(text) for text in wrap(sentence, indent="  ", hanging="    "))
    yield line("")
    yield line(f"Verdict of a healthy aggregator: {scenario.verdict}")
    yield line(f"File: {path}")
    yield line(f"Play: {play}")


def sender_text(sender: Sender) -> str:
    """``acr (one attempt)``; where the scenario says nothing of its own, the profile's name says it all."""
    attempts = 1 if sender.attempts is None and sender.profile == "acr" else sender.attempts
    if attempts is None:
        return sender.profile
    return f"{sender.profile} ({'one attempt' if attempts == 1 else f'{attempts} attempts'})"


def delay_text(delay: Delay) -> str:
    """``3s``, ``1s to 5s``, ``3s, more or less`` for a log-normal one."""
    if delay.median is not None:
        return f"{format_duration(delay.median)}, more or less"
    if delay.min is not None or delay.max is not None:
        return f"{format_duration(delay.min or 0)} to {format_duration(delay.max or 0)}"
    return format_duration(delay.fixed or 0)


def fault_text(fault: Fault) -> str:
    """One fault as a clause."""
    match fault:
        case Crash() | Restart() | Pause() | ClockJump():
            return _aggregator_fault(fault)
        case SinkRefuses() | SinkStalls() | SinkHangs() | SinkLosesAnswer() | SinkDown():
            return _sink_fault(fault)
        case _:
            return f"{_whose(fault)}{_delivery_fault(fault)}"


def _delivery_fault(fault: DeliveryFault) -> str:
    match fault:
        case Drop():
            return "the registry never sends the webhook"
        case DelayBy():
            return f"the registry holds the webhook back by {delay_text(fault.by)}"
        case Duplicate():
            copies = listed([format_duration(after) for after in fault.after])
            return f"the registry repeats the webhook {copies} later"
        case Reorder():
            return f"webhooks change places within {format_duration(fault.within)}"
        case _:
            return _request_fault(fault)


def _request_fault(
    fault: LoseRequest | LoseAnswer | Malform | UnknownRegion | WrongKey | SlowClient | Forge | SignEarlier,
) -> str:
    match fault:
        case LoseRequest():
            words = f"{_first(fault.attempts, 'request')} lost on the way"
        case LoseAnswer():
            words = f"{_first(fault.attempts, 'answer')} lost on the way back"
        case Malform():
            words = f"the body is broken: {fault.how}"
        case UnknownRegion():
            words = f"the URL names region {fault.claims!r}" if fault.claims else "the URL names no region"
        case WrongKey():
            words = "the request carries a wrong key"
        case SlowClient():
            words = f"the body takes {format_duration(fault.over)}"
        case Forge():
            words = f"the signature is wrong: {fault.how}"
        case SignEarlier():
            words = f"the signature is {format_duration(fault.by)} old"
        case _:
            assert_never(fault)
    return words


def _first(count: int, what: str) -> str:
    return f"the first {what} is" if count == 1 else f"the first {count} {what}s are"


def _whose(fault: DeliveryFault) -> str:
    """Which webhooks it bites: ``eastus, op1: ``; nothing when all."""
    chance = f"{fault.chance:.0%} of webhooks" if fault.chance < 1 else ""
    words = ", ".join(filter(None, (fault.region, fault.operation, chance)))
    return f"{words}: " if words else ""


def _sink_fault(fault: SinkFault) -> str:
    match fault:
        case SinkRefuses():
            what = f"the sink answers {fault.status}"
        case SinkStalls():
            what = f"the sink takes {format_duration(fault.by)} to answer"
        case SinkHangs():
            what = "the sink never answers"
        case SinkLosesAnswer():
            times = "answer is" if fault.times == 1 else f"{fault.times} answers are"
            what = f"the sink's first {times} lost"
        case SinkDown():
            what = "nobody listens at the sink's address"
        case _:
            assert_never(fault)
    operation = "" if isinstance(fault, SinkDown) else fault.operation
    whose = f" for {operation}" if operation else ""
    since = f" from {clock(fault.since)}" if fault.since else ""
    return f"{what}{whose}{since}" + (f" until {clock(fault.until)}" if fault.until is not None else "")


_STEPS = {
    "before-answer": "after its commit, before its answer leaves",
    "after-answer": "when its answer has reached the sender",
    "before-notify": "when it has decided, before the notification arrives",
    "after-notify": "when the sink has the notification, before it can know",
}


def _aggregator_fault(fault: Crash | Restart | Pause | ClockJump) -> str:
    match fault:
        case Restart():
            down = format_duration(fault.down_for)
            return f"{_who(fault)} restarts at {clock(fault.at)}, down for {down}{_news(fault)}"
        case ClockJump():
            way = "forward" if fault.forward is not None else "back"
            by = format_duration(fault.forward or fault.back or 0)
            return f"the aggregator's clock is put {way} by {by} at {clock(fault.at)}"
        case _:
            return _struck(fault)


def _struck(fault: Crash | Pause) -> str:
    whose = ", ".join(filter(None, (fault.region, fault.operation)))
    nth = "" if fault.nth == 1 else f", the {_ordinal(fault.nth)} time"
    when = f"at {clock(fault.at or 0)}" if fault.step is None else f"{_STEPS[fault.step]}{nth}"
    if isinstance(fault, Pause):
        struck = f"{_who(fault)} stands still {when}, for {format_duration(fault.lasts)}"
    else:
        struck = f"{_who(fault)} is killed {when}, down for {format_duration(fault.down_for)}"
    return f"{whose}: {struck}" if whose else struck


def _who(fault: Crash | Restart | Pause) -> str:
    return f"replica {fault.replica}" if fault.replica else "the aggregator"


def _news(fault: Restart) -> str:
    """What it is told when it starts again."""
    regions = f", then waiting for {listed(fault.expects)}" if fault.expects else ""
    timeout = f", then with a timeout of {format_duration(fault.timeout)}" if fault.timeout else ""
    return regions + timeout


def _ordinal(number: int) -> str:
    """``2nd``, ``11th``, ``23rd``."""
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def scenario_sentences(scenario: Scenario) -> Iterator[str]:
    """The whole world, one sentence each."""
    yield f"Regions: {', '.join(scenario.regions)}."
    yield f"Timeout: {format_duration(scenario.timeout)} from the first webhook that the aggregator accepts."
    yield f"Sender: {sender_text(scenario.sender)}."
    slow = [f"{region} {delay_text(delay)}" for region, delay in scenario.replication.items()]
    if slow:
        yield f"Replication takes: {', '.join(slow)}."
    yield from _configuration(scenario)
    for operation in scenario.operations:
        yield _operation_words(operation)
    for fault in scenario.faults:
        words = fault_text(fault)
        yield f"Fault: {words}."
    for expectation in scenario.expect:
        yield _expectation_words(expectation)


def _configuration(scenario: Scenario) -> Iterator[str]:
    """What is not as usual."""
    if scenario.correlation == "image":
        yield "Webhooks belong together when they name one image: host, action, repository, tag, digest."
    if scenario.ids == "distinct":
        yield "Each region's payload carries an id of its own."
    if scenario.expects:
        yield f"At first the aggregator is told to wait for {listed(scenario.expects)} only."
    if scenario.replicas > 1:
        yield f"{scenario.replicas} replicas of the aggregator share its data; webhooks go to them in turn."
    if scenario.sender.envelope is not None:
        gathered = format_duration(scenario.sender.envelope)
        yield f"A region gathers its events for {gathered}, and sends them as one request."
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


def _operation_words(operation: Operation) -> str:
    where = f" in {operation.home}" if operation.home else ""
    often = ""
    if operation.repeat > 1:
        every = f", one every {format_duration(operation.every)}" if operation.every else ", all at once"
        often = f", {operation.repeat:,} times{every}"
    reaches = ", ".join(
        f"{region} {'never' if delay is None else 'after ' + delay_text(delay)}"
        for region, delay in operation.reaches.items()
    )
    what = f"At {clock(operation.at)}: {operation.action} of {operation.image}{where}{often}"
    return f"{what}; it reaches {reaches}." if reaches else f"{what}."


def _expectation_words(expectation: Expectation) -> str:
    missing = f", missing {', '.join(expectation.missing)}" if expectation.missing else ""
    at = f", told at {clock(expectation.at)}" if expectation.at is not None else ""
    outcome = "no notification" if expectation.outcome == "none" else expectation.outcome
    return f"Expected of {expectation.operation}: {outcome}{missing}{at}."
