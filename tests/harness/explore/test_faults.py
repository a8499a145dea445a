"""Random faults are aimed at what will probably happen, and keep clear of each other."""

from itertools import pairwise

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.faults import APART_MS, EDGES_MS, FaultGenerator
from fanin.harness.explore.predict import predict
from fanin.simulator.faults.aggregator import Crash, Restart
from fanin.simulator.faults.sink import SinkDown, SinkFault
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Operation, Scenario, Sender
from fanin.simulator.pack import find
from tests.harness.explore.scenarios import push

SLOW = load(find("slow-region"))


def generator(scenario: Scenario, seed: int) -> FaultGenerator:
    return FaultGenerator(Draw(seed), scenario, predict(scenario, seed))


def test_the_same_draw_gives_the_same_faults() -> None:
    """For each of the three groups."""
    for seed in range(20):
        one, other = generator(SLOW, seed), generator(SLOW, seed)

        assert one.delivery_fault() == other.delivery_fault()
        assert one.aggregator_fault() == other.aggregator_fault()
        assert one.sink_fault() == other.sink_fault()


def test_most_instants_are_near_a_predicted_event() -> None:
    """A fifth are anywhere."""
    prediction = predict(SLOW, 0)
    events = [it.at_ms for it in (*prediction.arrivals, *prediction.outcomes)]
    faults = [FaultGenerator(Draw(seed), SLOW, prediction).aggregator_fault() for seed in range(300)]
    instants = [it.at for it in faults if isinstance(it, Crash | Restart) and it.at is not None]

    near = [at for at in instants if any(at - event in EDGES_MS for event in events)]

    assert len(near) > 0.6 * len(instants) > 0


def test_outages_keep_clear_of_each_other() -> None:
    """Two that overlap would be one."""
    for seed in range(30):
        source = generator(SLOW, seed)
        drawn = [source.aggregator_fault() for _ in range(3)]
        outages = sorted(
            (it.at, it.at + it.down_for)
            for it in drawn
            if isinstance(it, Crash | Restart) and it.at is not None
        )

        assert all(end + APART_MS <= start for (_, end), (start, _) in pairwise(outages))


def test_a_sink_fault_lasts_while_a_notification_is_probable() -> None:
    """One that ends before would take no effect."""
    (outcome,) = predict(SLOW, 0).outcomes
    for seed in range(50):
        fault = generator(SLOW, seed).sink_fault()

        assert isinstance(fault, SinkFault | SinkDown)
        assert fault.since <= outcome.at_ms < (fault.until or outcome.at_ms + 1)


def test_without_a_predicted_outcome_there_is_no_sink_fault() -> None:
    """Nothing would meet it."""
    silent = push(operations=(Operation(reaches=dict.fromkeys(push().regions)),))

    assert generator(silent, 0).sink_fault() is None


def test_an_outage_leaves_an_acknowledgement_to_a_sender_that_tries_once() -> None:
    """Otherwise there would be nothing to judge."""
    once = push(sender=Sender("acr", attempts=1))
    arrivals = [it.at_ms for it in predict(once, 0).arrivals]
    for seed in range(50):
        fault = FaultGenerator(Draw(seed), once, predict(once, 0)).aggregator_fault()

        if isinstance(fault, Crash | Restart) and fault.at is not None:
            down = range(fault.at, fault.at + fault.down_for)
            assert any(at not in down for at in arrivals)
