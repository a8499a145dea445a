"""Wrong keys, wrong repetitions and wrong content."""

import random
from collections.abc import Iterable
from itertools import count
from typing import Any

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent, NotificationReceived
from tests.harness.oracle.fuzz.illegal.seen import (
    FOREVER,
    Change,
    Entries,
    changed,
    some_told,
    some_told_late,
    with_body,
    with_extra,
    without,
)
from tests.harness.oracle.fuzz.model import CHARTS, EPOCH_MS, RETENTION_MS, LegalRun
from tests.harness.oracle.fuzz.notifications import GIVEN_UP_AFTER_MS
from tests.harness.oracle.fuzz.surroundings import TOLERANCE_MS


def sent_again(run: LegalRun, rng: random.Random) -> Entries | None:
    """Once more, although the sink's 2xx was certainly read and stored."""
    if run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, _, told = found
    last, response = told[-1], seen.responded[told[-1].request]
    stored_by = response.at + TOLERANCE_MS
    if any(it.down <= stored_by and it.up + 2 * TOLERANCE_MS >= last.at for it in run.around.outages):
        return None
    if response.status not in range(200, 300) or response.at - last.at > TOLERANCE_MS:
        return None
    after_starts = [it.up + TOLERANCE_MS // 2 for it in run.around.outages if it.down > stored_by]
    at = rng.choice((response.at + 1, response.at + 5_000, response.at + 10**6, *after_starts))
    return with_extra(run, replace(last, at=at))


def not_sent_again(run: LegalRun, rng: random.Random) -> Entries | None:
    """The sink has refused it, or its answer was lost, and it is given up before three days are over."""
    if _may_give_up(run) or run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, truth, _ = found
    told = truth.told
    accepted = (n for n, it in enumerate(told) if seen.responded[it.request].status in range(200, 300))
    first = next(accepted, 0)
    if first == 0:
        return None
    return without(run, seen, told[rng.randint(1, first) :])


def _may_give_up(run: LegalRun) -> bool:
    """Whether the sink fails for so long, or the aggregator is down so long, that it may be given up."""
    days = [
        *((it.until or 0) - it.since for it in run.around.sink_faults),
        *(it.up - it.down for it in run.around.outages),
    ]
    return any(it >= GIVEN_UP_AFTER_MS // 2 for it in days)


def without_a_key(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told(run, rng)) is None:
        return None
    told = found[2]
    empty = rng.choice((None, ""))
    return changed(run, *((it, replace(it, key=empty)) for it in told))


def another_key_each_time(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told(run, rng)) is None or len(found[2]) < 2:
        return None
    numbers = count()
    return changed(run, *((it, replace(it, key=f"{it.key}-{next(numbers)}")) for it in found[2]))


def another_operations_key(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    others = [it for it in run.truths if it is not truth and seen.notifications(it)]
    if not others:
        return None
    key = rng.choice(others).key
    return changed(run, *((it, replace(it, key=key)) for it in told))


def wrong_content(run: LegalRun, rng: random.Random) -> Entries | None:
    """One field says something else."""
    if (found := some_told(run, rng)) is None:
        return None
    _, truth, told = found
    arrived = [it for it in truth.regions if it not in truth.missing]
    fields: dict[str, Any] = rng.choice(
        (
            {"tag": "other"}, {"repository": "team/other"}, {"digest": "sha256:other"},
            {"action": "chart_push" if truth.event.action != "chart_push" else "push"}, {"tag": 5},
            {"id": "id-of-none"}, {"outcome": "done"}, {"outcome": None}, {"arrived": None},
            {"missing": "none"}, {"arrived": [*arrived, "mars"]}, {"missing": [*truth.missing, "mars"]},
            {"arrived": [*arrived, *arrived[:1], *truth.missing[:1]]}, {"repository": None},
            {"deadline": EPOCH_MS + (truth.deadline or 0) + 3_600_000 + run.around.latest},
            {"deadline": "soon"}, {"deadline": {}},
        )
    )  # fmt: skip
    return with_body(run, told, **fields)


def a_wrong_detail(run: LegalRun, rng: random.Random) -> Entries | None:
    """What a notification may leave out, and must not say otherwise: of a chart also its name and version."""
    if (found := some_told(run, rng)) is None:
        return None
    _, truth, told = found
    if truth.event.details is None:
        return None
    of_charts = ("name", "version") if truth.event.action in CHARTS else ()
    name = rng.choice(("registry", "requestId", "mediaType", *of_charts * 2))
    return with_body(run, told, **{name: rng.choice(("elsewhere", 5, ["a"], {}))})


def no_body(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told(run, rng)) is None:
        return None
    return changed(run, *((it, replace(it, body=None)) for it in found[2]))


def not_a_post(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told(run, rng)) is None:
        return None
    how: dict[str, Any] = rng.choice(({"method": "PUT"}, {"path": "/elsewhere"}))
    return changed(run, *((it, replace(it, **how)) for it in found[2]))


def an_operation_that_never_occurred(run: LegalRun, rng: random.Random) -> Entries | None:
    body = {"id": "id-of-none", "outcome": "completed", "arrived": [*run.around.regions], "missing": []}
    at = rng.randint(0, run.around.latest)
    return with_extra(run, NotificationReceived(at, 0, "key-of-none", body))


def one_outcome_under_two_keys(run: LegalRun, rng: random.Random) -> Entries | None:
    if run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    at = told[-1].at + rng.choice((0, 1, 5_000, 10**7))
    if at >= seen.possible_from(truth) + RETENTION_MS - run.drift:
        return None
    return with_extra(run, replace(told[0], at=at, key=f"{told[0].key}-other"))


# --- late completions ---


def a_wrong_late_completion(run: LegalRun, rng: random.Random) -> Entries | None:
    """Without a key of its own, with another content, or not as a POST."""
    if (found := some_told_late(run, rng)) is None:
        return None
    _, truth, told = found
    changes: list[dict[str, Any]] = [
        {"key": None}, {"key": truth.key}, {"method": "PUT"}, {"path": "/elsewhere"},
        {"body": {**(told[0].body or {}), "tag": "other"}},
        {"body": {**(told[0].body or {}), "arrived": [*truth.regions][1:], "missing": truth.regions[:1]}},
    ]  # fmt: skip
    others = [it.key for it in run.truths if it is not truth and it.told]
    if others:
        changes.append({"key": rng.choice(others)})
    change = rng.choice(changes)
    return changed(run, *((it, replace(it, **change)) for it in told))


def a_second_late_completion(run: LegalRun, rng: random.Random) -> Entries | None:
    if (found := some_told_late(run, rng)) is None:
        return None
    seen, truth, told = found
    at = told[-1].at + rng.choice((1, 5_000, 10**7))
    if at >= seen.possible_from(truth) + RETENTION_MS - run.drift:
        return None
    return with_extra(run, replace(told[0], at=at, key=f"{told[0].key}-other"))


def no_late_completion(run: LegalRun, rng: random.Random) -> Entries | None:
    """The last missing region certainly came after the deadline."""
    if _may_give_up(run) or (found := some_told_late(run, rng)) is None:
        return None
    seen, truth, told = found
    certain = {it: seen.certain_by(truth, it, alone=it not in run.around.always) for it in truth.regions}
    deadline = min(certain.values()) + max(run.around.timeouts) + 2 * run.drift
    late = [it for it in truth.missing if _first_sent(seen.possible(truth), it) > deadline]
    remembered = max(certain.values()) < seen.possible_from(truth) + RETENTION_MS - run.drift
    return without(run, seen, told) if late and remembered else None


def _first_sent(attempts: Iterable[tuple[AttemptSent, AttemptEnded]], region: str) -> int:
    return min((sent.at for sent, _ in attempts if sent.region == region), default=FOREVER)


def a_late_completion_unasked_for(run: LegalRun, rng: random.Random) -> Entries | None:
    """Where the aggregator is not told to send them, or of an operation that was in time."""
    if run.successors or (found := some_told(run, rng)) is None:
        return None
    _, truth, told = found
    if run.notifies_late and truth.missing:
        return None
    at = told[-1].at + rng.choice((1, 5_000, 10**6))
    body = {**(told[0].body or {}), "outcome": "completed_late", "arrived": [*truth.regions], "missing": []}
    return with_extra(run, replace(told[0], at=at, key=f"{told[0].key}-late", body=body))


CHANGES: tuple[Change, ...] = (
    sent_again, not_sent_again, without_a_key, another_key_each_time, another_operations_key, wrong_content,
    a_wrong_detail, no_body, not_a_post, an_operation_that_never_occurred, one_outcome_under_two_keys,
    a_wrong_late_completion, a_second_late_completion, no_late_completion, a_late_completion_unasked_for,
)  # fmt: skip
