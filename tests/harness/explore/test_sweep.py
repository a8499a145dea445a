"""A sweep kills the aggregator at each step of the quiet run, once."""

from collections import Counter

from fanin.harness.explore.runs import explore
from fanin.harness.explore.subject import Subject
from fanin.harness.explore.sweep import Sweep, sweep_of
from fanin.harness.history import FaultApplied
from fanin.harness.verdict import Validity
from fanin.simulator.faults.aggregator import Crash


def test_every_step_of_the_quiet_run_gets_a_crash() -> None:
    """Three webhooks, each on its way, answered and received; a notification, sent and received."""
    sweep = sweep_of("slow-region", Subject())

    steps = Counter(crash.trigger and crash.trigger.step for crash in sweep.crashes)
    assert steps == {
        None: 3, "before-response": 3, "after-response": 3, "before-notify": 1, "after-notify": 1,
    }  # fmt: skip
    assert len(set(sweep.crashes)) == len(sweep.crashes)


def test_every_crash_takes_effect_and_a_right_aggregator_survives_it() -> None:
    """Until the crash the run is the quiet one."""
    sweep = sweep_of("slow-region", Subject(), down_ms=0)

    runs = list(explore(sweep, range(len(sweep.crashes)), jobs=1))

    assert {run.validity for run in runs} == {Validity.VALID}
    for run in runs:
        history = Subject().play(sweep.scenario_of(run), run.seed).history
        assert history is not None
        assert any(isinstance(entry, FaultApplied) for entry in history.entries)


def test_repetitions_are_counted() -> None:
    """The second time that a step is reached is another run."""
    crashes = sweep_of("hot-op", Subject()).crashes

    triggers = [crash.trigger for crash in crashes if crash.trigger is not None]
    assert max(it.nth for it in triggers if it.step == "after-response") > 1


def test_a_bug_at_a_step_is_found_and_the_replay_names_it() -> None:
    """`timer-wins-replay` decides again after a restart."""
    sweep = sweep_of("crash-at-the-finish", Subject(bug="timer-wins-replay"))

    runs = list(explore(sweep, range(len(sweep.crashes)), jobs=1))
    found = next(run for run in runs if run.findings)

    assert " ".join(sweep.replay(found)) == (
        f"fanin sweep crash-at-the-finish --bug timer-wins-replay --only {found.number}"
    )
    assert "is killed" in found.label


def test_a_step_is_played_alone_as_among_others() -> None:
    """In whichever process."""
    sweep = sweep_of("slow-region", Subject())
    numbers = range(len(sweep.crashes))

    assert list(explore(sweep, numbers, jobs=2)) == list(explore(sweep, numbers, jobs=1))
    assert list(explore(sweep, range(4, 5), jobs=1)) == list(explore(sweep, numbers, jobs=1))[4:5]


def test_what_the_author_expects_need_not_hold() -> None:
    """A sweep kills where the author expected no crash, so only the contract is judged."""
    sweep = Sweep(subject=Subject(), name="slow-region", crashes=(Crash(at=1),))

    (run,) = explore(sweep, range(1), jobs=1)

    assert sweep.scenario_of(run).expect == ()
