"""Healthy variants differ from the aggregator as it is, and get its verdicts."""

from typing import Any

import pytest

from fanin.harness.history import AttemptEnded, NotificationReceived
from fanin.harness.mutants.matrix import is_played_with, scenario_of, verdicts_of
from fanin.harness.mutants.registry import HEALTHY
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.harness.world.play import play
from fanin.simulator.pack import names
from tests.harness.mutants.behaviour import difference, run, small

# Every clause of the contract, and every way in which a variant differs, in a few short scenarios.
FAIR = (
    "ack-lost",
    "crash-at-notify",
    "down-over-the-deadline",
    "duplicate-after-done",
    "every-action",
    "odd-regions",
    "photo-finish",
    "restart-every-30s",
    "rude-traffic",
    "same-key-next-week",
    "sink-response-lost",
    "slow-region",
    "stampede-finish",
    "stuck-sink",
)
WITHOUT_CAPABILITIES = [it.name for it in HEALTHY.values() if not it.capabilities]
WITH_CAPABILITIES = [it.name for it in HEALTHY.values() if it.capabilities]
TIMES_OUT = 'operations:\n  - {image: "a:1", reaches: {east: 0s, west: never}}\n'

RUNS = {
    "slow-notifier": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.700 notified: op1 completed, a:1, key 1
        """,
    ),
    "coarse-timer": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 100ms, west: never}}
        """,
        """
        - 120.100 notified: op1 timed_out without west, a:1, key 1
        + 120.500 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "marks-late": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 1.5s, down_for: 1s}
        """,
        """
        + 2.500 notified: op1 completed, a:1, key 1
        """,
    ),
    "answers-after-delay": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        + 0.700 op1 east: 202
        + 1.700 op1 west: 202
        """,
    ),
    "wakes-up-slowly": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        """,
        """
        - 0.000 op1 east: 202
        + 2.000 op1 east: 202
        """,
    ),
    "groups-commits": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0.5s, west: 2s}}
        """,
        """
        - 0.500 op1 east: 202
        - 2.000 op1 west: 202
        - 2.000 notified: op1 completed, a:1, key 1
        + 1.500 op1 east: 202
        + 3.000 op1 west: 202
        + 3.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "pauses-nine-minutes": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 500, until: 1500ms}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        + 541.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "other-statuses": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: not-json}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 400
        + 0.000 op1 east: 200
        + 1.000 op1 west: 422
        """,
    ),
    "no-content": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        + 0.000 op1 east: 204
        + 1.000 op1 west: 204
        """,
    ),
    "closed-window": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 120s}}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 120.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "unlimited-retention": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [8d]}
        """,
        """
        - 691321.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_variant_differs_from_the_aggregator_as_it_is(name: str) -> None:
    """Otherwise it would not be needed."""
    assert difference(HEALTHY[name], RUNS[name].scenario) == RUNS[name].difference


@pytest.mark.parametrize("name", ["unmodified", "in-memory"])
def test_a_variant_behaves_like_the_aggregator_as_it_is(name: str) -> None:
    """As far as it can be observed, in a scenario without a crash."""
    assert difference(HEALTHY[name], TIMES_OUT) == ""


def test_a_variant_that_sheds_load_does_so_only_under_load() -> None:
    """Eight are in progress, the ninth is refused; one after the other, none is."""
    together = 'operations:\n  - {image: "a:{n}", repeat: 9, every: 0s, reaches: {east: 0s, west: 1s}}\n'

    statuses = [
        [
            it.status
            for it in play(small(text), factory=HEALTHY["sheds-load"].factory).entries
            if isinstance(it, AttemptEnded)
        ]
        for text in (together, together.replace("every: 0s", "every: 200ms"))
    ]

    assert [each.count(503) for each in statuses] == [2, 0]


def notification(name: str) -> tuple[str | None, dict[str, Any]]:
    """Key and body of the notification that a variant sends of a timeout."""
    (received,) = (
        it
        for it in play(small(TIMES_OUT), factory=HEALTHY[name].factory).entries
        if isinstance(it, NotificationReceived)
    )
    return received.key, received.body or {}


def test_bodies_differ_in_what_the_contract_leaves_open() -> None:
    """More fields, fewer fields, another format of the deadline, other letter case, another key."""
    key, usual = notification("unmodified")
    _, extra = notification("extra-fields")
    _, fewer = notification("omits-null-fields")
    _, cased = notification("other-letter-case")
    by_id, same = notification("keyed-by-id")

    assert {name: extra[name] for name in usual} == usual
    assert extra.keys() - usual.keys() == {"version", "links", "tries"}
    assert isinstance(fewer.pop("deadline"), int)
    assert fewer == {name: it for name, it in usual.items() if it is not None and name != "deadline"}
    assert (usual["missing"], cased["missing"]) == (["west"], [" West "])
    assert same == usual
    assert str(by_id).startswith(f"{usual['id']} ")
    assert by_id != key


@pytest.mark.parametrize("name", WITHOUT_CAPABILITIES)
def test_no_variant_is_accused(name: str) -> None:
    """`fanin matrix` plays the whole pack."""
    verdicts = verdicts_of(name, FAIR)

    assert set(verdicts.values()) == {Validity.VALID}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", WITH_CAPABILITIES)
def test_what_is_beyond_the_contract_can_be_done(name: str, seed: int) -> None:
    """A scenario that no aggregator has ever passed would prove nothing."""
    it = HEALTHY[name]
    theirs = [scenario_of(each) for each in names() if is_played_with(scenario_of(each), it.capabilities)]

    verdicts = {each.scenario: judge(play(each, seed=seed, factory=it.factory)).validity for each in theirs}

    assert verdicts == {each.scenario: Validity.VALID for each in theirs}
    assert verdicts


@pytest.mark.parametrize("scenario", ["same-image-again", "slow-region"])
@pytest.mark.parametrize("name", WITH_CAPABILITIES)
def test_what_can_do_more_keeps_the_contract(name: str, scenario: str) -> None:
    """Random scenarios ask for both at once, so a fault in the rest would be taken for an accusation."""
    history = play(scenario_of(scenario), factory=HEALTHY[name].factory)

    assert judge(history).validity is Validity.VALID
