"""The zoo: whoever is wrong is caught, and whoever is right is left alone."""

import re

import pytest
from click.testing import CliRunner

from fanin.harness.cli.mutants import bug as command
from fanin.harness.mutants.matrix import has_crash, is_played_with, scenario_of, verdicts_of
from fanin.harness.mutants.registry import FAMILIES, HEALTHY, MUTANTS, WITHOUT_MUTANT
from fanin.harness.mutants.variation import vary
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.harness.world.play import play
from fanin.simulator.pack import names

# Every clause of the contract, and every way in which a healthy variant differs, in a few short worlds.
FAIR = (
    "ack-lost",
    "crash-at-notify",
    "down-over-the-deadline",
    "duplicate-after-done",
    "every-action",
    "odd-regions",
    "photo-finish",
    "restart-every-30s",
    "rude-traffic",
    "same-key-next-week",
    "sink-answer-lost",
    "slow-region",
    "stampede-finish",
    "stuck-sink",
)
# The catalogue of what went wrong in public, which findings and pages quote by these numbers.
CATALOGUE = {f"B{number:02}" for number in range(1, 70)} | {"B43b", "B43c", "B43d"}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_bug_is_caught_by_the_scenario_that_it_names(name: str) -> None:
    """A judge that never accuses proves nothing."""
    scenario = MUTANTS[name].scenario

    verdicts = verdicts_of(name, [scenario])

    assert verdicts == {scenario: Validity.INVALID}


@pytest.mark.parametrize("name", [it.name for it in HEALTHY.values() if not it.capabilities])
def test_no_healthy_variant_is_accused(name: str) -> None:
    """Being unusual is no offence; the whole pack is played by `fanin matrix`."""
    verdicts = verdicts_of(name, FAIR)

    assert set(verdicts.values()) == {Validity.VALID}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", [it.name for it in HEALTHY.values() if it.capabilities])
def test_what_is_beyond_the_contract_can_be_done(name: str, seed: int) -> None:
    """A scenario that nothing has ever passed would prove as little as one that nothing has ever failed."""
    it = HEALTHY[name]
    theirs = [scenario_of(each) for each in names() if is_played_with(scenario_of(each), it.capabilities)]

    verdicts = {each.scenario: judge(play(each, seed=seed, factory=it.factory)).validity for each in theirs}

    assert verdicts == {each.scenario: Validity.VALID for each in theirs}
    assert verdicts


def test_who_forgets_everything_is_spared_the_crashes() -> None:
    """A design in memory is right until it dies, so it is judged where it lives."""
    verdicts = verdicts_of("in-memory", ["slow-region", "crash-after-ack"])

    assert verdicts == {"slow-region": Validity.VALID}
    assert has_crash(scenario_of("crash-after-ack"))


@pytest.mark.parametrize("name", ["look-then-start", "key-per-attempt", "clears-all-waits"])
def test_a_bug_is_the_same_every_time(name: str) -> None:
    """Same seed, same history: otherwise nobody could look at what was caught."""
    it = MUTANTS[name]
    scenario = scenario_of(it.scenario)

    first = play(scenario, seed=7, factory=it.factory).trace_hash()

    assert play(scenario, seed=7, factory=it.factory).trace_hash() == first


def test_each_name_is_given_once() -> None:
    """A name that two bugs had would hide one of them."""
    listed = [bug.name for family in FAMILIES for bug in family.MUTANTS] + [*HEALTHY]

    assert len(listed) == len(set(listed))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in listed)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_bug_is_described_in_one_sentence_with_cause_and_symptom(name: str) -> None:
    """Lists show the half before the comma, so there must be one."""
    it = MUTANTS[name]

    assert re.fullmatch(r"[A-Z][^\n]*, so [^\n]*\.", it.what)
    assert set(it.catalogue) <= CATALOGUE
    assert it.scenario in names()


def test_every_bug_of_the_catalogue_is_kept_or_missed_for_a_reason() -> None:
    """A gap in the zoo is a decision, never an oversight."""
    kept = {number for it in MUTANTS.values() for number in it.catalogue}
    absent = [number for numbers, _ in WITHOUT_MUTANT for number in numbers.split(", ")]

    assert kept | set(absent) == CATALOGUE
    assert kept.isdisjoint(absent)


def test_the_command_lists_the_zoo() -> None:
    """One line each, and none wider than a page."""
    result = CliRunner().invoke(command)

    assert result.exit_code == 0
    assert all(f"  {name} " in result.stdout for name in MUTANTS)
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_the_command_shows_a_bug_and_what_would_have_been_right() -> None:
    """Cause, timeline, verdict, how to see it again, and the same scenario with a right aggregator."""
    result = CliRunner().invoke(command, ["original-sample"])

    shown = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "original-sample like B10, B01, B46, B52, B67 The published sample of 2018" in shown
    assert "Shown by original-simple: Two regions report ten seconds apart" in shown
    assert "● sent → 202" in shown
    assert 'INVALID original-simple target="the bug original-sample"' in shown
    assert "replay: fanin bug original-sample --seed 0 And a right aggregator VALID" in shown
    assert "op1 completed at +10.0" in shown


def test_the_command_can_leave_the_timeline_out() -> None:
    """Whoever knows the story wants the verdict."""
    result = CliRunner().invoke(command, ["counts-deliveries", "--quiet", "--seed", "5"])

    assert "● sent" not in result.stdout
    assert "replay: fanin bug counts-deliveries --quiet --seed 5" in result.stdout.replace(
        "counts-deliveries --seed", "counts-deliveries --quiet --seed"
    )


def test_a_bug_that_is_not_caught_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code says whether the judge did its work."""
    from dataclasses import replace

    harmless = replace(MUTANTS["no-idempotency-key"], factory=vary())
    monkeypatch.setitem(MUTANTS, "no-idempotency-key", harmless)  # a dict, behind a Mapping

    result = CliRunner().invoke(command, ["no-idempotency-key"])

    assert result.exit_code == 1


def test_a_misspelt_name_is_a_usage_error() -> None:
    """It names the nearest one."""
    result = CliRunner().invoke(command, ["orignal-sample"])

    assert result.exit_code == 2
    assert "there is no bug 'orignal-sample'; `fanin bug` lists them; did you mean 'original-sample'?" in (
        " ".join(result.stderr.split())
    )
