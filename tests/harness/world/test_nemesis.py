"""Faults of the aggregator: when they are applied, and what is recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fanin.harness.history import Entry, FaultApplied, TargetState
from fanin.harness.world.asgi import OnResponse, StartError, WebhookResponse
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.simulator.faults.aggregator import ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.fault import Fault
from fanin.simulator.wire import WebhookRequest


class RecordingTarget:
    """A target that only remembers what was done to it."""

    name = "target"

    def __init__(self, *, starts: int = 1_000) -> None:
        self.done: list[str] = []
        self.starts = starts

    async def start(self) -> None:
        if not self.starts:
            raise StartError("no more starts")
        self.starts -= 1
        self.done.append(f"start {elapsed_ms()}")

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        raise NotImplementedError

    async def stop(self) -> None:
        self.done.append(f"stop {elapsed_ms()}")

    def kill(self) -> None:
        self.done.append(f"kill {elapsed_ms()}")

    def pause(self) -> None:
        self.done.append(f"pause {elapsed_ms()}")

    def resume(self) -> None:
        self.done.append(f"resume {elapsed_ms()}")

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        self.done += [f"{name}={value}" for name, value in changes.items() if name.startswith("FANIN")]

    def set_clock(self, by_ms: int) -> None:
        self.done.append(f"clock {by_ms:+}")


def run_faults(
    *faults: Fault,
    target: RecordingTarget | None = None,
    second: RecordingTarget | None = None,
    meanwhile: Callable[[Nemesis], Awaitable[None]] | None = None,
) -> tuple[list[str], list[Entry]]:
    """Run the nemesis to the end of its faults; return what was done to the target and what was recorded."""
    first = target or RecordingTarget()
    recorder = Recorder(elapsed_ms)

    async def main() -> None:
        nemesis = Nemesis([first, *([second] if second else [])], faults, recorder)
        recovery = asyncio.create_task(nemesis.recover())
        await nemesis.start_targets()
        if meanwhile:
            await meanwhile(nemesis)
        await nemesis.run()
        await nemesis.wait_recovered()
        recovery.cancel()

    VirtualKernel(0).run(main())
    return first.done, recorder.entries


def test_a_crash_at_an_instant_and_the_way_back() -> None:
    """Killed at its time, started again on time."""
    done, entries = run_faults(Crash(at=10_000, down_for=5_000))

    assert done == ["start 0", "kill 10000", "start 15000"]
    assert entries[1:] == [
        FaultApplied(10_000, 0),
        TargetState(10_000, "down", "crash"),
        TargetState(15_000, "up", "start"),
    ]


def test_a_restart_is_an_orderly_stop() -> None:
    """SIGTERM, not SIGKILL."""
    done, entries = run_faults(Restart(at=1_000, down_for=0))

    assert done == ["start 0", "stop 1000", "start 1000"]
    assert TargetState(1_000, "down", "stop") in entries


def test_a_target_that_is_down_is_not_killed_again() -> None:
    """A crash that falls into another one's down time takes no effect, and the oracle will say so."""
    done, entries = run_faults(Crash(at=1_000, down_for=5_000), Crash(at=2_000))

    assert done == ["start 0", "kill 1000", "start 6000"]
    assert [entry.fault for entry in entries if isinstance(entry, FaultApplied)] == [0]


def test_a_step_is_reached_by_the_response_that_matches() -> None:
    """Region, operation (with its repeats), success, and the nth time."""
    killed: list[bool] = []

    async def answers(nemesis: Nemesis) -> None:
        for op, region, status in [
            ("op2/1", "eastus", 202),
            ("op1/1", "westus", 202),
            ("op1/1", "eastus", 503),
            ("op1/1", "eastus", 202),
            ("op1/2", "eastus", 202),
            ("op1/3", "eastus", 202),
        ]:
            killed.append(nemesis.on_response(op, region, status))

    done, entries = run_faults(
        Crash(step="before-response", operation="op1", region="eastus", nth=2, down_for=2_000),
        meanwhile=answers,
    )

    assert killed == [False, False, False, False, True, False]
    assert done == ["start 0", "kill 0", "start 2000"]
    assert entries[1] == FaultApplied(0, 0, "op1/2", "eastus")


