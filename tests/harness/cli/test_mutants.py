"""``fanin bug`` and ``fanin matrix``: how they end that were not asked for something possible."""

from typing import Any

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.mutants import matrix
from fanin.harness.parallel import WorkerKilledError


def test_the_number_of_processes_reaches_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--jobs``, or one per core."""
    asked: list[int | None] = []

    def compute(_advance: object, *, jobs: int | None = None) -> Any:
        asked.append(jobs)
        raise WorkerKilledError("a process was killed")

    monkeypatch.setattr(matrix, "compute", compute)

    results = [CliRunner().invoke(main, ["matrix", *words]) for words in (["--jobs", "3"], [])]

    assert asked == [3, None]
    assert {(it.exit_code, it.stderr) for it in results} == {(2, "Error: a process was killed\n")}


def test_ctrl_c_prints_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with gaps would accuse mutants of surviving."""

    def compute(_advance: object, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "compute", compute)

    result = CliRunner().invoke(main, ["matrix"])

    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "fanin: interrupted\n")
