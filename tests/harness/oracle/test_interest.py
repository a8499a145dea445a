"""Which events an aggregator waits for, by the judge's own reading of the settings."""

import pytest

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.interest import is_awaited
from fanin.simulator.language.scenario import Only, Scenario

SIGNATURE = "sha256-" + 64 * "3" + ".sig"


def event(action: str = "push", repository: str = "team/app", tag: str | None = "1.4.2") -> RegistryEvent:
    return RegistryEvent(0, "op1", action, "demo.azurecr.io", repository, tag, "sha256:11", {})


@pytest.mark.parametrize(
    ("it", "only", "awaited"),
    [
        (event("ping"), Only(), False),
        (event("delete"), Only(), False),  # not among the actions
        (event(), Only(), True),
        (event(), Only(repositories=("team/*",)), True),
        (event(), Only(repositories=("base/*", "team/app")), True),
        (event(), Only(repositories=("base/*",)), False),
        (event(), Only(repositories=("!team/a?p",)), False),
        (event(), Only(repositories=("!team/ap",)), True),
        (event(), Only(tags=("1.*",)), True),
        (event(), Only(tags=("1x*",)), False),  # a dot is a dot
        (event(tag=None), Only(tags=("1.*",)), False),
        (event(tag=None), Only(tagged=True), False),
        (event(tag=None), Only(attachments=False), True),
        (event(tag=SIGNATURE), Only(attachments=False), False),
        (event(tag=SIGNATURE), Only(), True),
        (event("chart_delete", tag=None), Only(tagged=True), False),
    ],
)
def test_an_event_is_awaited_or_not(it: RegistryEvent, only: Only, *, awaited: bool) -> None:
    """By action, repository, tag, and what is attached."""
    scenario = Scenario("s", "t", actions=("push", "chart_delete"), only=only)

    assert is_awaited(it, scenario) is awaited


def test_no_tag_leaves_out_a_delete() -> None:
    """It never has one."""
    scenario = Scenario("s", "t", only=Only(tags=("1.*",), tagged=True))

    assert is_awaited(event("delete", tag=None), scenario)
