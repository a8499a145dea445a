"""How late one target may act stands in the header of its runs."""

import pytest

from fanin.harness.capabilities import Capability
from fanin.harness.history import Run
from fanin.harness.limits import USUAL, Limits, limits_of
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity, Verdict
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import play_foreign_app
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

# A life that is killed closes nothing.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore:coroutine .* was never awaited",
)
HEADER = Run(Scenario("any", "Any"), 0)


def test_what_is_not_said_is_as_usual() -> None:
    """A header with the usual limits is the same."""
    assert USUAL.applied(HEADER) == HEADER
    assert limits_of(()) == USUAL


def test_what_is_said_stands_in_the_header() -> None:
    """Each limit by itself."""
    header = Limits(tolerance=11_000, redelivery_grace=1_200_000).applied(HEADER)

    assert (header.tolerance, header.start_grace, header.redelivery_grace) == (11_000, 5_000, 1_200_000)


def test_one_that_may_have_replicas_does_not_know_that_it_is_alone() -> None:
    """What it had claimed before a crash stays claimed for as long as a replica's."""
    replicas: tuple[Capability, ...] = ("replicas",)

    assert limits_of(replicas).applied(HEADER).start_grace == HEADER.failover_grace


@pytest.mark.parametrize("scenario", ["dropped-region", "crash-after-ack"])
def test_an_application_that_looks_every_ten_seconds_is_right_if_it_says_so(scenario: str) -> None:
    """Otherwise it is late."""
    assert played(scenario, USUAL).validity is Validity.INVALID
    assert played(scenario, Limits(tolerance=11_000)).findings == ()


def played(scenario: str, limits: Limits) -> Verdict:
    app = find_app("right:with_rare_looks", FOREIGN_APPS)
    return judge(play_foreign_app(load(find(scenario)), app, name="app", limits=limits))
