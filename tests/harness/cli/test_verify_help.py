"""The settings of a target are in ``fanin verify --help`` and in one table of the docs, all of them."""

import re
from pathlib import Path

from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.world.target import environment
from fanin.simulator.language.scenario import Only, Scenario, Signing
from tests.paths import ROOT

ALL = Scenario(
    "all",
    "All",
    key="k",
    signing=Signing(("whsec_" + 32 * "A",)),
    notifies_late=True,
    only=Only(repositories=("a",), tags=("b",), tagged=True, attachments=False),
)


def settings() -> set[str]:
    return {"PORT", *environment(ALL, notify_url="http://sink/", data_dir=Path("/data"))}


def test_the_table_of_settings_has_every_variable_that_is_set() -> None:
    """Under all of its names."""
    page = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Settings\n")
    rows = [
        line.split("|")[1:3] for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")
    ]

    assert {name for row in rows for cell in row for name in re.findall("`([A-Za-z_]+)`", cell)} == settings()


def test_help_has_every_variable_and_the_formats_of_the_timeout() -> None:
    """Those that only `fanin serve` reads stand in the table alone; the table is not wrapped."""
    said = CliRunner().invoke(main, ["verify", "--help"]).stdout

    twins = {"FANIN_REGIONS", "FANIN_TIMEOUT", "FANIN_NOTIFY_URL", "FANIN_DATA_DIR", "FANIN_SIGNING_SECRETS"}
    assert [name for name in sorted(settings() - twins) if f"\n  {name}  " not in said] == []
    assert "30.0:00:00" in said
