"""Simultaneous webhooks come in every order, and nothing else differs."""

import math

from fanin.harness.explore.interleave import Interleaving, orders_possible, simultaneous
from fanin.harness.explore.runs import ExploredRun, explore
from fanin.harness.explore.subject import Subject
from fanin.harness.explore.sweep import without_expectations
from fanin.harness.history import AttemptSent
from fanin.harness.verdict import Validity


def interleaving(*, orders: int, schedules: int = 0, bug: str = "", within_ms: int = 5) -> Interleaving:
    return Interleaving(
        subject=Subject(bug=bug), name="photo-finish", orders=orders, schedules=schedules, within_ms=within_ms
    )


def sent_in_order(it: Interleaving, number: int) -> tuple[tuple[str, str], ...]:
    history = it.subject.play(it.scenario_of(ExploredRun(number=number, validity=Validity.VALID)), 0).history
    assert history is not None
    return tuple((entry.op, entry.region) for entry in history.entries if isinstance(entry, AttemptSent))


def test_all_orders_are_different_and_there_are_no_others() -> None:
    """Three groups of three: 6 times 6 times 6."""
    groups = simultaneous(without_expectations("photo-finish"), 0, 5)
    whole = interleaving(orders=216)

    orders = {sent_in_order(whole, number) for number in range(0, 216, 9)}

    assert [len(group) for group in groups] == [3, 3, 3]
    assert orders_possible(groups) == math.factorial(3) ** 3
    assert len(orders) == 24
    assert {frozenset(order) for order in orders} == {frozenset(sent_in_order(whole, 0))}


def test_a_sample_has_no_order_twice() -> None:
    """Which orders are in it depends on its size and the seed alone."""
    runs = [ExploredRun(number=number, validity=Validity.VALID) for number in range(12)]
    sample = interleaving(orders=20)

    orders = [sent_in_order(sample, run.number) for run in runs]

    assert len(set(orders)) == 12
    again = interleaving(orders=20)
    assert [again.scenario_of(run) for run in runs] == [sample.scenario_of(run) for run in runs]


def test_schedules_differ_by_their_seed_alone() -> None:
    """All that is simultaneous comes at one instant."""
    it = interleaving(orders=0, schedules=3)

    runs = list(explore(it, range(it.runs), jobs=1))

    scenarios = [it.scenario_of(run) for run in runs]
    assert [run.seed for run in runs] == list(range(3))
    assert all(scenario == scenarios[0] for scenario in scenarios)
    histories = [it.subject.play(scenarios[0], run.seed).history for run in runs]
    traces = {history.trace_hash() for history in histories if history is not None}
    assert len(traces) > 1


def test_what_is_close_enough_counts_as_simultaneous() -> None:
    """By default what the network may exchange."""
    scenario = without_expectations("slow-region")

    assert simultaneous(scenario, 0, 5) == []
    assert [len(group) for group in simultaneous(scenario, 0, 60_000)] == [2]


def test_a_right_aggregator_is_right_in_every_order() -> None:
    """And a race is found in some."""
    runs = list(explore(interleaving(orders=20, schedules=5), range(25), jobs=1))
    racing = explore(interleaving(orders=10, schedules=20, bug="lost-update"), range(30), jobs=1)

    assert {run.validity for run in runs} == {Validity.VALID}
    assert any(run.findings for run in racing)  # the first that is found is enough


def test_the_replay_is_one_run() -> None:
    """A sample is another one when its size is another."""
    it = interleaving(orders=20, within_ms=7)

    run = next(explore(it, range(3, 4), jobs=1))

    assert " ".join(it.replay(run)) == "fanin interleave photo-finish --within 7ms --orders 20 --only 3"
