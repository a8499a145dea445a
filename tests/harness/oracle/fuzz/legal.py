"""Histories of right aggregators, drawn at random from the contract.

The model knows when each arrival was committed, which the judge does not, and does then whatever the contract
allows, at random: it answers early or late, notifies at once or at the end of the tolerance, repeats what it
may repeat. It shares nothing with the judge and nothing with this project's aggregator.
"""

from msgspec.structs import replace

from fanin.harness.history import FaultApplied, RegistryEvent, TargetState
from fanin.simulator.language.scenario import Only
from tests.harness.oracle.fuzz import deliveries
from tests.harness.oracle.fuzz.bursts import plan_burst, put_off_after_starts
from tests.harness.oracle.fuzz.chance import Chance
from tests.harness.oracle.fuzz.last_crash import crash_at_the_end
from tests.harness.oracle.fuzz.model import AWAITED, CHARTS, LegalRun, Subject, Truth
from tests.harness.oracle.fuzz.notifications import notify
from tests.harness.oracle.fuzz.slow_answers import slow_by_chance
from tests.harness.oracle.fuzz.surroundings import drawn

UNAWAITED = ("chart_delete", "quarantine", "ping")
_BURSTS, _TWINS, _OPS_MAX = 0.05, 0.06, 4
# What is fanned in, and what of a push is then left out.
_FILTERS: tuple[tuple[Only, dict[str, str | None]], ...] = (
    (Only(), {}),
    (Only(), {}),
    (Only(repositories=("team/*", "!*/private*")), {"repository": "team/private-app"}),
    (Only(tags=("1.*", "!*-rc")), {"tag": "1.0-rc"}),
    (Only(attachments=False), {"tag": f"sha256-{'0' * 64}.sig"}),
    (Only(tagged=True), {"tag": None}),
)


def legal_run(seed: int) -> LegalRun:
    """The run of this seed."""
    rng = Chance(seed)
    run = LegalRun(drawn(rng), rng.choice(("event-id", "event-id", "event-id", "image")))
    run.only, left_out = rng.choice(_FILTERS)
    run.notifies_late, run.drift = rng.random() < 0.2, rng.choice((0, 0, 0, 0, 40))
    _record_surroundings(run)
    ops = [*run.around.ops]
    while ops:
        together = ops.pop() if rng.random() < 0.7 or len(ops) < 2 else (ops.pop(), ops.pop())
        run.subjects.append(_subject(run, (together,) if isinstance(together, str) else together, left_out))
    if len(run.around.ops) < _OPS_MAX and rng.random() < _TWINS:
        _add_twin(run)
    for subject in run.subjects:
        deliveries.plan(run, subject)
    for _ in range(0 if run.around.stalled else rng.choice((0, 0, 0, 1, 2))):
        deliveries.plan_envelope(run)
    if rng.random() < _BURSTS:
        plan_burst(run)
    deliveries.play(run)
    for subject in run.subjects:
        for truth in subject.operations:
            notify(run, truth)
        if not subject.operations:
            subject.operations.append(Truth(subject.events[0], awaited=subject.awaited))
    if run.around.stalled:
        slow_by_chance(run)
    put_off_after_starts(run)
    run.entries += run.last
    crash_at_the_end(run)
    return run


def _record_surroundings(run: LegalRun) -> None:
    rng = run.around.rng
    for replica in (1, 2) if run.around.replicas > 1 else (0,):
        run.entries.append(TargetState(0, "up", "start", took=rng.choice((0, 200_000)), replica=replica))
    for outage in run.around.outages:
        back = TargetState(
            outage.up, "up", "resume" if outage.reason == "pause" else "start", took=outage.took
        )
        # What happens at the instant of an outage may be recorded before it or after.
        records = run.entries if rng.random() < 0.5 else run.last
        records.append(TargetState(outage.down, "down", outage.reason, replica=outage.replica))
        for at in outage.failed:
            run.entries.append(TargetState(at, "down", "failed", "it is in use", replica=outage.replica))
        changed = replace(back, replica=outage.replica, timeout=outage.timeout, expects=outage.expects)
        run.entries.append(changed)
    for index, fault in enumerate(run.around.sink_faults):
        run.entries.append(FaultApplied(fault.since, index))


