"""What looks at its clock all the time makes long scenarios too long, and they are skipped by name."""

from itertools import accumulate

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.history import End, History, Run
from fanin.harness.verify.idling import idle_cost, too_long
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS


def ended(scenario: Scenario) -> History:
    """A history that lasts three timeouts."""
    return History(Run(scenario, 0), [End(3 * scenario.timeout)])


def test_the_cost_is_what_a_longer_wait_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a start and a push cost is in both."""
    clock = accumulate([0.0, 0.5, 0.0, 1.5])
    monkeypatch.setattr("fanin.harness.verify.idling.time.process_time", lambda: next(clock))

    assert idle_cost(ended) == pytest.approx(1 / (3 * 3_600 - 3 * 120))


@pytest.mark.parametrize(
    ("cost", "names"),
    [(0.0, []), (4e-7, []), (4e-5, ["thirty-days"]), (1.0, ["slow-region", "thirty-days"])],
)
def test_only_what_would_take_too_long_is_skipped(cost: float, names: list[str]) -> None:
    """A month at a look a second, minutes only if each look takes seconds."""
    scenarios = [load(find(name)) for name in ("slow-region", "thirty-days")]

    assert list(too_long(scenarios, cost, seed=0)) == names


def test_the_reason_says_how_long_it_would_take() -> None:
    """Roughly: a month and three more."""
    why = too_long([load(find("thirty-days"))], 1e-5, seed=0)["thirty-days"]

    assert why == "the application looks at its clock so often that it would take 1m44s"


def test_scenarios_that_are_named_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes."""
    monkeypatch.setattr(
        "fanin.harness.verify.verification.idle_cost", lambda _: pytest.fail("it was measured")
    )

    result = CliRunner().invoke(
        main, ["verify", "--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS), "slow-region"]
    )

    assert result.exit_code == 0, result.output
