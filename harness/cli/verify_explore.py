"""``fanin verify --explore``: a random search after the pack, whose findings join the card as scenarios.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.options import print_lines
from fanin.harness.cli.progress import Progress

if TYPE_CHECKING:
    from fanin.harness.cli.verify_output import VerifyOutput
    from fanin.harness.explore.runs import ExploredRun
    from fanin.harness.explore.search import Search
    from fanin.harness.results import Judged
    from fanin.harness.verify.config import TargetConfig
    from fanin.harness.verify.verification import Verification
    from fanin.simulator.language.scenario import Scenario

# Kinds of findings that join the card: with so many there is enough to begin with.
KINDS_MAX = 8
FOLDER = "found"  # in the report's
_ENDLESS = 10**12


def refuse_to_explore(target: "TargetConfig") -> None:
    """Refuse what cannot be explored.

    Raises:
        UsageError: the target does not run in virtual time.
    """
    if target.app is None:
        raise click.UsageError(
            "--explore plays thousands of scenarios in virtual time, and needs --app for that; to a command"
            " or a deployment give single scenarios as files, such as those that"
            " `fanin explore --app … --save DIR` finds in another application"
        )


def explore_further(
    verification: "Verification", for_ms: int, output: "VerifyOutput", names: dict[str, str]
) -> bool:
    """Search at random, add what is found to the output, and a note about it to the verification.

    Args:
        verification: Of the pack, against an application; its seed is the first one of the search.
        for_ms: How long to search.
        output: Takes each finding as a scenario of its own.
        names: By scenario, what the command line calls it; gets those of the findings.

    Returns:
        False when Ctrl-C ended the search.
    """
    from fanin.harness.explore.runs import explore, kind
    from fanin.harness.explore.time_limit import until
    from fanin.simulator.durations import format_duration

    target = verification.target
    search = _search(target)
    output.say(f"random search for {format_duration(for_ms)}, seeds from {verification.seed} on")
    progress = Progress(None, for_s=for_ms / 1000)
    runs: list[ExploredRun] = []
    kinds: dict[tuple[str, ...], ExploredRun] = {}
    complete = True
    seeds = range(verification.seed, verification.seed + _ENDLESS)
    try:
        progress.show()
        for run in until(explore(search, seeds, jobs=target.jobs), time.monotonic() + for_ms / 1000):
            runs.append(run)
            progress.advance()
            if run.findings:
                kinds.setdefault(kind(run.finding), run)
            progress.show()
    except KeyboardInterrupt:
        complete = False
    finally:
        progress.wipe()
    for run in list(kinds.values())[:KINDS_MAX]:
        judged, scenario = _smallest(search, run)
        names[scenario.scenario] = _stored(scenario, output, target.report)
        output.take(judged)
    verification.notes.append(_note(runs, len(kinds), for_ms))
    return complete


def _search(target: "TargetConfig") -> "Search":
    from fanin.harness.capabilities import OPTIONAL_CAPABILITIES
    from fanin.harness.explore.search import Search
    from fanin.harness.explore.subject import Subject
    from fanin.harness.verify.verification import dialect_from

    return Search(
        subject=Subject(
            app=target.app or "",
            app_dir=None if target.app_dir is None else Path(target.app_dir),
            capabilities=tuple(it for it in OPTIONAL_CAPABILITIES if it in target.capabilities),
            lacks=target.lacks,
            dialect=dialect_from(target),
            tolerance=target.tolerance,
            redelivery_grace=target.redelivery_grace,
        )
    )


def _smallest(search: "Search", run: "ExploredRun") -> "tuple[Judged, Scenario]":
    """A finding as a result of the card: its smallest scenario, played and judged."""
    from fanin.harness.explore.runs import shrink_run
    from fanin.harness.results import Judged

    shrunk = shrink_run(search, run)
    errors: list[str] = []
    history, verdict = search.subject.play(shrunk.scenario, shrunk.seed, errors=errors)
    assert history is not None  # noqa: S101 - it was played within the limit before
    found = f"found by random search (seed {run.seed}), made smaller in {shrunk.played} runs"
    return Judged(history, verdict, (found,), tuple(errors)), shrunk.scenario


def _stored(scenario: "Scenario", output: "VerifyOutput", report: str | None) -> str:
    """Write the scenario beside the report, or print it; return the file's name."""
    from fanin.harness.report.line import line
    from fanin.simulator.language.dump import dump, dumps

    file = f"{scenario.scenario}.yaml"
    if report is not None:
        path = Path(report) / FOLDER / file
        try:
            path.parent.mkdir(exist_ok=True)
            dump(scenario, path)
        except OSError as exc:  # the card is worth more than the file
            output.say(f"--report {path}: {exc.strerror}; it is not stored")
        else:
            return str(path)
    if output.for_people:
        text = [f"{file}:", *(f"    {each}" for each in dumps(scenario).splitlines())]
        print_lines(map(line, text))
    return file


def _note(runs: "list[ExploredRun]", kinds: int, for_ms: int) -> str:
    from fanin.harness.verdict import Validity
    from fanin.simulator.durations import format_duration

    counts = Counter(run.validity for run in runs)
    totals = ", ".join(f"{counts[validity]} {validity}" for validity in Validity)
    more = f"; findings of {kinds} kinds, {KINDS_MAX} of which are shown" if kinds > KINDS_MAX else ""
    scenarios = "1 random scenario" if len(runs) == 1 else f"{len(runs)} random scenarios"
    return f"{scenarios} in {format_duration(for_ms)}: {totals}{more}"
