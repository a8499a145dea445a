"""Tables of the commands: as wide as their content, or as records where the terminal is too narrow."""

import pytest

from fanin.aggregator.cli.options import table

ID = "5b7c1f0e-2f7a-4a53-9a37-0d4c0a1b2c3d"
ROWS = [("OPERATION", "STATE", "MISSING"), (ID, "waiting", "eastus, northeurope"), ("op-2", "completed", "-")]


@pytest.mark.parametrize("columns", [None, "68", "200", ""])
def test_a_table_that_fits_has_a_line_for_each_row(
    monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    """In a file it always fits."""
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)

    assert table(ROWS) == [
        "OPERATION                             STATE      MISSING",
        f"{ID}  waiting    eastus, northeurope",
        "op-2                                  completed  -",
    ]


@pytest.mark.parametrize("columns", ["67", "30", "1"])
def test_a_narrow_terminal_gets_records(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """A line for each column; an id is never broken, so that it can be copied."""
    monkeypatch.setenv("COLUMNS", columns)

    assert table(ROWS) == [
        f"OPERATION  {ID}",
        "STATE      waiting",
        "MISSING    eastus, northeurope",
        "",
        "OPERATION  op-2",
        "STATE      completed",
        "MISSING    -",
    ]


def test_an_empty_cell_keeps_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every record has the same lines."""
    monkeypatch.setenv("COLUMNS", "20")

    assert table([("NAME", "ERROR"), ("a" * 20, "")]) == [f"NAME   {'a' * 20}", "ERROR"]


def test_a_long_cell_of_a_record_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between words."""
    monkeypatch.setenv("COLUMNS", "40")

    assert table([("NAME", "ERROR"), ("a", "answered 503: the service is down for maintenance")]) == [
        "NAME   a",
        "ERROR  answered 503: the service is down",
        "       for maintenance",
    ]
