"""What befalls the aggregator: when it strikes, and what is written down."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fanin.harness.history import Entry, FaultApplied, TargetState
from fanin.harness.world.asgi import OnResponse, StartError, WebhookResponse
from fanin.harness.world.kernel import VirtualKernel, elapsed_ms
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.simulator.faults.aggregator import ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.fault import Fault
from fanin.simulator.wire import WebhookRequest


class Puppet:
    """A target that only remembers what was done to it."""

    name = "puppet"

    def __init__(self, *, starts: int = 1_000) -> None:
        self.done: list[str] = []
        self.starts = starts

    async def start(self) -> None:
        if not self.starts:
            raise StartError("no more lives")
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


def strike(
    *faults: Fault,
    target: Puppet | None = None,
    second: Puppet | None = None,
    meanwhile: Callable[[Nemesis], Awaitable[None]] | None = None,
) -> tuple[list[str], list[Entry]]:
    """Run the nemesis to the end of its faults; return what befell the target and what was written."""
    puppet = target or Puppet()
    recorder = Recorder(elapsed_ms)

    async def main() -> None:
        nemesis = Nemesis([puppet, *([second] if second else [])], faults, recorder)
        recovery = asyncio.create_task(nemesis.recover())
        await nemesis.start_targets()
        if meanwhile:
            await meanwhile(nemesis)
        await nemesis.run()
        await nemesis.wait_recovered()
        recovery.cancel()

    VirtualKernel(0).run(main())
    return puppet.done, recorder.entries


def test_a_crash_at_an_instant_and_the_way_back() -> None:
    """Killed at its time, started again on time."""
    done, entries = strike(Crash(at=10_000, down_for=5_000))

    assert done == ["start 0", "kill 10000", "start 15000"]
    assert entries[1:] == [
        FaultApplied(10_000, 0),
        TargetState(10_000, "down", "crash"),
        TargetState(15_000, "up", "start"),
    ]


def test_a_restart_is_an_orderly_stop() -> None:
    """SIGTERM, not SIGKILL."""
    done, entries = strike(Restart(at=1_000, down_for=0))

    assert done == ["start 0", "stop 1000", "start 1000"]
    assert TargetState(1_000, "down", "stop") in entries


def test_nobody_is_killed_twice() -> None:
    """A crash that falls into another one's down time does not bite, and the oracle will say so."""
    done, entries = strike(Crash(at=1_000, down_for=5_000), Crash(at=2_000))

    assert done == ["start 0", "kill 1000", "start 6000"]
    assert [entry.fault for entry in entries if isinstance(entry, FaultApplied)] == [0]


def test_a_step_is_reached_by_the_answer_that_matches() -> None:
    """Region, operation (with its repeats), success, and the nth time."""
    struck: list[bool] = []

    async def answers(nemesis: Nemesis) -> None:
        for op, region, status in [
            ("op2/1", "eastus", 202),
            ("op1/1", "westus", 202),
            ("op1/1", "eastus", 503),
            ("op1/1", "eastus", 202),
            ("op1/2", "eastus", 202),
            ("op1/3", "eastus", 202),
        ]:
            struck.append(nemesis.on_response(op, region, status))

    done, entries = strike(
        Crash(step="before-answer", operation="op1", region="eastus", nth=2, down_for=2_000),
        meanwhile=answers,
    )

    assert struck == [False, False, False, False, True, False]
    assert done == ["start 0", "kill 0", "start 2000"]
    assert entries[1] == FaultApplied(0, 0, "op1/2", "eastus")


def test_the_steps_of_a_notification_are_told_apart() -> None:
    """Before it arrives, and after."""

    async def notifications(nemesis: Nemesis) -> None:
        assert not nemesis.on_notified("a")
        assert nemesis.on_notification("a")
        await asyncio.sleep(1)
        assert not nemesis.on_notification("a")
        assert nemesis.on_notified("b")

    done, _ = strike(
        Crash(step="before-notify", operation="a", down_for=500),
        Crash(step="after-notify", operation="b", down_for=500),
        meanwhile=notifications,
    )

    assert done == ["start 0", "kill 0", "start 500", "kill 1000", "start 1500"]


