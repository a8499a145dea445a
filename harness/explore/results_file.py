"""An exploration as JSON Lines: what is printed for programs, and what ``fanin merge`` reads.

    {"type": "exploration", "command", "first", "last", "shard", "of"}
    {"type": "run", "number", "seed", "base", "label", "validity", "findings", "doubts", "replay", "smallest"}
    {"type": "end", "runs", "valid", "invalid", "unknown", "complete"}

Rules of this file: pure but for reading; keys are stable, and those that say nothing are left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fanin.harness.explore.runs import ExploredRun, ShrunkRun
from fanin.harness.json_lines import LineError, decode, lines_of
from fanin.harness.verdict import Exit, Finding, Validity
from fanin.simulator.language.dump import dumps


class Header(msgspec.Struct, frozen=True, omit_defaults=True, tag="exploration"):
    """What was explored: ``last`` is None where time was the limit."""

    command: str
    first: int
    last: int | None = None
    shard: int = 1
    of: int = 1


class Smallest(msgspec.Struct, frozen=True):
    """What is left of a scenario when all is removed that a finding does not need."""

    scenario: str  # YAML
    seed: int
    finding: Finding
    played: int


class RunLine(ExploredRun, frozen=True, omit_defaults=True, kw_only=True, tag="run"):
    """One run, and how to make it again."""

    replay: str
    smallest: Smallest | None = None


class Total(msgspec.Struct, frozen=True, tag="end"):
    """How many runs there were, and whether all that were asked for were played."""

    runs: int
    valid: int
    invalid: int
    unknown: int
    complete: bool


type Line = Header | RunLine | Total

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Header | RunLine | Total)
_TYPES = ("exploration", "run", "end")


class ResultsError(Exception):
    """A file holds no results, or they do not belong together. The message names file and line."""


def encode(line: Line) -> str:
    """One line, without its end."""
    return _encoder.encode(line).decode()


def run_line(run: ExploredRun, replay: str, shrunk: ShrunkRun | None = None) -> RunLine:
    """A run as it is written."""
    smallest = None
    if shrunk is not None:
        smallest = Smallest(dumps(shrunk.scenario), shrunk.seed, shrunk.finding, shrunk.played)
    return RunLine(**msgspec.structs.asdict(run), replay=replay, smallest=smallest)


def end_line(runs: Sequence[ExploredRun], *, complete: bool) -> Total:
    """The last line."""
    counts = Counter(run.validity for run in runs)
    return Total(
        runs=len(runs),
        valid=counts[Validity.VALID],
        invalid=counts[Validity.INVALID],
        unknown=counts[Validity.UNKNOWN],
        complete=complete,
    )


def exit_code(runs: Iterable[ExploredRun]) -> Exit:
    """1 when a rule was broken, 0 when not and something could be judged, else 3."""
    verdicts = {run.validity for run in runs}
    if Validity.INVALID in verdicts:
        return Exit.INVALID
    return Exit.VALID if Validity.VALID in verdicts else Exit.UNKNOWN


class Results(msgspec.Struct, frozen=True):
    """The results of one or several files, in the order of the runs' numbers."""

    header: Header
    runs: tuple[RunLine, ...]
    missing: tuple[tuple[int, int], ...]  # first and last number of each gap


def load(path: Path) -> tuple[Header, list[RunLine]]:
    """Read what ``--format json`` printed; the end may be missing.

    Raises:
        ResultsError: it cannot be read, or is something else.
    """
    try:
        lines = lines_of(path.read_bytes())
    except OSError as exc:
        raise ResultsError(f"{path}: {exc.strerror}") from exc
    header: Header | None = None
    runs: list[RunLine] = []
    for number, text in enumerate(lines, start=1):
        try:
            line = decode(_decoder, _TYPES, text)
        except LineError as exc:
            raise ResultsError(f"{path}:{number}: no line of an exploration: {exc}") from exc
        match line:
            case Header():
                header = line
            case RunLine():
                runs.append(line)
            case Total():
                pass
    if header is None:
        raise ResultsError(f"{path}: no line says what was explored; write it with --format json")
    return header, runs


def merge(paths: Sequence[Path]) -> Results:
    """The results of several files as those of one exploration.

    Raises:
        ResultsError: one cannot be read, they are of different explorations, or a run has two results.
    """
    loaded = [load(path) for path in paths]
    first = loaded[0][0]
    by_number: dict[int, RunLine] = {}
    for path, (header, runs) in zip(paths, loaded, strict=True):
        if (header.command, header.first, header.last) != (first.command, first.first, first.last):
            raise ResultsError(
                f"{path}: another exploration: {_described(header)}, where {paths[0]} has {_described(first)}"
            )
        for run in runs:
            if by_number.setdefault(run.number, run) != run:
                raise ResultsError(f"{path}: run {run.number} has another result than in a file before it")
    runs_in_order = tuple(by_number[number] for number in sorted(by_number))
    whole = msgspec.structs.replace(first, shard=1, of=1)
    return Results(whole, runs_in_order, tuple(_gaps(first, by_number)))


def _described(header: Header) -> str:
    last = "" if header.last is None else f" to {header.last}"
    return f"`{header.command}`, runs from {header.first}{last}"


def _gaps(header: Header, numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    """The numbers that no file has."""
    before = header.first - 1
    for number in (*sorted(numbers), *([] if header.last is None else [header.last + 1])):
        if number > before + 1:
            yield before + 1, number - 1
        before = number
