"""What looks at its clock all the time makes long scenarios too long, and they are skipped by name."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.history import End, History, NotificationReceived, Run
from fanin.harness.verify.idling import Cost, measured_cost, too_long
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS


def ended(scenario: Scenario, *attempts_ms: int) -> History:
    """A history that lasts three timeouts, with so many notifications."""
    posts = [NotificationReceived(at, n, "key", None, "op1") for n, at in enumerate(attempts_ms)]
    return History(Run(scenario, 0), [*posts, End(3 * scenario.timeout)])


def measured(monkeypatch: pytest.MonkeyPatch, *cpu_s: float, attempts_ms: Sequence[int] = ()) -> Cost:
    """The cost, if the three plays take so much processor time."""
    clock = accumulate(value for spent in cpu_s for value in (0.0, spent))
    monkeypatch.setattr("fanin.harness.verify.idling.time.process_time", lambda: next(clock))
    return measured_cost(lambda it: ended(it, *(attempts_ms if it.faults else ())))


def test_the_cost_is_what_a_longer_wait_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a start and a push cost is in both."""
    assert measured(monkeypatch, 0.5, 1.5, 0.5) == pytest.approx((1 / (3 * 3_600 - 3 * 120), 0.0))


def test_what_an_attempt_costs_is_multiplied_by_how_often_one_is_made_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten at once and two a minute afterwards are two a minute."""
    attempts_ms = [*range(10), *range(30_000, 630_000, 30_000)]

    cost = measured(monkeypatch, 0.5, 0.5, 0.5 + 29 * 0.003, attempts_ms=attempts_ms)

    assert cost == pytest.approx((0.0, 0.003 * 10 / 300))


@pytest.mark.parametrize(
    ("cost", "names"),
    [
        (Cost(0.0), []),
        (Cost(4e-7), []),
        (Cost(4e-5), ["thirty-days"]),
        (Cost(0.0, 5e-5), []),
        (Cost(0.0, 2e-3), ["sink-gone-for-days"]),
        (Cost(1.0), ["slow-region", "thirty-days", "sink-gone-for-days"]),
    ],
)
def test_only_what_would_take_too_long_is_skipped(cost: Cost, names: list[str]) -> None:
    """A month at a look a second, days of an attempt a second, minutes only if each look takes seconds."""
    scenarios = [load(find(name)) for name in ("slow-region", "thirty-days", "sink-gone-for-days")]

    assert list(too_long(scenarios, cost, seed=0)) == names


@pytest.mark.parametrize(
    ("name", "cost", "reason"),
    [
        ("thirty-days", Cost(1e-5, 1.0), "looks at its clock so often that it would take 1m50s"),
        (
            "sink-gone-for-days",
            Cost(0.0, 2e-3),
            "tries again to notify a sink that fails so often that it would take 8m31s",
        ),
    ],
)
def test_the_reason_says_how_long_it_would_take(name: str, cost: Cost, reason: str) -> None:
    """Roughly: a month and three more; almost three days."""
    assert too_long([load(find(name))], cost, seed=0)[name] == f"the application {reason}"


def test_scenarios_that_are_named_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes."""
    monkeypatch.setattr(
        "fanin.harness.verify.verification.measured_cost", lambda _: pytest.fail("it was measured")
    )

    result = CliRunner().invoke(
        main, ["verify", "--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS), "slow-region"]
    )

    assert result.exit_code == 0, result.output
