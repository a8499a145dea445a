"""What explorations print: each finding as it is found, the smallest scenario of each kind, and a sum.

Rules of this file: progress goes to stderr; with ``--format json`` stdout has JSON Lines and nothing else.
"""

import math
import shlex
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.options import list_width, print_lines
from fanin.harness.cli.progress import Progress
from fanin.harness.cli.terminal import for_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanin.harness.explore.results_file import Header
    from fanin.harness.explore.runs import Exploration, ExploredRun, ShrunkRun

# Of findings of one kind so many are printed: the first in full, the others with their replay command.
SHOWN_PER_KIND = 3
# Further kinds are not shrunk: who has found so many has enough to begin with.
SHRUNK_MAX = 12
# So long after the time is over shrinking may begin: several runs are complete by then.
SHRUNK_AFTER_S = 3.0


class ExplorationOutput:
    """Takes runs as they come, and prints what is worth it."""

    def __init__(
        self,
        exploration: "Exploration",
        form: str,
        folder: Path | None,
        progress: Progress,
        *,
        end_s: float = math.inf,
    ) -> None:
        """Begin.

        Args:
            exploration: What is explored.
            form: ``text`` or ``json``.
            folder: Where the smallest scenarios are stored; None: they are printed.
            progress: Of the runs.
            end_s: When the time is over, of ``time.monotonic``.
        """
        self.runs: list[ExploredRun] = []
        self._shrunk_until_s = end_s + SHRUNK_AFTER_S
        self._exploration, self._form, self._folder = exploration, form, folder
        self._progress = progress
        self._kinds: Counter[tuple[str, ...]] = Counter()

    def begin(self, header: "Header") -> None:
        """Print what will be explored."""
        from fanin.harness.explore.results_file import encode

        if self._form == "json":
            click.echo(encode(header))
        self._progress.show()

    def take(self, run: "ExploredRun") -> None:
        """Keep a run, and print what is to be said about it."""
        self.runs.append(run)
        self._progress.advance()
        shrunk = None
        try:
            shrunk = self._shrunk(run) if run.findings else None
        finally:  # on Ctrl-C, the finding is printed as it is
            if self._form == "json":
                self._write(run, shrunk)
            elif run.findings:
                self._report(run, shrunk)
        self._progress.show()

    def _kind(self, run: "ExploredRun") -> tuple[str, ...]:
        from fanin.harness.explore.runs import kind

        return kind(run.finding)

    def _shrunk(self, run: "ExploredRun") -> "ShrunkRun | None":
        """The smallest scenario of the first run with a finding of its kind."""
        from fanin.harness.explore.runs import shrink_run

        same = self._kind(run)
        self._kinds[same] += 1
        if self._kinds[same] > 1 or len(self._kinds) > SHRUNK_MAX:
            return None
        if time.monotonic() > self._shrunk_until_s:
            return None
        return shrink_run(self._exploration, run)

    def _write(self, run: "ExploredRun", shrunk: "ShrunkRun | None") -> None:
        from fanin.harness.explore.results_file import encode, run_line

        if shrunk is not None:
            self._save(shrunk)
        click.echo(encode(run_line(run, self._replay(run), shrunk)))

    def _replay(self, run: "ExploredRun") -> str:
        return shlex.join(self._exploration.replay(run))

    def _report(self, run: "ExploredRun", shrunk: "ShrunkRun | None") -> None:
        from fanin.simulator.language.dump import dumps

        if shrunk is None and self._kinds[self._kind(run)] > SHOWN_PER_KIND:
            return
        finding = run.finding
        where = "  ".join(filter(None, (run.base, f"seed={run.seed}", run.label)))
        _say(f"INVALID  {where}  {finding.rule}: {finding.message}")
        if shrunk is None:
            _print(f"  replay: {self._replay(run)}")
            return
        scenario = shrunk.scenario
        size = f"operations: {len(scenario.operations)}, faults: {len(scenario.faults)}"
        _say(f"  smallest, after {shrunk.played} runs ({size}): {shrunk.finding.message}")
        self._report_errors(shrunk)
        if (path := self._save(shrunk)) is None:
            _print(*(f"    {line}" for line in dumps(scenario).splitlines()))
            _print(f"  replay: {self._replay(run)}")
        else:
            _print(f"  replay: {self._play(path, shrunk.seed)}")

    def _report_errors(self, shrunk: "ShrunkRun") -> None:
        """Print what escaped an application in the smallest scenario: that says more than a 500."""
        from fanin.harness.report.verdict_text import error_lines

        if self._exploration.subject.app:
            errors: list[str] = []
            self._exploration.subject.play(shrunk.scenario, shrunk.seed, errors=errors)
            if errors:
                print_lines(error_lines(errors, list_width()))

    def _save(self, shrunk: "ShrunkRun") -> Path | None:
        """Store the scenario; None where there is no folder, or it takes no more: the search goes on."""
        from fanin.simulator.language.dump import dump

        if self._folder is None:
            return None
        path = self._folder / f"{shrunk.scenario.scenario}.yaml"
        try:
            dump(shrunk.scenario, path)
        except OSError as exc:
            click.echo(for_terminal(f"--save {path}: {exc.strerror}; it is not stored"), err=True)
            return None
        return path

    def _play(self, path: Path, seed: int) -> str:
        """The command that plays a stored scenario against the same application."""
        subject = self._exploration.subject
        if subject.bug:
            words = ["fanin", "explore", "--bug", subject.bug, "--variants-of"]
            return shlex.join([*words, str(path), "--seed", str(seed), "--runs", "1"])
        words = ["fanin", "run"]
        if subject.app:
            words = ["fanin", "verify", "--app", subject.app]
            words += ["--app-dir", str(subject.app_dir)] if subject.app_dir else []
            words += [word for name in subject.capabilities for word in ("--capability", name)]
            words += subject.limit_options()
        return shlex.join([*words, str(path), *(["--seed", str(seed)] if seed else [])])

    def finish(self, *, complete: bool) -> None:
        """Print the sum."""
        from fanin.harness.explore.results_file import encode, end_line

        self._progress.wipe()
        if self._form == "json":
            click.echo(encode(end_line(self.runs, complete=complete)))
        else:
            _say(*(summary(self.runs) if self.runs else ["no run was played to its end"]))


