"""How messages show names and values: safe to print, not too long, and with a hint at what was meant."""

import pytest

from fanin.simulator.text import hint, listed, nearest, quoted, shortened

REGIONS = ("northeurope", "westeurope", "eastus")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("eastus", "'eastus'"), ("a\nb", r"'a\nb'"), ("\x1b[31m", r"'\x1b[31m'"), ("x" * 61, f"'{'x' * 60}…'")],
)
def test_a_value_is_quoted_on_one_line(text: str, shown: str) -> None:
    """No control character reaches a terminal; 60 characters are enough to recognise it."""
    assert quoted(text) == shown
    assert shortened(text) == shown[1:-1]


def test_a_long_list_is_counted_from_somewhere_on() -> None:
    """In its own order."""
    assert listed(REGIONS) == "northeurope, westeurope, eastus"
    assert listed(REGIONS, 2) == "northeurope, westeurope and 1 more"
    assert listed([str(number) for number in range(26)]).endswith(", 22, 23 and 2 more")
    assert listed([]) == ""


@pytest.mark.parametrize(
    ("name", "valid"), [("estus", "eastus"), (" EASTUS", "eastus"), ("west_europe", "westeurope")]
)
def test_the_nearest_name_is_suggested(name: str, valid: str) -> None:
    """Whatever its letter case, surrounding space and separators."""
    assert nearest(name, REGIONS) == valid
    assert hint(name, REGIONS) == f"; did you mean {valid!r}?"


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    """A wrong hint is worse than none."""
    assert nearest("mars", REGIONS) is None
    assert hint("mars", REGIONS) == ""
