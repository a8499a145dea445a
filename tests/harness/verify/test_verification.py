"""What a run of many scenarios does besides playing them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self

import pytest

from fanin.harness.history import History
from fanin.harness.results import Judged, Skipped
from fanin.harness.targets.deployment import Deployment, PlannedRun
from fanin.harness.targets.realtime import PlayedRun
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.smoke_test import FirstPush
from fanin.harness.verdict import Validity
from fanin.harness.verify import verification
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.verification import Verification, time_scale_from
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.harness.oracle.histories import EAST, WEST, history, notified, sent
from tests.harness.report.reported import bad, good, moot, named


def run_in_rounds(
    monkeypatch: pytest.MonkeyPatch, *rounds: Sequence[History], lags_ms: Mapping[str, int] | None = None
) -> tuple[list[Judged], list[tuple[list[str], int]], list[str]]:
    """What was taken, the scenarios and the timeout of each round, and what was said.

    Args:
        monkeypatch: Replaces what plays.
        rounds: What each round plays.
        lags_ms: By scenario: how late the harness itself was.
    """
    taken: list[Judged | Skipped] = []
    played: list[tuple[list[str], int]] = []
    said: list[str] = []
    histories = iter(rounds)

    async def play_pack(
        scenarios: Sequence[Scenario], _command: str, *, time_scale: TimeScale, **_: Any
    ) -> AsyncGenerator[PlayedRun]:
        played.append(([it.scenario for it in scenarios], time_scale.timeout_ms))
        for each in next(histories):
            yield PlayedRun(each, lag_ms=(lags_ms or {}).get(each.run.scenario.scenario, 0))

    async def push_to_command(_command: str, **_: Any) -> str:
        return ""

    monkeypatch.setattr(verification, "play_pack", play_pack)
    monkeypatch.setattr(verification, "push_to_command", push_to_command)
    scenarios = [load(find(name)) for name in ("slow-region", "nothing-happened", "storm")]
    Verification(TargetConfig(command="x"), scenarios, 0, {}, say=said.append, take=taken.append).run()
    return [it for it in taken if isinstance(it, Judged)], played, said


def test_what_proved_nothing_in_real_time_is_played_once_more_and_slower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that is too slow for a scenario says nothing about the aggregator. The card says so."""
    first = (good("slow-region"), moot("nothing-happened", "unknown"), moot("storm"))

    taken, played, said = run_in_rounds(monkeypatch, first, (good("storm"),))

    assert played == [(["slow-region", "nothing-happened", "storm"], 5_000), (["storm"], 10_000)]
    assert [it.name for it in taken] == ["slow-region", "nothing-happened", "storm"]
    assert taken[2].verdict.validity is Validity.VALID
    assert (
        taken[2]
        .notes[0]
        .startswith(
            "played again with a timeout of 10s, because at first it proved nothing: no delivery was ever"
        )
    )
    assert said[-1] == "once more, with a timeout of 10s, because of the machine: storm"


def test_who_proves_nothing_twice_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no third time."""
    taken, played, _ = run_in_rounds(monkeypatch, (moot("storm"),), (moot("storm"),))

    assert len(played) == 2
    assert [it.verdict.validity for it in taken] == [Validity.UNKNOWN]


def test_a_busy_machine_is_one_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs it disturbed."""

    async def play_pack(*_: Any, **__: Any) -> AsyncGenerator[PlayedRun]:
        for lag_ms in (300, 0, 1_200):
            yield PlayedRun(good(), lag_ms=lag_ms)

    async def push_to_command(_command: str, **_: Any) -> str:
        return ""

    monkeypatch.setattr(verification, "play_pack", play_pack)
    monkeypatch.setattr(verification, "push_to_command", push_to_command)
    playing = Verification(
        TargetConfig(command="x"), [load(find("slow-region"))], 0, {}, say=lambda _: None, take=lambda _: None
    )
    playing.run()

    (note,) = playing.notes
    assert note.startswith("this machine was so busy that fanin itself was up to 1.2s late, in 2 runs;")


def test_who_was_found_wrong_has_no_second_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding is a finding, however seldom."""
    taken, played, _ = run_in_rounds(monkeypatch, (bad("storm"),))

    assert len(played) == 1
    assert [it.verdict.validity for it in taken] == [Validity.INVALID]


def late(name: str) -> History:
    return named(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 15)), name, 0)


def test_what_was_late_is_on_the_card_of_who_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a second round, and there is none any more."""

    async def play_pack(*_: Any, **__: Any) -> AsyncGenerator[PlayedRun]:
        yield PlayedRun(late("slow-region"))
        raise asyncio.CancelledError

    async def push_to_command(_command: str, **_: Any) -> str:
        return ""

    monkeypatch.setattr(verification, "play_pack", play_pack)
    monkeypatch.setattr(verification, "push_to_command", push_to_command)
    taken: list[Judged | Skipped] = []
    playing = Verification(
        TargetConfig(command="x"), [load(find("slow-region"))], 0, {}, say=lambda _: None, take=taken.append
    )

    with pytest.raises(asyncio.CancelledError):
        playing.run()

    assert [it.name for it in taken] == ["slow-region"]


