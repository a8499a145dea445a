"""The runs of one command: what is kept of them, and what they exit with together."""

from functools import partial
from pathlib import Path

import pytest

from fanin.harness import history as histories
from fanin.harness.batch import RunRequest, RunRequests, RunResult, exit_code, play_all, play_and_judge
from fanin.harness.report.line import line
from fanin.harness.verdict import Exit
from fanin.harness.world import play as world
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.harness.toy_aggregator import toy

SLOW = load(find("slow-region"))


def request(scenario: Scenario = SLOW, **options: object) -> RunRequest:
    return RunRequest(scenario=scenario, seed=3, replay="fanin run it", **options)  # type: ignore[arg-type]


def test_only_what_went_wrong_or_is_wanted_keeps_its_history() -> None:
    """A thousand histories would fill the memory."""
    plain, kept = play_and_judge(request()), play_and_judge(request(kept=True))

    assert (plain.history, plain.verdict, plain.wrong) == (None, None, False)
    assert kept.history is not None
    assert kept.outcome()[0].run.seed == 3
    assert plain.json == kept.json
    assert '"replay":"fanin run it"' in plain.json.replace(": ", ":")


def test_a_wrong_run_keeps_it_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is explained in the end."""
    monkeypatch.setattr(world, "play", partial(world.play, factory=toy("counts-deliveries")))

    result = play_and_judge(request(load(find("duplicate-not-quorum"))))

    assert (result.wrong, result.exit_code) == (True, Exit.INVALID)
    assert result.outcome()[1].findings


def test_a_history_is_stored_where_it_was_asked_for(tmp_path: Path) -> None:
    """Also of a run that is not kept."""
    path = tmp_path / "run.jsonl"

    play_and_judge(request(history=path))

    assert histories.load(path).run.scenario.scenario == "slow-region"


def test_a_million_seeds_begin_at_once() -> None:
    """No run is prepared before it is its turn, and none that went as stated is kept."""
    made: list[int] = []

    def make(_name: str, scenario: Scenario, seed: int) -> RunRequest:
        made.append(seed)
        return RunRequest(scenario=scenario, seed=seed, replay="")

    runs = RunRequests({"slow-region": load(find("slow-region"))}, range(7, 1_000_007), make)

    assert len(runs) == 1_000_000
    assert next(play_all(runs, jobs=1)).request.seed == 7
    assert made == [7]


def test_results_come_in_the_order_of_the_requests() -> None:
    """In one process or in several."""
    requests = [request(load(find(name))) for name in ("slow-region", "nothing-happened", "one-region")]

    alone, together = list(play_all(requests, jobs=1)), list(play_all(requests, jobs=2))

    assert [it.request.scenario.scenario for it in alone] == ["slow-region", "nothing-happened", "one-region"]
    assert [it.json for it in alone] == [it.json for it in together]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], Exit.VALID),
        ([(Exit.VALID, False)], Exit.VALID),
        ([(Exit.UNKNOWN, False), (Exit.INVALID, False)], Exit.VALID),  # each as its scenario states
        ([(Exit.VALID, False), (Exit.UNKNOWN, True)], Exit.UNKNOWN),
        ([(Exit.UNKNOWN, True), (Exit.INVALID, True)], Exit.INVALID),
        ([(Exit.VALID, True)], Exit.INVALID),  # a scenario that states a defect
    ],
)
def test_the_exit_code_is_that_of_the_worst_that_went_wrong(
    results: list[tuple[Exit, bool]], expected: Exit
) -> None:
    """A run with the verdict that its scenario states is a success, whatever that is."""
    made = [
        RunResult(
            request=request(), exit_code=code, wrong=wrong, line=line(""), json="", history=None, verdict=None
        )
        for code, wrong in results
    ]

    assert exit_code(made) is expected
