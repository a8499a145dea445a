"""Shares of an exploration are joined to what one process would have found."""

from pathlib import Path

import pytest

from fanin.harness.explore.results_file import (
    Header,
    ResultsError,
    encode,
    end_line,
    exit_code,
    load,
    merge,
    run_line,
)
from fanin.harness.explore.runs import ExploredRun
from fanin.harness.verdict import Exit, Finding, Rule, Validity

HEADER = Header("fanin explore", 0, 3)
BROKEN = (Finding(Rule.OUTCOME, "op1 had two outcomes"),)
RUNS = [
    ExploredRun(number=0, validity=Validity.VALID),
    ExploredRun(number=1, seed=1, base="random-0", validity=Validity.INVALID, findings=BROKEN),
    ExploredRun(number=2, seed=2, validity=Validity.UNKNOWN, doubts=("it took too long",)),
    ExploredRun(number=3, seed=3, validity=Validity.VALID),
]


def store(path: Path, *numbers: int, header: Header | None = HEADER) -> Path:
    runs = [RUNS[number] for number in numbers]
    lines = [encode(run_line(run, f"fanin explore --seed {run.seed}")) for run in runs]
    head = [] if header is None else [encode(header)]
    text = "\n".join([*head, *lines, encode(end_line(runs, complete=True))])
    path.write_text(text, encoding="utf-8")
    return path


def test_shares_are_joined_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Whichever file comes first."""
    results = merge([store(tmp_path / "2", 2, 3), store(tmp_path / "1", 0, 1)])

    assert [run.number for run in results.runs] == [0, 1, 2, 3]
    assert results.runs[1].findings == BROKEN
    assert results.missing == ()
    assert exit_code(results.runs) is Exit.INVALID


def test_runs_that_no_file_has_are_named(tmp_path: Path) -> None:
    """A share that was lost must not look like one that found nothing."""
    assert merge([store(tmp_path / "1", 0)]).missing == ((1, 3),)
    assert merge([store(tmp_path / "2", 1, 3)]).missing == ((0, 0), (2, 2))


def test_the_same_share_twice_is_one(tmp_path: Path) -> None:
    """It was played twice, with the same results."""
    assert len(merge([store(tmp_path / "1", 0, 1), store(tmp_path / "2", 1)]).runs) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no line says what was explored"),
        ("{}", ":1: no line of an exploration"),
        ("text", ":1: no line of an exploration: no JSON: invalid character"),
        ('{"a":' * 100_000, ":1: no line of an exploration: nested too deeply"),
        (f"\ufeff{encode(HEADER)}\n\n", ":2: no line of an exploration: the line is empty"),
        ('{"type":"note"}', "'note' is no type of a line here; 'type' is one of exploration, run, end"),
    ],
)
def test_what_holds_no_results_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    """The file and the line are named."""
    path = tmp_path / "results"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ResultsError, match=complaint):
        load(path)
    with pytest.raises(ResultsError, match="No such file"):
        load(tmp_path / "nowhere")


def test_other_explorations_are_not_joined(tmp_path: Path) -> None:
    """Neither of another application, nor with another result of one run."""
    one = store(tmp_path / "1", 0)
    other = store(tmp_path / "2", 1, header=Header("fanin explore --app a:b", 0, 3))

    with pytest.raises(ResultsError, match="another exploration: `fanin explore --app a:b`, runs"):
        merge([one, other])

    contradiction = tmp_path / "3"
    wrong = ExploredRun(number=0, validity=Validity.UNKNOWN)
    contradiction.write_text(f"{encode(HEADER)}\n{encode(run_line(wrong, 'x'))}", encoding="utf-8")
    with pytest.raises(ResultsError, match="run 0 has another result"):
        merge([one, contradiction])
