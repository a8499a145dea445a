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
        ("signed-image", ("filters",)),
        ("completed-late", ("process", "completed-late")),
        ("event-grid", ("process", "event-grid")),
        ("event-grid-batch", ("event-grid",)),
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
    """Every scenario can be played against some target."""
    assert [name for name in names() if missing_capabilities(load(find(name)), CAPABILITIES)] == []


def test_optional_capabilities_have_to_be_declared() -> None:
    """An application and a command have all others."""
    beyond = {name for name in names() if missing_capabilities(load(find(name)), DEFAULT_CAPABILITIES)}

    assert beyond == {
        "two-replicas", "replica-lost", "zombie", "clock-jumps", "envelopes", "signed",
        "signed-image", "completed-late", "event-grid", "event-grid-batch", "event-grid-expired",
    }  # fmt: skip


def test_what_is_lacking_is_named() -> None:
    """So that the card says what was not tried."""
    assert missing_capabilities(load(find("wrong-key")), ("process", "own-sink")) == ("function-keys",)
