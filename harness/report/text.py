"""The whole text report of one run, and one line each for several."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import History
from fanin.harness.report import verdict_text
from fanin.harness.report.analysis import analyse
from fanin.harness.report.line import WIDTH, Line, Tone, line, listed, shorten, wrap
from fanin.harness.report.representatives import judged_outcomes, tally
from fanin.harness.report.timeline import render
from fanin.harness.results import Judged
from fanin.harness.verdict import Verdict
from fanin.simulator.language.scenario import Scenario

_NAME = 22
_COUNTS = 44


def report(
    history: History,
    verdict: Verdict,
    *,
    replay: str,
    quiet: bool = False,
    errors: Sequence[str] = (),
    width: int = WIDTH,
) -> list[Line]:
    """Timeline and verdict; only the verdict when ``quiet``. Only the replay command may be wider.

    Args:
        history: What happened.
        verdict: What the oracle says of it.
        replay: The command that shows it again.
        quiet: No timeline.
        errors: As `Judged` has them.
        width: Columns.
    """
    analysis = analyse(history, verdict)
    rows = [] if quiet else [*render.render(analysis, verdict, width), line("")]
    return [*rows, *verdict_text.render(analysis, verdict, replay=replay, errors=errors, width=width)]


def one_line(history: History, verdict: Verdict) -> Line:
    """``VALID    slow-region    seed=0  1 operation: 1 completed``, and a remark where one is due."""
    judged = Judged(history, verdict)
    tone = verdict_text.TONES[verdict.validity]
    name = judged.name.ljust(_NAME)
    outcomes = tally(judged_outcomes(verdict.judgements))
    counts = f"seed={history.run.seed}  {shorten(outcomes, _COUNTS)}"
    return (
        (verdict.validity.upper().ljust(9), tone),
        (f"{shorten(name, 40)}  {counts}", Tone.PLAIN),
        (f"  {judged.remark}" if judged.remark else "", Tone.QUIET if judged.as_stated else Tone.BAD),
    )


def skipped(scenario: Scenario, lacks: Sequence[str], width: int = WIDTH) -> Iterator[Line]:
    """``SKIPPED  two-replicas  it needs replicas, which is beyond the contract; --capability …``."""
    how = " ".join(f"--capability {need}" for need in lacks)
    why = f"it needs {listed(lacks)}, which is beyond the contract; {how} plays it"
    word, name = "SKIPPED  ", f"{scenario.scenario.ljust(_NAME)}  "
    for part in wrap(why, width - len(word) - len(name)):
        yield ((word, Tone.ODD), (f"{name}{part}", Tone.PLAIN))
        word, name = " " * len(word), " " * len(name)


def summary(runs: int, failed: int) -> Line:
    """The last line of several runs, of which some got another verdict than their scenario states."""
    if runs == 1:
        verdict = "another verdict than" if failed else "the verdict that"
        return line(f"1 run, with {verdict} its scenario states", Tone.BAD if failed else Tone.GOOD)
    if not failed:
        return line(f"{runs} runs, each with the verdict that its scenario states", Tone.GOOD)
    return line(f"{runs} runs, {failed} with another verdict than the scenario states", Tone.BAD)