def test_the_steps_of_a_notification_are_quoted_apart() -> None:
    """Before it arrives, and after."""

    async def notifications(nemesis: Nemesis) -> None:
        assert not nemesis.on_notified("a")
        assert nemesis.on_notification("a")
        await asyncio.sleep(1)
        assert not nemesis.on_notification("a")
        assert nemesis.on_notified("b")

    done, _ = run_faults(
        Crash(step="before-notify", operation="a", down_for=500),
        Crash(step="after-notify", operation="b", down_for=500),
        meanwhile=notifications,
    )

    assert done == ["start 0", "kill 0", "start 500", "kill 1000", "start 1500"]


def test_a_start_that_fails_is_recorded_with_its_reason() -> None:
    """The world goes on without an aggregator; the oracle decides what that means."""
    _, entries = run_faults(Crash(at=1_000, down_for=1_000), target=RecordingTarget(starts=1))

    assert entries[-1] == TargetState(2_000, "down", "failed", "no more starts")


def test_a_pause_at_an_instant_and_its_end() -> None:
    """Nothing is killed and nothing is started."""
    done, entries = run_faults(Pause(at=1_000, lasts=4_000))

    assert done == ["start 0", "pause 1000", "resume 5000"]
    assert entries[1:] == [
        FaultApplied(1_000, 0),
        TargetState(1_000, "down", "pause"),
        TargetState(5_000, "up", "resume"),
    ]


def test_a_pause_at_a_step_lets_the_response_leave() -> None:
    """It is stopped right after its answer, so the answer itself is not held back."""

    async def answers(nemesis: Nemesis) -> None:
        assert not nemesis.on_response("op1", "eastus", 500)
        assert not nemesis.on_response("op1", "eastus", 202)
        assert not nemesis.on_notified("op1")

    done, entries = run_faults(
        Pause(step="after-response", region="eastus", lasts=1_000),
        Pause(step="after-notify", lasts=1_000),
        meanwhile=answers,
    )

    assert done == ["start 0", "pause 0", "resume 1000"]
    assert [entry.fault for entry in entries if isinstance(entry, FaultApplied)] == [0]


def test_a_restart_with_new_settings_records_them() -> None:
    """The target is reconfigured before it starts, and the history has the new settings."""
    done, entries = run_faults(Restart(at=1_000, expects=("a", "b"), timeout=90_000))

    assert done == ["start 0", "FANIN_REGIONS=a,b", "FANIN_TIMEOUT=1m30s", "stop 1000", "start 2000"]
    assert entries[-1] == TargetState(2_000, "up", "start", expects=("a", "b"), timeout=90_000)


def test_a_clock_is_set_once_for_a_machine() -> None:
    """Forward and back; no target goes down, and replicas share the machine."""
    done, entries = run_faults(
        ClockJump(at=1_000, forward=60_000), ClockJump(at=2_000, back=30_000), second=RecordingTarget()
    )

    assert done == ["start 0", "clock +60000", "clock -30000"]
    assert [(entry.at, entry.fault) for entry in entries if isinstance(entry, FaultApplied)] == [
        (1_000, 0),
        (2_000, 1),
    ]


def test_a_replica_is_killed_alone_where_it_is_named() -> None:
    """Counted from 1; all of them where none is named."""
    second = RecordingTarget()

    done, entries = run_faults(Crash(at=1_000, replica=2, down_for=1_000), Restart(at=9_000), second=second)

    assert done == ["start 0", "stop 9000", "start 10000"]
    assert second.done == ["start 0", "kill 1000", "start 2000", "stop 9000", "start 10000"]
    assert TargetState(1_000, "down", "crash", replica=2) in entries
    assert sum(isinstance(entry, FaultApplied) for entry in entries) == 2


def test_the_replica_that_answered_is_killed_at_the_step_of_a_response() -> None:
    """Unless another one is named, whose answer it then has to be."""
    second = RecordingTarget()

    async def answers(nemesis: Nemesis) -> None:
        assert not nemesis.on_response("op1", "eastus", 202, 0)
        nemesis.on_response_received("op1", "eastus", 202, 1)

    done, _ = run_faults(
        Crash(step="before-response", replica=2),
        Crash(step="after-response", down_for=1_000),
        second=second,
        meanwhile=answers,
    )

    assert done == ["start 0"]
    assert second.done == ["start 0", "kill 0", "start 1000"]
