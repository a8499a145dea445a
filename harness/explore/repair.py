"""Makes of a draft a scenario that can be played: small enough, sound to the loader, with faults that bite.

Rules of this file: pure; a part that cannot stay is left out, never repaired into something else.
"""

from typing import assert_never

import msgspec

from fanin.harness.explore.predict import Forecast, forecast
from fanin.harness.oracle.bounds import FOREVER
from fanin.simulator.delivery import Profile, profile_of
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import ScenarioError, loads
from fanin.simulator.language.scenario import (
    AggregatorFault,
    ClockJump,
    Crash,
    Fault,
    Malform,
    OnDelivery,
    OnSink,
    Pause,
    Restart,
    Scenario,
    SinkDown,
    SlowClient,
    UnknownRegion,
    WrongKey,
)

LATE_MS = 1_000  # by how much an outcome may be told later than was foreseen
REPEAT_MAX = 40  # of one operation
DELIVERIES_MAX = 400  # as far as repetitions and regions tell
# A sender that never gives up would repeat ten thousand times what must be refused.
ATTEMPTS_IN_VAIN_MAX = 12
DOWN_MS_MAX = 600_000  # if such a sender knocks every second at a door that is closed


def settled(draft: Scenario, seed: int) -> Scenario | None:
    """The draft as the loader would return it; None when it is wrong beyond its faults.

    Args:
        draft: Its faults may be wrong, or bite nothing.
        seed: What it will be played with; decides which faults of deliveries bite.
    """
    small = _patient(_few(draft))
    scenario = accepted(small) or _with_sound_faults(small)
    return None if scenario is None else _biting(scenario, seed)


def _with_sound_faults(draft: Scenario) -> Scenario | None:
    """Of its faults those that the loader accepts one by one."""
    scenario = accepted(msgspec.structs.replace(draft, faults=()))
    if scenario is None:
        return None
    for fault in draft.faults:
        scenario = accepted(msgspec.structs.replace(scenario, faults=(*scenario.faults, fault))) or scenario
    return scenario


def accepted(draft: Scenario) -> Scenario | None:
    """What the loader makes of the draft once it is written down; None when it refuses it."""
    try:
        return loads(dumps(draft))
    except ScenarioError:
        return None


def _few(draft: Scenario) -> Scenario:
    """At most so many deliveries."""
    share = DELIVERIES_MAX // max(1, len(draft.operations) * len(draft.regions))
    most = max(1, min(REPEAT_MAX, share))
    operations = tuple(
        msgspec.structs.replace(it, repeat=min(it.repeat, most)) for it in draft.operations[:DELIVERIES_MAX]
    )
    return msgspec.structs.replace(draft, operations=operations)


def _patient(draft: Scenario) -> Scenario:
    profile = profile_of(draft.sender)
    if profile.attempts is not None or not (draft.webhooks or any(_vain(it, profile) for it in draft.faults)):
        return draft
    sender = msgspec.structs.replace(draft.sender, attempts=ATTEMPTS_IN_VAIN_MAX)
    return msgspec.structs.replace(draft, sender=sender)


def _vain(fault: Fault, profile: Profile) -> bool:
    """Whether a sender would try again and again for nothing."""
    match fault:
        case Malform() | UnknownRegion() | WrongKey():
            return True
        case SlowClient():
            return fault.over >= profile.timeout_ms
        case Crash() | Restart():
            return fault.down_for > DOWN_MS_MAX
        case _:
            return False


def _biting(scenario: Scenario, seed: int) -> Scenario | None:
    """Without faults that bite nothing, or that together leave nothing to acknowledge.

    What a fault draws depends on its place in the list, so another look is taken when one is gone.
    """
    while True:
        outlook = forecast(scenario, seed)
        kept = tuple(
            fault
            for n, fault in enumerate(scenario.faults)
            if n in outlook.bites or not (isinstance(fault, OnDelivery) or _idle(fault, scenario, outlook))
        )
        if len(kept) == len(scenario.faults):
            if outlook.acknowledged:
                return scenario
            culprit = next((n for n, fault in enumerate(kept) if isinstance(fault, OnDelivery)), None)
            if culprit is None:
                return None
            kept = (*kept[:culprit], *kept[culprit + 1 :])
        scenario = msgspec.structs.replace(scenario, faults=kept)


def away_ms(fault: AggregatorFault) -> int:
    """How long the aggregator does nothing because of it."""
    match fault:
        case Crash() | Restart():
            return fault.down_for
        case Pause():
            return fault.lasts
        case ClockJump():
            return 0
        case _:
            assert_never(fault)


def _idle(fault: Fault, scenario: Scenario, outlook: Forecast) -> bool:
    """Whether a fault of the sink holds when nobody will be told anything, as far as one can tell."""
    if not isinstance(fault, OnSink | SinkDown):
        return False
    about = fault.operation.partition("/")[0] if isinstance(fault, OnSink) else ""
    # An aggregator that was down tells late.
    late = sum(away_ms(it) for it in scenario.faults if isinstance(it, AggregatorFault)) + LATE_MS
    until = FOREVER if fault.until is None else fault.until
    return not any(fault.since - late <= it.at_ms < until for it in outlook.outcomes if about in ("", it.op))
