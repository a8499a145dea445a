"""How the notifications of a drawn run are sent: until the sink has accepted them, or for three days."""

from typing import Any, NamedTuple

from fanin.harness.history import ClientDisconnected, FaultApplied, NotificationReceived, SinkResponded
from fanin.simulator.faults.sink import SinkDown, SinkFault, SinkHangs, SinkLosesResponse, SinkStalls
from tests.harness.oracle.fuzz.model import CHARTS, EPOCH_MS, LegalRun, Truth
from tests.harness.oracle.fuzz.surroundings import REDELIVERY_GRACE_MS, TOLERANCE_MS, Down, Surroundings

GIVEN_UP_AFTER_MS = 3 * 86_400_000
DETAILS = ("registry", "name", "version", "mediaType", "requestId")
# How long after the crash of its sender the sink may read a notification.
_ON_ITS_WAY_MS = (0, 0, 1, 30)


class _Message(NamedTuple):
    """What is sent under one key, and where what the sink has read of it is noted."""

    key: str
    op: str
    body: dict[str, Any]
    told: list[NotificationReceived]


def notify(run: LegalRun, truth: Truth) -> None:
    """Send its outcome, and what follows if it is completed late."""
    body = _body(run, truth)
    _send(run, _Message(truth.key, truth.event.op, body, truth.told), truth.decided)
    if truth.late_at is not None and run.notifies_late:
        late = body | {"outcome": "completed_late", "arrived": [*truth.regions], "missing": []}
        message = _Message(f"{truth.key}-late", truth.event.op, late, truth.told_late)
        _send(run, message, truth.late_at)


def _send(run: LegalRun, message: _Message, decided: int) -> None:
    """Send it until the sink has accepted it, and again where that may have been lost."""
    around, rng = run.around, run.around.rng
    late_by = TOLERANCE_MS
    if around.fails_at(decided, message.op) and rng.random() < 0.3:
        late_by = REDELIVERY_GRACE_MS  # it has tried others, and has learnt that the sink fails
    crash = _crash_at(around, decided)
    at = began = around.acts_at(decided + rng.choice((0, 0, rng.randint(0, late_by))))
    if crash is not None:
        at = began = crash.down + min(rng.choice(_ON_ITS_WAY_MS), crash.up - crash.down - 1)
    for _ in range(5_000):
        if at > began + GIVEN_UP_AFTER_MS and rng.random() < 0.5:
            return
        # No process reads the response, or none stores it.
        died, crash = crash is not None and (at > crash.down or rng.random() < 0.7), None
        fault = around.sink_fault_at(at, message.op)
        if isinstance(fault, SinkDown):
            run.entries.append(FaultApplied(at, around.sink_faults.index(fault)))
            at = around.acts_at(_next(around, at, fault))
            continue
        ended, accepted = _attempt(run, message, at, fault)
        stops = around.outage_at(at)
        if stops is not None and stops.reason == "stop" and at < min([stops.up, *stops.failed]):
            died = died or rng.random() < 0.3  # its sender leaves, and may miss the response
        if not accepted or died:
            at = around.acts_at(_next(around, ended, fault))
            continue
        outage = around.outage_from(at, ended + TOLERANCE_MS)
        if outage is None or outage.down < ended or rng.random() < 0.4:
            return
        at = around.acts_at(outage.up + rng.randint(0, TOLERANCE_MS))
    raise AssertionError("the sink never accepts it")


def _crash_at(around: Surroundings, decided: int) -> Down | None:
    """The outage that begins when its sender has just sent its first attempt; None where none does."""
    outage = around.outage_from(decided, decided + TOLERANCE_MS)
    if outage is None or outage.reason == "pause" or around.replicas > 1 or around.rng.random() < 0.5:
        return None
    return outage


def _next(around: Surroundings, since: int, fault: SinkFault | None) -> int:
    """When it is attempted again: after any pause that is no longer than allowed."""
    rng = around.rng
    if fault is not None and (fault.until or 0) > since + GIVEN_UP_AFTER_MS // 3:
        return since + rng.randint(REDELIVERY_GRACE_MS // 2, REDELIVERY_GRACE_MS)
    return since + rng.choice((1, 1_000, 60_000, REDELIVERY_GRACE_MS, rng.randint(1, REDELIVERY_GRACE_MS)))


def _attempt(run: LegalRun, message: _Message, at: int, fault: SinkFault | None) -> tuple[int, bool]:
    """One attempt that the sink reads; when it ended, and whether it was accepted."""
    around, rng, number, op = run.around, run.around.rng, run.number(), message.op
    message.told.append(NotificationReceived(at, number, message.key, message.body, op))
    run.entries.append(message.told[-1])
    if fault is not None:
        run.entries.append(FaultApplied(at, around.sink_faults.index(fault), op))
    patience = rng.choice((5_000, 10_000, 60_000, REDELIVERY_GRACE_MS))
    takes = rng.randint(0, 5)
    if isinstance(fault, SinkHangs):
        takes = patience
    elif isinstance(fault, SinkStalls):
        takes = min(fault.by, patience)
    ended = at + takes
    died = around.outage_from(at, ended)
    sender_died = around.replicas == 1 or rng.random() < 0.5
    if died is not None and died.reason != "pause" and takes > 5 and sender_died:
        ended, hung = died.down, True
    else:
        hung = isinstance(fault, SinkHangs) or (isinstance(fault, SinkStalls) and fault.by >= patience)
    if hung:
        run.entries.append(SinkResponded(ended, number, error="hung"))
        return ended, False
    if isinstance(fault, SinkLosesResponse):
        run.entries.append(SinkResponded(ended, number, error="reset"))
        return ended, False
    if takes > TOLERANCE_MS and rng.random() < 0.3:
        run.entries.append(SinkResponded(ended, number, 200))
        run.entries.append(ClientDisconnected(ended + rng.randint(0, TOLERANCE_MS), number))
        return ended, rng.random() < 0.5
    status = 200 if fault is None else fault.response.status
    run.entries.append(SinkResponded(ended, number, rng.choice((200, 202, 204)) if status == 200 else status))
    return ended, status < 300


def _body(run: LegalRun, truth: Truth) -> dict[str, Any]:
    event, rng = truth.event, run.around.rng
    # The image is named in any notation that has the repository and the tag or the digest.
    image = f"{event.action}:{event.host}/{event.repository}:{event.tag}@{event.digest}"
    short = f"{event.repository}:{event.tag}" if event.tag else f"{event.repository}@{event.digest}"
    ids = [*truth.ids, *((image, short) if run.correlation == "image" else ())]
    spell = rng.choice((str, str.upper, lambda name: f" {name}"))
    body: dict[str, Any] = {
        "id": rng.choice(ids),
        "outcome": truth.outcome,
        "arrived": [spell(it) for it in truth.regions if it not in truth.missing],
        "missing": [spell(it) for it in truth.missing],
        "action": event.action,
        "repository": event.repository,
        "tag": event.tag or rng.choice((None, "")),
        "digest": event.digest,
    }
    deadline = EPOCH_MS + truth.deadline
    if rng.random() < 0.5:
        body["deadline"] = rng.choice((deadline, deadline / 1_000, None))
    known = event.details or {}
    for name in DETAILS:
        if rng.random() < 0.3:
            body[name] = known.get(name, rng.choice((None, "")))
    if event.action not in CHARTS and rng.random() < 0.1:
        body[rng.choice(("name", "version"))] = rng.choice(("fan-in", 2, ["a"]))  # of whatever else
    return body | ({"more": [1, {"x": 2}]} if rng.random() < 0.3 else {})
