"""Both sides compare region names alike, though neither knows the other."""

import pytest

from fanin.aggregator import wire as aggregator
from fanin.simulator import wire as simulator

NORMALISED = {
    "eastus": "eastus",
    "EastUS": "eastus",
    " eastus ": "eastus",
    "\teastus\r\n": "eastus",
    "\N{NO-BREAK SPACE}eastus": "eastus",
    "East US": "east us",
    "east  us": "east  us",
    "east-us": "east-us",
    "STRASSE": "strasse",
    "Straße": "strasse",
    "Ωμέγα": "ωμέγα",
    "ΜΆΪΟΣ": "μάϊοσ",
    "": "",
    " ": "",
}


@pytest.mark.parametrize(("name", "normalised"), NORMALISED.items())
def test_both_compare_it_alike(name: str, normalised: str) -> None:
    """Without surrounding space, case-folded, and otherwise as it stands."""
    assert simulator.normalise_region(name) == aggregator.normalise_region(name) == normalised
    assert simulator.normalise_region(normalised) == normalised
