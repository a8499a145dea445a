"""Turns a draft into a scenario that can be played: small enough, valid, with faults that take effect.

Rules of this file: pure; a part that cannot stay is removed, never replaced.
"""

from typing import NamedTuple

import msgspec

from fanin.harness.explore.predict import Prediction, predict
from fanin.harness.oracle.bounds import FOREVER
from fanin.simulator.delivery import Profile, profile_of
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.load import ScenarioError, checked
from fanin.simulator.language.scenario import Scenario

LATE_MS = 1_000  # how much later than predicted a notification may be sent
REPEAT_MAX = 40  # of one operation
DELIVERIES_MAX = 400  # counted as repetitions times regions
# While a sink fault lasts, each notification is tried every few minutes: so long, divided by their number.
HELD_MS_MAX = 4 * 86_400_000
# A sender without a limit of attempts would send an invalid webhook ten thousand times.
REFUSED_ATTEMPTS_MAX = 5
DOWN_MS_MAX = 600_000  # for such a sender, which tries every second


class Repaired(NamedTuple):
    """A scenario that can be played, and what will probably happen in it."""

    scenario: Scenario
    prediction: Prediction


def repair(draft: Scenario, seed: int) -> Scenario | None:
    """The draft as the loader would return it; None when it is invalid even without its faults.

    Args:
        draft: Its faults may be invalid, or without effect.
        seed: What it will be played with; decides which delivery faults take effect.
    """
    found = repaired(draft, seed)
    return None if found is None else found.scenario


def repaired(draft: Scenario, seed: int, known: Repaired | None = None) -> Repaired | None:
    """As `repair`, with the prediction that it was repaired by.

    Args:
        draft: As `repair` has it.
        seed: As `repair` has it.
        known: What the draft was made from, repaired with the same seed. If the draft sends the same, no
            other prediction is made.
    """
    bounded = _with_limited_attempts(_with_short_sink_faults(_with_few_deliveries(draft)))
    scenario = accepted(bounded) or _with_accepted_faults(bounded)
    return None if scenario is None else _without_ineffective_faults(scenario, seed, known)


def _with_accepted_faults(draft: Scenario) -> Scenario | None:
    """The draft with those of its faults that the loader accepts, tried one by one."""
    scenario = accepted(msgspec.structs.replace(draft, faults=()))
    if scenario is None:
        return None
    for fault in draft.faults:
        scenario = accepted(msgspec.structs.replace(scenario, faults=(*scenario.faults, fault))) or scenario
    return scenario


def accepted(draft: Scenario) -> Scenario | None:
    """The draft as it would be if it were written as YAML and loaded; None when the loader refuses it."""
    try:
        return checked(draft)
    except ScenarioError:
        return None


def _with_few_deliveries(draft: Scenario) -> Scenario:
    """At most `DELIVERIES_MAX` deliveries."""
    share = DELIVERIES_MAX // max(1, len(draft.operations) * len(draft.regions))
    most = max(1, min(REPEAT_MAX, share))
    operations = tuple(
        msgspec.structs.replace(it, repeat=min(it.repeat, most)) for it in draft.operations[:DELIVERIES_MAX]
    )
    return msgspec.structs.replace(draft, operations=operations)


def _with_short_sink_faults(draft: Scenario) -> Scenario:
    """Sink faults end before they have held very many attempts."""
    many = sum(it.repeat for it in draft.operations)
    return msgspec.structs.replace(draft, faults=tuple(_shortened(fault, many) for fault in draft.faults))


def _shortened(fault: Fault, notifications: int) -> Fault:
    if not isinstance(fault, SinkFault) or fault.until is None:
        return fault
    longest = HELD_MS_MAX // (1 if fault.about else max(1, notifications))
    return msgspec.structs.replace(fault, until=min(fault.until, fault.since + longest))


def _with_limited_attempts(draft: Scenario) -> Scenario:
    profile = profile_of(draft.sender)
    if profile.attempts is not None or not (
        draft.webhooks or draft.expects or any(_is_repeated_in_vain(it, profile) for it in draft.faults)
    ):
        return draft
    sender = msgspec.structs.replace(draft.sender, attempts=REFUSED_ATTEMPTS_MAX)
    return msgspec.structs.replace(draft, sender=sender)


def _is_repeated_in_vain(fault: Fault, profile: Profile) -> bool:
    """Whether a sender's retries would be refused, or find the aggregator down, for a long time."""
    if isinstance(fault, DeliveryFault):
        return fault.never_succeeds(profile.timeout_ms)
    return isinstance(fault, AggregatorFault) and fault.away_ms > DOWN_MS_MAX


def _without_ineffective_faults(scenario: Scenario, seed: int, known: Repaired | None) -> Repaired | None:
    """The scenario without faults that take no effect, and without those that leave nothing acknowledged.

    A fault's random choices depend on its place in the list, so the prediction is made again after a removal.
    """
    while True:
        known = _predicted(scenario, seed, known)
        prediction = known.prediction
        kept = tuple(
            fault
            for n, fault in enumerate(scenario.faults)
            if n in prediction.effective_faults
            or not (
                isinstance(fault, DeliveryFault) or _never_meets_a_notification(fault, scenario, prediction)
            )
        )
        if len(kept) == len(scenario.faults):
            if prediction.acknowledged:
                return known
            to_remove = next((n for n, fault in enumerate(kept) if isinstance(fault, DeliveryFault)), None)
            if to_remove is None:
                return None
            kept = (*kept[:to_remove], *kept[to_remove + 1 :])
        scenario = msgspec.structs.replace(scenario, faults=kept)


def _predicted(scenario: Scenario, seed: int, known: Repaired | None) -> Repaired:
    """The scenario with its prediction, which is that of a known one that sends the same."""
    if known is not None and _as_sent(scenario) == _as_sent(known.scenario):
        return Repaired(scenario, known.prediction)
    return Repaired(scenario, predict(scenario, seed))


def _as_sent(scenario: Scenario) -> tuple[Scenario, dict[int, DeliveryFault]]:
    """All of a scenario that a prediction depends on: of its faults, those of deliveries in their places."""
    of_deliveries = {n: fault for n, fault in enumerate(scenario.faults) if isinstance(fault, DeliveryFault)}
    return msgspec.structs.replace(scenario, faults=()), of_deliveries


def _never_meets_a_notification(fault: Fault, scenario: Scenario, prediction: Prediction) -> bool:
    """Whether it is a sink fault at a time when no notification is predicted."""
    if not isinstance(fault, SinkFault):
        return False
    # An aggregator that was down notifies late.
    late = sum(it.away_ms for it in scenario.faults if isinstance(it, AggregatorFault)) + LATE_MS
    until = FOREVER if fault.until is None else fault.until
    return not any(
        fault.since - late <= it.at_ms < until for it in prediction.outcomes if fault.about in ("", it.op)
    )
