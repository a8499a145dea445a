"""Right aggregators that are unusual in what they ask of the system: none is accused, in either kind of time.

Each is judged by the same code twice, as an application in process and as a command.
"""

import asyncio
import gc
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.history import FaultApplied
from fanin.harness.oracle.oracle import judge
from fanin.harness.targets.realtime import play_command, run_concurrently
from fanin.harness.targets.scale import TimeScale
from fanin.harness.verdict import Exit, Validity, Verdict
from fanin.harness.world import sqlite_time
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import UnsimulatedError, play_foreign_app
from fanin.simulator.language.load import load, loads
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

# A life that is killed closes nothing.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore:coroutine .* was never awaited",
)
RIGHT = (
    "databases:with_aiosqlite",
    "databases:with_sqlalchemy",
    "own_threads:with_a_default_pool",
    "own_threads:with_a_queue_and_a_pool",
    "own_threads:with_background_thread",
    "own_threads:with_timers",
    "right:create_app",
    "right:with_monotonic_timers",
    "right:with_slow_start",
    "right:with_blocking_start",
    "right:with_streams",
    "right:with_pid_file",
    "right:with_random_keys",
    "right:with_eager_retry",
    "right:with_to_thread",
    "right:with_locked_threads",
    "right:with_plain_endpoint",
)
PLAYED = ("slow-region", "crash-after-ack", "dropped-region", "sink-down", "crash-at-notify")
IN_BOTH = ("crash-after-ack",)


@pytest.fixture
def collected() -> Iterator[None]:
    """Let what a run that was ended has left open be collected here, where it is expected."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def pid_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `with_pid_file` keeps its file, as others do in their working directory."""
    monkeypatch.setenv("PID_DIR", str(tmp_path))


def is_installed(factory: str) -> bool:
    """Whether what it imports is there, and its databases wait for each other in virtual time."""
    libraries = ("aiosqlite", "sqlalchemy")
    return not factory.startswith("databases:") or (
        sqlite_time.is_possible() and all(map(find_spec, libraries))
    )


def verdict_of(factory: str, scenario: str) -> Verdict:
    if not is_installed(factory):
        pytest.skip("pip install aiosqlite sqlalchemy")
    return judge(play_foreign_app(load(find(scenario)), find_app(factory, FOREIGN_APPS), name=factory))


@pytest.mark.parametrize("scenario", PLAYED)
@pytest.mark.parametrize("factory", RIGHT)
def test_none_is_accused_in_virtual_time(factory: str, scenario: str) -> None:
    """Timers, starts, locks, threads and random values are the aggregator's own business."""
    verdict = verdict_of(factory, scenario)

    assert (verdict.validity, verdict.findings, verdict.doubts) == (Validity.VALID, (), ())


@pytest.mark.parametrize("scenario", ["region-added", "timeout-changed", "odd-ids", "rude-traffic"])
def test_none_is_accused_of_what_the_benchmark_plays(scenario: str) -> None:
    """It plays the whole pack with this one; these are what a right application gets wrong most easily."""
    verdict = verdict_of("right:create_app", scenario)

    assert (verdict.validity, verdict.findings, verdict.doubts) == (Validity.VALID, (), ())


def test_the_sink_fails_when_the_scenario_says_however_long_a_start_took() -> None:
    """A start takes three seconds, so all that is planned for later comes so much later."""
    scenario = loads("""
        scenario: slow-start
        title: A sink that fails for one second after a start that takes three
        operations: [{reaches: {northeurope: 0s, westeurope: 0s, eastus: 20s}}]
        faults:
          - {fault: crash, at: 10s}
          - {fault: sink-refuses, since: 20s, until: 21s}
        expect: [{operation: op1, outcome: completed}]
    """)

    history = play_foreign_app(scenario, find_app("right:with_slow_start", FOREIGN_APPS), name="slow")

    refused = [it.at for it in history.entries if isinstance(it, FaultApplied) and it.fault == 1]
    (crashed,) = (it.at for it in history.entries if isinstance(it, FaultApplied) and it.fault == 0)
    verdict = judge(history)
    assert (verdict.validity, verdict.findings, verdict.doubts) == (Validity.VALID, (), ())
    assert crashed == 10_000
    assert all(23_000 <= at < 24_000 for at in refused)
    assert refused


