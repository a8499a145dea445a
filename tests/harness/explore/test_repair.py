"""A draft becomes a scenario that can be played, or none."""

from fanin.harness.explore.repair import DELIVERIES_MAX, REPEAT_MAX, accepted, repair
from fanin.simulator.faults.request import Malform
from fanin.simulator.faults.sink import SinkHangs
from fanin.simulator.faults.transport import Drop
from fanin.simulator.language.scenario import Operation, Sender
from tests.harness.explore.scenarios import push


def test_faults_without_effect_are_removed() -> None:
    """They would make the run prove nothing."""
    rare, certain = Drop(chance=1e-9), Drop(region="eastus")

    assert repair(push(faults=(rare, certain)), 0) == push(faults=(certain,))


def test_faults_that_the_loader_refuses_are_removed() -> None:
    """The others stay."""
    unknown, certain = Drop(region="mars"), Drop(region="eastus")

    assert repair(push(faults=(unknown, certain)), 0) == push(faults=(certain,))


def test_sink_faults_at_a_time_without_notifications_are_removed() -> None:
    """The only notification is sent within seconds."""
    assert repair(push(faults=(SinkHangs(since=60_000, until=90_000),)), 0) == push()


def test_something_is_left_to_acknowledge() -> None:
    """Otherwise no delivery would be acknowledged, and there would be nothing to judge."""
    assert repair(push(faults=(Malform(),)), 0) == push()
    assert repair(push(operations=(Operation(reaches=dict.fromkeys(push().regions)),)), 0) is None


def test_a_sender_without_a_limit_of_attempts_gets_one_when_it_is_refused() -> None:
    """It would send the same ten thousand times."""
    stubborn = push(sender=Sender("cncf-distribution"), faults=(Malform(region="eastus"),))

    small = repair(stubborn, 0)

    assert small is not None
    assert small.sender.attempts is not None


def test_a_draft_that_is_invalid_without_its_faults_has_no_repair() -> None:
    """The loader decides."""
    assert accepted(push(regions=())) is None
    assert repair(push(regions=()), 0) is None


def test_there_are_only_so_many_deliveries() -> None:
    """A run must stay small."""
    once = repair(push(operations=(Operation(image="a:{n}", repeat=10_000, every=1),)), 0)
    often = repair(push(operations=(Operation(repeat=100, image="a:{n}"),) * 30), 0)

    assert once is not None
    assert [it.repeat for it in once.operations] == [REPEAT_MAX]
    assert often is not None
    assert sum(it.repeat for it in often.operations) * len(often.regions) <= DELIVERIES_MAX
