"""The smoke test is a few scenarios of the pack, with short times for a command."""

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, missing_capabilities
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.smoke import REDELIVERY_GRACE_MS, SMOKE, TIMEOUT_MS, with_smoke
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.load import load
from fanin.simulator.pack import find


def test_its_scenarios_need_no_more_than_the_contract_and_wait_for_no_backoff() -> None:
    """Any aggregator plays them all, and none of them has to wait for a sink."""
    scenarios = [load(find(name)) for name in SMOKE]

    assert len(set(SMOKE)) == 10
    assert [it.scenario for it in scenarios if missing_capabilities(it, DEFAULT_CAPABILITIES)] == []
    assert [it.scenario for it in scenarios if any(isinstance(fault, SinkFault) for fault in it.faults)] == []


def test_a_command_gets_short_times() -> None:
    """An application needs none."""
    command, app = with_smoke(TargetConfig(command="x")), with_smoke(TargetConfig(app="a:b"))

    assert (command.timeout, command.redelivery_grace) == (TIMEOUT_MS, REDELIVERY_GRACE_MS)
    assert (app.timeout, app.redelivery_grace) == (None, None)
    assert command.scenarios == app.scenarios == SMOKE


def test_what_was_given_wins() -> None:
    """By the command line or by a target file."""
    given = TargetConfig(command="x", timeout=7_000, redelivery_grace=9_000, scenarios=("slow-region",))

    assert with_smoke(given) == given