@pytest.mark.real_time
def test_the_same_code_gets_the_same_verdicts_as_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Virtual time is no world of its own."""
    commands = {}
    for factory in filter(is_installed, RIGHT):
        module, _, name = factory.partition(":")
        script = shlex.join([sys.executable, str(FOREIGN_APPS / f"{module}.py"), name])
        for scenario in IN_BOTH:
            own = tmp_path / name / scenario
            own.mkdir(parents=True)
            commands[f"PID_DIR={shlex.quote(str(own))} exec {script}"] = scenario

    async def judged(commands: Mapping[str, str], scale: TimeScale) -> dict[str, Validity]:
        plays = [play_command(load(find(it)), command, time_scale=scale) for command, it in commands.items()]
        return {
            played.history.run.target: judge(played.history).validity
            async for played in run_concurrently(plays, limit=len(RIGHT))
        }

    monkeypatch.delenv("PID_DIR")
    verdicts = asyncio.run(judged(commands, TimeScale()))
    # All start at once. What a busy machine left open is played again, slower, as `verify` does.
    again = {it: commands[it] for it, validity in verdicts.items() if validity is Validity.UNKNOWN}
    verdicts |= asyncio.run(judged(again, TimeScale(timeout_ms=15_000)))

    assert verdicts == dict.fromkeys(commands, Validity.VALID)


@pytest.mark.usefixtures("collected")
def test_a_race_between_two_connections_is_found() -> None:
    """Of threads that look and then write, each may be the last to look."""
    verdict = verdict_of("databases:that_looks_then_writes", "stampede-finish")

    assert verdict.validity is Validity.INVALID
    assert any("was reported completed again" in finding.message for finding in verdict.findings)


@pytest.mark.parametrize("factory", ["right:that_never_starts", "right:that_polls_before_it_starts"])
@pytest.mark.usefixtures("collected")
def test_a_start_that_does_not_end_is_given_up(factory: str) -> None:
    """As a command that does not answer is, after the same half minute."""
    verdict = verdict_of(factory, "slow-region")

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == ("the aggregator never came up: it did not start within 30 s",)


@pytest.mark.usefixtures("collected")
def test_work_that_lets_no_time_pass_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file and the line, and without a verdict."""
    monkeypatch.setattr("fanin.harness.world.host_loop.INSTANT_STEPS_MAX", 10_000)

    verdict = verdict_of("right:that_goes_round", "slow-region")

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts[0].startswith(
        "the watch was cut short at +0.001s: it took 10,000 steps while no time passed at right.py:"
    )


@pytest.mark.usefixtures("collected")
def test_the_first_push_says_where_it_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error in seconds, before the pack."""
    monkeypatch.setattr("fanin.harness.world.host_loop.INSTANT_STEPS_MAX", 10_000)

    result = CliRunner().invoke(
        main, ["verify", "--app", "right:that_goes_round", "--app-dir", str(FOREIGN_APPS)]
    )

    assert result.exit_code == Exit.USAGE
    assert (
        "goes on without an end after one push: it took 10,000 steps while no time passed at right.py:"
        in (result.stderr)
    )


@pytest.mark.usefixtures("collected")
def test_a_thread_that_waits_outside_of_the_simulation_is_refused_by_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One at a time runs, so it would wait for ever."""
    monkeypatch.setattr("fanin.harness.world.simulated_threads.STUCK_S", 0.2)

    with pytest.raises(UnsimulatedError, match=r"a thread does not go on at right.py:\d+, in work"):
        verdict_of("right:that_waits_for_a_bare_lock", "stampede-start")


@pytest.mark.usefixtures("collected")
def test_one_seed_is_one_run_for_what_is_drawn_from_the_system() -> None:
    """`uuid4` and `secrets` as well."""
    build = find_app("right:with_random_keys", FOREIGN_APPS)

    traces = [
        play_foreign_app(load(find("slow-region")), build, seed=seed, name="it").trace_hash()
        for seed in (1, 1, 2)
    ]

    assert traces[0] == traces[1] != traces[2]
