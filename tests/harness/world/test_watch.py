"""How long a world is watched after its last event."""

import msgspec
import pytest

from fanin.harness.history import End, SinkResponded
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.oracle.oracle import judge
from fanin.harness.targets.scale import TimeScale
from fanin.harness.verdict import Validity
from fanin.harness.world import play as play_module
from fanin.harness.world.play import play
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.harness.toy_aggregator import toy

# Scenarios that a right aggregator survives without keeping anything on disk, and without long pauses.
QUIET = (
    "original-simple",
    "slow-region",
    "dropped-region",
    "duplicate-not-quorum",
    "duplicate-after-done",
    "ack-lost",
    "stampede-start",
    "sink-down",
    "sink-hangs",
    "resurrection",
    "delete-and-push",
)


@pytest.fixture
def in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are watched as in real time, though their clock is virtual."""
    header, scale = play_module._header, TimeScale()

    def real(*args: object) -> object:
        return msgspec.structs.replace(
            header(*args),  # type: ignore[arg-type]
            time="real",
            tolerance=scale.tolerance_ms,
            start_grace=scale.start_grace_ms,
            redelivery_grace=scale.redelivery_grace_ms,
        )

    monkeypatch.setattr(play_module, "_header", real)


@pytest.mark.usefixtures("in_real_time")
def test_a_run_in_real_time_ends_soon_after_it_is_settled() -> None:
    """Two timeouts and the tolerance after its last record, up to one look later."""
    scenario = TimeScale().scale(load(find("slow-region")))[0]

    played = play(scenario, factory=toy(""))

    last = max(entry.at for entry in played.entries if isinstance(entry, SinkResponded))
    assert 11_000 <= played.entries[-1].at - last <= 11_250
    assert judge(played).validity is Validity.VALID


@pytest.mark.usefixtures("in_real_time")
@pytest.mark.parametrize("name", QUIET)
def test_the_shorter_watch_proves_as_much(name: str) -> None:
    """The judge has no doubts about a right aggregator, whichever way the run ends."""
    scenario = TimeScale().scale(load(find(name)))[0]

    verdict = judge(play(scenario, factory=toy("")))

    assert (verdict.findings, verdict.doubts) == ((), ())


@pytest.mark.usefixtures("in_real_time")
def test_an_attempt_that_the_sink_did_not_answer_has_time_to_be_repeated() -> None:
    """This project's aggregator waits for thirty seconds; when that is over, the watch is not."""
    scale = TimeScale()

    played = play(scale.scale(load(find("sink-hangs")))[0])

    assert played.entries[-1].at >= 3 * scale.timeout_ms + 2 * scale.redelivery_grace_ms


@pytest.mark.usefixtures("in_real_time")
@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("counts-deliveries", "duplicate-not-quorum"),
        ("forgets", "resurrection"),
        ("forgets", "duplicate-after-done"),
        ("timer-stays-armed", "slow-region"),
        ("half-the-timeout", "dropped-region"),
        ("tells-twice", "original-simple"),
        ("tells-once", "sink-down"),
        ("key-per-attempt", "sink-response-lost"),
    ],
)
def test_the_shorter_watch_still_catches_a_wrong_one(bug: str, name: str) -> None:
    """What it does too late or too often, it does while it is watched."""
    scenario = TimeScale().scale(load(find(name)))[0]

    assert judge(play(scenario, factory=toy(bug))).validity is Validity.INVALID


@pytest.mark.usefixtures("in_real_time")
def test_a_late_completion_is_waited_for_as_briefly() -> None:
    """It is due when the last region has reported, and the sink takes it; one that fails may need longer."""
    loaded = load(find("completed-late"))
    faults = tuple(fault for fault in loaded.faults if not isinstance(fault, SinkFault))
    scenario = TimeScale().scale(msgspec.structs.replace(loaded, faults=faults))[0]

    played = play(scenario)

    last = max(entry.at for entry in played.entries if not isinstance(entry, End))
    assert played.entries[-1].at - last <= 11_250
    assert judge(played).validity is Validity.VALID


@pytest.mark.usefixtures("in_real_time")
@pytest.mark.parametrize(
    "mutant", [it for it in MUTANTS.values() if it.scenario == "completed-late"], ids=lambda it: it.name
)
def test_a_wrong_late_completion_is_still_caught(mutant: Mutant) -> None:
    """One that is missing, and one too many."""
    scenario = TimeScale().scale(load(find("completed-late")))[0]

    assert judge(play(scenario, factory=mutant.factory)).validity is Validity.INVALID