def summary(runs: "Sequence[ExploredRun]") -> "list[str]":
    """How many runs got which verdict, what was found how often, and why some prove nothing."""
    from fanin.harness.explore.runs import kind
    from fanin.harness.verdict import Validity

    counts = Counter(run.validity for run in runs)
    totals = ", ".join(f"{counts[validity]} {validity}" for validity in Validity)
    first, last = runs[0].number, runs[-1].number
    played = f"1 run, number {first}" if len(runs) == 1 else f"{len(runs)} runs, {first} to {last}"
    lines = [f"{played}: {totals}"]
    found: dict[tuple[str, ...], list[ExploredRun]] = {}
    for run in runs if len(runs) > 1 else ():
        if run.findings:
            found.setdefault(kind(run.finding), []).append(run)
    for same in sorted(found.values(), key=len, reverse=True):
        finding = same[0].finding
        like = f"  like {finding.looks_like[0]}" if finding.looks_like else ""
        lines.append(f"  invalid {len(same):>5}  {finding.rule}: {finding.message}{like}")
    reasons: dict[str, list[int]] = {}
    for run in runs:
        for doubt in () if run.findings else run.doubts:
            reasons.setdefault(shape_of_doubt(doubt), []).append(run.number)
    for reason, numbers in sorted(reasons.items(), key=lambda it: (-len(it[1]), it[0])):
        where = "" if len(runs) == 1 else f", first in run {numbers[0]}"
        lines.append(f"  unknown {len(numbers):>5}  {reason}{where}")
    return lines


def shape_of_doubt(doubt: str) -> str:
    """A reason for an unknown verdict, without the parts that differ from run to run."""
    from fanin.harness.explore.runs import without_particulars

    return without_particulars(doubt.partition(":")[0])


def _say(*sentences: str) -> None:
    """Print sentences: a terminal gets them broken between words, a file each on one line."""
    from fanin.harness.report.line import wrap

    _print(*(part for text in sentences for part in wrap(text, list_width(), hanging="    ")))


def _print(*texts: str) -> None:
    """Print lines that may hold what scenarios and notifications hold."""
    from fanin.harness.report.line import line

    print_lines(map(line, texts))