def test_a_start_that_fails_is_written_down_with_its_reason() -> None:
    """The world goes on without an aggregator; the oracle decides what that means."""
    _, entries = strike(Crash(at=1_000, down_for=1_000), target=Puppet(starts=1))

    assert entries[-1] == TargetState(2_000, "down", "failed", "no more lives")


def test_a_pause_at_an_instant_and_its_end() -> None:
    """Nobody is killed and nobody is started."""
    done, entries = strike(Pause(at=1_000, lasts=4_000))

    assert done == ["start 0", "pause 1000", "resume 5000"]
    assert entries[1:] == [
        FaultApplied(1_000, 0),
        TargetState(1_000, "down", "pause"),
        TargetState(5_000, "up", "resume"),
    ]


def test_a_pause_at_a_step_lets_the_answer_leave() -> None:
    """It is stopped right after its answer, so the answer itself is not held back."""

    async def answers(nemesis: Nemesis) -> None:
        assert not nemesis.on_response("op1", "eastus", 500)
        assert not nemesis.on_response("op1", "eastus", 202)
        assert not nemesis.on_notified("op1")

    done, entries = strike(
        Pause(step="after-answer", region="eastus", lasts=1_000),
        Pause(step="after-notify", lasts=1_000),
        meanwhile=answers,
    )

    assert done == ["start 0", "pause 0", "resume 1000"]
    assert [entry.fault for entry in entries if isinstance(entry, FaultApplied)] == [0]


def test_a_restart_with_news_tells_them_and_writes_them_down() -> None:
    """The target is told before it starts, and the oracle learns what it was told."""
    done, entries = strike(Restart(at=1_000, expects=("a", "b"), timeout=90_000))

    assert done == ["start 0", "FANIN_REGIONS=a,b", "FANIN_TIMEOUT=1m30s", "stop 1000", "start 2000"]
    assert entries[-1] == TargetState(2_000, "up", "start", expects=("a", "b"), timeout=90_000)


def test_a_clock_is_set_once_for_a_machine() -> None:
    """Forward and back; nobody goes down, and replicas share the machine."""
    done, entries = strike(
        ClockJump(at=1_000, forward=60_000), ClockJump(at=2_000, back=30_000), second=Puppet()
    )

    assert done == ["start 0", "clock +60000", "clock -30000"]
    assert [(entry.at, entry.fault) for entry in entries if isinstance(entry, FaultApplied)] == [
        (1_000, 0),
        (2_000, 1),
    ]


def test_a_replica_is_struck_alone_where_it_is_named() -> None:
    """Counted from 1; all of them where none is named."""
    second = Puppet()

    done, entries = strike(Crash(at=1_000, replica=2, down_for=1_000), Restart(at=9_000), second=second)

    assert done == ["start 0", "stop 9000", "start 10000"]
    assert second.done == ["start 0", "kill 1000", "start 2000", "stop 9000", "start 10000"]
    assert TargetState(1_000, "down", "crash", replica=2) in entries
    assert sum(isinstance(entry, FaultApplied) for entry in entries) == 2


def test_the_replica_that_answered_is_struck_at_the_step_of_an_answer() -> None:
    """Unless another one is named, whose answer it then has to be."""
    second = Puppet()

    async def answers(nemesis: Nemesis) -> None:
        assert not nemesis.on_response("op1", "eastus", 202, 0)
        nemesis.on_response_received("op1", "eastus", 202, 1)

    done, _ = strike(
        Crash(step="before-answer", replica=2),
        Crash(step="after-answer", down_for=1_000),
        second=second,
        meanwhile=answers,
    )

    assert done == ["start 0"]
    assert second.done == ["start 0", "kill 0", "start 1000"]
