"""Lists of region names: other notations are refused with what to write."""

import re

import pytest

from fanin.aggregator.region_names import parse_region_names
from fanin.simulator.shapes import RegionName

PATTERN = RegionName.__metadata__[0].pattern  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("eastus", ("eastus",)),
        (" NorthEurope, westeurope ", ("northeurope", "westeurope")),
        ("dc-1,dc_2,dc.3", ("dc-1", "dc_2", "dc.3")),
        ("2,10", ("2", "10")),
        ("East US 2", ("east us 2",)),
        ("US DoD Central", ("us dod central",)),
    ],
)
def test_names_are_normalised(text: str, names: tuple[str, ...]) -> None:
    """In the order given, in small letters."""
    assert parse_region_names(text) == names


@pytest.mark.parametrize(
    "text", ['"a,b,c"', "'a,b,c'", "“a,b,c”", '"a","b","c"', "a b c", "a;b;c", "a; b, c", "a|b|c", "a\nb\nc",
             '["a","b","c"]', "['a', 'b', 'c']", "[a,b,c]", "(a b c)"],
)  # fmt: skip
def test_another_notation_is_refused_with_what_to_write(text: str) -> None:
    """Each of these would be regions that no registry has."""
    with pytest.raises(ValueError, match=r"write a,b,c$"):
        parse_region_names(text)


@pytest.mark.parametrize(
    "text",
    ["${REGIONS}", "#{REGIONS}#", "$REGIONS", "$(REGIONS)", "{{ .Values.regions }}", "%REGIONS%",
     "eastus,${WEST}", '"${REGIONS}"', "<%= regions %>"],
)  # fmt: skip
def test_a_placeholder_that_was_not_replaced_is_refused(text: str) -> None:
    """A template that was copied instead of rendered."""
    with pytest.raises(ValueError, match=r"has a placeholder that was not replaced; write the names"):
        parse_region_names(text)


@pytest.mark.parametrize(
    "name", ["-eastus", "eastus.", "ost/us", "östlich", "a:b", "a=b", "x" * 65, "a\x00b"]
)
def test_the_alphabet_is_the_scenario_languages(name: str) -> None:
    """What a scenario cannot name is no region here."""
    assert len(name) > 64 or not re.fullmatch(PATTERN, name)
    with pytest.raises(ValueError, match="is not a region name"):
        parse_region_names(f"eastus,{name}")


@pytest.mark.parametrize("name", ["eastus", "East.US_2", "a-b", "7", "x" * 64])
def test_what_the_scenario_language_names_is_a_region(name: str) -> None:
    """What one of the two accepts, the other accepts as well."""
    assert re.fullmatch(PATTERN, name)
    assert parse_region_names(name) == (name.casefold(),)