@pytest.mark.parametrize(("lag_ms", "rounds"), [(0, 1), (700, 2)])
def test_what_was_only_late_has_a_second_chance_if_the_harness_was_late_in_any_run(
    lag_ms: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is too busy for one aggregator delays the harness at another time, perhaps."""
    first, second = (late("slow-region"), good("storm")), (good("slow-region"),)

    taken, played, _ = run_in_rounds(monkeypatch, first, second, lags_ms={"storm": lag_ms})

    assert len(played) == rounds
    right = {it.name: it.verdict.validity is Validity.VALID for it in taken}
    assert right == {"slow-region": rounds == 2, "storm": True}


def test_what_proved_nothing_of_a_deployment_is_played_once_more_under_other_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With all at once a run may come too late for its fault; by itself it comes in time."""
    rounds = iter(((good("slow-region"), moot("sink-hangs")), (good("sink-hangs"),)))
    played: list[list[tuple[str, int]]] = []

    class Session:
        def __init__(self, _: Deployment) -> None:
            self.sink_router = SimpleNamespace(unattributed=[])

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def play_all(self, planned: Sequence[PlannedRun]) -> AsyncGenerator[PlayedRun]:
            played.append([(each.scenario.scenario, each.seed) for each in planned])
            for each in next(rounds):
                yield PlayedRun(each)

    async def push_once(*_: object) -> FirstPush:
        return FirstPush("pushed", "it has no webhook-id")

    monkeypatch.setattr(verification, "DeploymentSession", Session)
    monkeypatch.setattr(verification, "push_once", push_once)
    taken: list[Judged | Skipped] = []
    said: list[str] = []
    target = TargetConfig(url="http://h/{region}", regions=("eastus", "northeurope", "westeurope"))
    scenarios = [load(find(name)) for name in ("slow-region", "sink-hangs")]
    playing = Verification(target, scenarios, 7, {}, say=said.append, take=taken.append)
    playing.run()

    first, (again,) = played
    assert [name for name, _ in first] == ["slow-region", "sink-hangs"]
    assert again[0] == "sink-hangs"
    assert again[1] != dict(first)["sink-hangs"]
    assert [it.verdict.validity for it in taken if isinstance(it, Judged)] == [Validity.VALID] * 2
    assert isinstance(taken[1], Judged)
    assert taken[1].notes[0].startswith("played again, because at first it proved nothing: no delivery")
    assert said[-1] == "once more, because of the machine or the network: sink-hangs"
    assert said[said.index("pushed") + 1] == "note: it has no webhook-id"
    assert playing.notes == ["it has no webhook-id"]


def test_a_deployment_that_was_away_is_one_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken to be up all the time, so what a restart of it breaks looks like a fault of it."""
    away = named(history(sent(EAST, 0), sent(WEST, 5, error="refused")), "late-region", 0)

    async def play_deployment(playing: Verification, *_: object) -> None:
        for played in (good("slow-region"), away):
            playing._judge(PlayedRun(played))

    monkeypatch.setattr(Verification, "_play_deployment", play_deployment)
    target = TargetConfig(url="http://h/{region}", regions=("eastus", "northeurope", "westeurope"))
    scenarios = [load(find(name)) for name in ("slow-region", "late-region")]
    playing = Verification(target, scenarios, 7, {}, say=lambda _: None, take=lambda _: None)
    playing.run()

    (note,) = playing.notes
    assert note.startswith(
        "it refused connections in 1 of these scenarios; a deployment is taken to be up all"
    )


def test_a_replicas_claims_may_last_as_long_as_it_says_that_an_attempt_takes() -> None:
    """One that may have replicas does not know after a start that it is alone."""
    usual = time_scale_from(TargetConfig(command="x"), TimeScale())
    slow = time_scale_from(TargetConfig(command="x", redelivery_grace=20_000), TimeScale())
    several = time_scale_from(
        TargetConfig(command="x", redelivery_grace=20_000, capabilities=("replicas",)), TimeScale()
    )

    assert (usual.start_grace_ms, usual.failover_grace_ms) == (2_000, 10_000)
    assert (slow.start_grace_ms, slow.failover_grace_ms) == (2_000, 20_000)
    assert (several.start_grace_ms, several.failover_grace_ms) == (20_000, 20_000)
