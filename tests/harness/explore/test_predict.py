"""Predictions of arrivals and outcomes, made without a run."""

import pytest

from fanin.harness.explore.predict import predict
from fanin.harness.history import AttemptEnded, AttemptSent, NotificationReceived
from fanin.harness.world.play import play
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.faults.transport import SlowClient
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Operation, Sender
from fanin.simulator.pack import find
from fanin.simulator.shapes import Delay
from tests.harness.explore.scenarios import push


@pytest.mark.parametrize("name", ["slow-region", "dropped-region", "original-interleaved", "ack-lost"])
def test_a_prediction_comes_true_without_faults(name: str) -> None:
    """Arrivals and notifications, apart from the network's milliseconds."""
    scenario = load(find(name))
    prediction = predict(scenario, 3)

    entries = play(scenario, seed=3).entries

    sent = [it for it in entries if isinstance(it, AttemptSent) and it.retry == 0]
    notified = [it.at for it in entries if isinstance(it, NotificationReceived)]
    assert [it.at_ms for it in prediction.arrivals] == [it.at for it in sent]
    assert [it.at_ms for it in prediction.outcomes] == pytest.approx(notified, abs=10)
    assert prediction.acknowledged == sum(isinstance(it, AttemptEnded) and it.status == 202 for it in entries)


def test_a_prediction_names_the_delivery_faults_that_take_effect() -> None:
    """The random choices are those of the run."""
    scenario = load(find("storm"))
    deliveries = {
        n for n, fault in enumerate(scenario.faults) if not isinstance(fault, SinkFault | AggregatorFault)
    }

    assert predict(scenario, 0).effective_faults == deliveries


def test_an_operation_without_its_last_region_is_predicted_to_time_out() -> None:
    """Its deadline is one timeout after the first arrival."""
    regions = push().regions
    reaches = {regions[0]: Delay(fixed=5_000), regions[1]: Delay(fixed=7_000), regions[2]: None}

    prediction = predict(push(latency=Delay(fixed=0), operations=(Operation(reaches=reaches),)), 0)

    assert [it.at_ms for it in prediction.arrivals] == [5_000, 7_000]
    assert [it.at_ms for it in prediction.outcomes] == [125_000]
    assert prediction.end_ms == 125_000
    assert prediction.acknowledged == 2


def test_what_is_refused_or_too_slow_is_not_predicted_to_be_acknowledged() -> None:
    """A run with nothing else would prove nothing."""
    regions = push().regions
    slow = (SlowClient(region=regions[0], over=5_000),)
    hasty = Sender("acr", timeout=5_000)

    assert predict(push(), 0).acknowledged == len(regions)
    assert predict(push(expects=regions[:1]), 0).acknowledged == 1
    assert predict(push(faults=slow, sender=hasty), 0).acknowledged == len(regions) - 1
    assert predict(push(latency=Delay(fixed=2_500), sender=hasty), 0).acknowledged == 0
    assert predict(push(sender=Sender("event-grid")), 0).acknowledged == len(regions)
