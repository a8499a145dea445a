"""A scenario without what needs a capability."""

import pytest

from fanin.harness.capabilities import Capability, required_capabilities
from fanin.harness.explore.search import Search
from fanin.harness.explore.subject import Subject
from fanin.harness.explore.without_capabilities import REMOVABLE, without_capabilities
from fanin.simulator.faults.aggregator import Crash, Restart
from fanin.simulator.faults.request import WrongKey
from fanin.simulator.faults.transport import Drop
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import SUBSCRIBABLE
from tests.harness.explore.scenarios import push


@pytest.mark.parametrize("lack", REMOVABLE)
def test_no_run_needs_a_capability_that_the_target_lacks(lack: Capability, many: list[Scenario]) -> None:
    """Without --lacks, some would."""
    needing = [seed for seed, it in enumerate(many) if lack in required_capabilities(it)][:20]
    drawn = [Search(subject=Subject(lacks=(lack,))).drawn(seed) for seed in needing]

    assert len(needing) == 20
    assert [it.scenario for it in drawn if lack in required_capabilities(it)] == []
    assert [it for it in drawn if loads(dumps(it)) != it] == []


def test_only_what_needs_the_capability_is_removed() -> None:
    """Other faults and settings stay."""
    full = push(
        key="open-sesame",
        actions=("push",),
        correlation="image",
        ids="distinct",
        faults=(Drop(), Crash(at=1_000), Restart(at=9_000), WrongKey()),
    )

    def without(*lacks: Capability) -> Scenario:
        return without_capabilities(full, lacks)

    assert without("process").faults == (Drop(), WrongKey())
    assert without("function-keys").faults == full.faults[:3]
    assert without("function-keys").key == ""
    assert without("action-filter").actions == SUBSCRIBABLE
    by_id = without("image-correlation")
    assert (by_id.correlation, by_id.ids) == ("event-id", "same")
    assert without() == full
