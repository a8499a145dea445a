"""Capabilities: what scenarios need, and what a target has without saying so."""

import pytest

from fanin.harness.capabilities import (
    CAPABILITIES,
    DEFAULT_CAPABILITIES,
    Capability,
    missing_capabilities,
    required_capabilities,
)
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("slow-region", ()),
        ("sink-hangs", ()),
        ("crash-after-ack", ("process",)),
        ("restart-every-30s", ("process",)),
        ("slow-ack", ("pause",)),
        ("region-added", ("process", "reconfiguration")),
        ("timeout-changed", ("process", "reconfiguration")),
        ("replica-lost", ("process", "replicas")),
        ("zombie", ("pause", "replicas")),
        ("clock-jumps", ("stepping-clock",)),
        ("envelopes", ("envelopes",)),
        ("signed", ("signatures",)),
        ("sink-down", ("own-sink",)),
        ("distinct-ids", ("image-correlation",)),
        ("ping-and-unwanted", ("action-filter",)),
        ("wrong-key", ("function-keys",)),
    ],
)
def test_a_scenario_needs_what_happens_in_it(name: str, needed: tuple[Capability, ...]) -> None:
    """Found from its shapes, not from its name."""
    assert required_capabilities(load(find(name))) == needed


def test_a_target_with_everything_lacks_nothing() -> None:
    """There is no scenario that nobody could ever play."""
    assert [name for name in names() if missing_capabilities(load(find(name)), CAPABILITIES)] == []


def test_nobody_has_what_is_beyond_the_contract_without_saying_so() -> None:
    """An application and a command bring all of the rest along."""
    beyond = {name for name in names() if missing_capabilities(load(find(name)), DEFAULT_CAPABILITIES)}

    assert beyond == {"two-replicas", "replica-lost", "zombie", "clock-jumps", "envelopes", "signed"}


def test_what_is_lacking_is_named() -> None:
    """So that whoever reads the card knows what was not tried."""
    assert missing_capabilities(load(find("wrong-key")), ("process", "own-sink")) == ("function-keys",)
