"""When and how often a webhook is sent, and what the network loses of it."""

from itertools import pairwise

from fanin.simulator.fake_acr import UnsentDelivery
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import (
    DelayBy,
    Drop,
    Duplicate,
    LoseRequest,
    LoseResponse,
    Reorder,
    SlowClient,
)
from fanin.simulator.shapes import Delay
from tests.simulator.faults.pushes import EAST, SOUND, WEST, deliveries, in_east


def test_a_dropped_delivery_is_a_loss_that_names_the_fault() -> None:
    """What a sender never sends cannot be recovered."""
    sent, losses = deliveries(SinkDown(), Drop(region=EAST))

    assert [it.region for it in sent] == [WEST]
    assert losses == [UnsentDelivery(0, "op", EAST, "dropped", 1)]


def test_a_delayed_delivery_is_due_later() -> None:
    """Delays add up."""
    assert in_east(DelayBy(by=Delay(fixed=90)), DelayBy(by=Delay(fixed=10)))[0].due_ms == 100


def test_a_delay_of_nothing_has_no_effect() -> None:
    """A run in which a fault changed nothing must be able to say so."""
    assert in_east(DelayBy(by=Delay(fixed=0)), Reorder(within=0), SlowClient(over=0)) == [SOUND]
    assert in_east(LoseRequest(attempts=0), LoseResponse(attempts=0), Duplicate(after=())) == [SOUND]


def test_a_duplicate_is_a_delivery_of_its_own_for_each_copy() -> None:
    """The same request, numbered, each so long after the original, which stays what it was."""
    first, *copies = in_east(Duplicate(after=(1_000, 0, 691_200_000)))

    assert first == SOUND
    assert [(it.copy, it.due_ms, it.faults) for it in copies] == [
        (1, 1_000, (0,)),
        (2, 0, (0,)),
        (3, 691_200_000, (0,)),
    ]
    assert all(it.request == first.request and it.id == first.id for it in copies)


def test_copies_pass_through_the_faults_behind_theirs() -> None:
    """The order of the list decides: a delay before the duplicate moves both, one behind it moves each."""
    before = in_east(DelayBy(by=Delay(fixed=100)), Duplicate(after=(50,)))
    behind = in_east(Duplicate(after=(50,)), Duplicate(after=(7,)))

    assert [(it.due_ms, it.faults) for it in before] == [(100, (0,)), (150, (0, 1))]
    assert [(it.copy, it.due_ms, it.faults) for it in behind] == [
        (0, 0, ()),
        (1, 50, (0,)),
        (2, 7, (1,)),
        (3, 57, (0, 1)),
    ]


def test_a_copy_has_its_own_way_through_the_network() -> None:
    """Requests and answers are lost per copy; only what the registry sends is the same."""
    first, copy = in_east(LoseRequest(), LoseResponse(attempts=2), SlowClient(over=9), Duplicate(after=(50,)))

    assert (first.lose_requests, first.lose_responses) == (1, 2)
    assert (copy.lose_requests, copy.lose_requests_fault) == (0, None)
    assert (copy.lose_responses, copy.lose_responses_fault) == (0, None)
    assert copy.body_over_ms == 9


def test_dropping_one_of_two_copies_takes_effect_and_leaves_nothing_unsent() -> None:
    """The region's webhook still gets through; the drop took effect all the same."""
    seeds = [
        deliveries(Duplicate(region=EAST), Drop(region=EAST, chance=0.5), seed=seed) for seed in range(40)
    ]
    halves = [(sent, losses) for sent, losses in seeds if [it.region for it in sent].count(EAST) == 1]

    assert halves
    for sent, losses in halves:
        (survivor,) = [it for it in sent if it.region == EAST]
        assert survivor.faults == ((0, 1) if survivor.copy else (1,))
        assert losses == []


def test_losing_every_copy_is_one_loss() -> None:
    """The last fault that dropped one of them is named."""
    sent, losses = deliveries(Duplicate(region=EAST), Drop(region=EAST), Drop(region=EAST))

    assert [it.region for it in sent] == [WEST]
    assert losses == [UnsentDelivery(0, "op", EAST, "dropped", 1)]


def test_reordered_deliveries_overtake_each_other_within_their_limit() -> None:
    """Held back by 0 to ``within``; over many pushes both orders of two regions appear."""
    sent, _ = deliveries(Reorder(within=100), repeat=60)
    held = [it.due_ms % 10_000 for it in sent]
    firsts = [it.region for before, it in pairwise(sent) if before.op != it.op]

    assert max(held) <= 100
    assert len(set(held)) > 20
    assert set(firsts) == {EAST, WEST}


def test_lost_requests_and_answers_are_recorded_when_they_happen() -> None:
    """Each loss is recorded when it happens, so its fault stands beside the number, not in ``faults``."""
    (sent,) = in_east(SinkDown(), LoseRequest(attempts=2), LoseResponse(attempts=3))

    assert (sent.lose_requests, sent.lose_requests_fault) == (2, 1)
    assert (sent.lose_responses, sent.lose_responses_fault) == (3, 2)
    assert sent.faults == ()


def test_of_two_faults_on_the_way_the_harder_one_holds() -> None:
    """The order of the two in the scenario does not matter."""
    (sent,) = in_east(
        LoseRequest(attempts=2), LoseRequest(attempts=1), LoseResponse(attempts=1), LoseResponse(attempts=4),
        SlowClient(over=5), SlowClient(over=3),
    )  # fmt: skip

    assert (sent.lose_requests, sent.lose_requests_fault) == (2, 0)
    assert (sent.lose_responses, sent.lose_responses_fault) == (4, 3)
    assert (sent.body_over_ms, sent.faults) == (5, (4,))


def test_a_slow_client_takes_its_time() -> None:
    """The body is the same and takes so long to arrive."""
    (sent,) = in_east(SlowClient(over=30_000))

    assert (sent.body_over_ms, sent.faults) == (30_000, (0,))
    assert sent.request == SOUND.request