# --- what happens in the registry ---


def _subject(run: LegalRun, ops: tuple[str, ...], left_out: dict[str, str | None]) -> Subject:
    """One event, or several of one key: an image that is pushed again, or an id that comes again."""
    around, rng = run.around, run.around.rng
    action = rng.choice((*AWAITED * 3, *UNAWAITED))
    tag = None if action == "delete" else f"1.{ops[0]}"
    digest = f"sha256:{ops[0]}" if rng.random() < 0.8 or tag is None else None
    image: dict[str, str | None] = {"repository": "team/app", "tag": tag, "digest": digest}
    awaited = action in AWAITED
    if left_out and action == "push" and rng.random() < 0.4:
        image, awaited = image | left_out | {"digest": f"sha256:{ops[0]}"}, False
    in_order = len(ops) > 1 and run.correlation == "image" and rng.random() < 0.5
    own_ids, at = rng.random() < 0.5, _instant(run)
    subject = Subject([], awaited, in_order)
    for nth, op in enumerate(ops):
        is_again = nth and not in_order and (run.correlation != "image" or rng.random() < 0.2)
        ids = subject.events[0].ids if is_again else _ids(run, op, own_ids=own_ids)
        host = "" if action in CHARTS else "demo.azurecr.io"
        details = _details(action, op, ops[0]) if rng.random() < 0.9 else None
        event = RegistryEvent(at, op, action, host, **image, ids=ids, details=details)  # type: ignore[arg-type]
        subject.events.append(event)
        run.entries.append(subject.events[-1])
        apart = max(around.timeouts) + 10_000 if in_order or rng.random() < 0.3 else 0
        at += apart + rng.choice((0, rng.randint(0, around.latest + 1)))
    return subject


def _add_twin(run: LegalRun) -> None:
    """The same image by payloads that leave out the host: another key, where the image is the key."""
    rng = run.around.rng
    found = [it.events[0] for it in run.subjects if len(it.events) == 1 and it.awaited and it.events[0].host]
    if not found:
        return
    event, op = rng.choice(found), f"op{_OPS_MAX + 1}"
    run.around.ops = (*run.around.ops, op)
    ids = _ids(run, op, own_ids=rng.random() < 0.5)
    details = {"mediaType": "application/oci"}
    twin = replace(event, at=_instant(run), op=op, host="", ids=ids, details=details)
    run.subjects.append(Subject([twin], awaited=True))
    run.entries.append(twin)


def _details(action: str, op: str, image: str) -> dict[str, str]:
    """What the payloads of an operation say besides; a chart's say nothing of the request."""
    if action in CHARTS:
        return {"name": f"chart-{image}", "version": "1.0.0.tgz", "mediaType": "application/helm"}
    return {"registry": "demo.azurecr.io", "requestId": f"r-{op}", "mediaType": "application/oci"}


def _ids(run: LegalRun, op: str, *, own_ids: bool) -> dict[str, str]:
    numbered = run.correlation == "image" and own_ids
    return {it: f"id-{op}-{n}" if numbered else f"id-{op}" for n, it in enumerate(run.around.all_regions)}


def _instant(run: LegalRun) -> int:
    """Any, or one from which on a deadline or an arrival falls together with an outage."""
    around, rng = run.around, run.around.rng
    if not around.outages or rng.random() < 0.7:
        return rng.randint(0, around.latest)
    outage = rng.choice(around.outages)
    edge = rng.choice((outage.down, outage.up)) - rng.choice((0, around.timeout)) - rng.choice((0, 1, 3, 4))
    return max(0, edge)
