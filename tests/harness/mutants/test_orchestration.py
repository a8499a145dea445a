"""The engine of another design: events, waiters and the outbox in memory."""

import asyncio
from pathlib import Path

import pytest

from fanin.aggregator.engines.sqlite.outbox_port import Delivered, Failed
from fanin.aggregator.errors import UnknownRegionError
from fanin.aggregator.fanin import ArrivalResult, Notification, Phase, Subject
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.retry_record import RetryDecision
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.orchestration import MemoryOutbox, OrchestrationEngine
from fanin.harness.world.target import LoopClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def arrival(region: str) -> Arrival:
    return Arrival("1", region, Subject(action="push"))


def made(folder: Path, timeout: str) -> OrchestrationEngine:
    settings = Settings.from_environment(
        {"FANIN_REGIONS": "east,west", "FANIN_TIMEOUT": timeout, "FANIN_DATA_DIR": str(folder)}
    )
    return OrchestrationEngine(settings, LoopClock(0), Metrics(), None)


@pytest.fixture
def engine(tmp_path: Path) -> OrchestrationEngine:
    return made(tmp_path, timeout="1h")


async def phase(engine: OrchestrationEngine) -> Phase:
    """The operation's phase once the loop has nothing to do at once."""
    for _ in range(20):
        await asyncio.sleep(0)
    state = await engine.inspect("1")
    assert state is not None
    return state.phase


async def test_an_operation_completes_with_its_last_region(engine: OrchestrationEngine) -> None:
    """The same event again is a duplicate; one after the outcome is late."""
    first = await engine.deliver(arrival("east"))
    waiting = await phase(engine)
    again = await engine.deliver(arrival("east"))
    last = await engine.deliver(arrival("west"))
    completed = await phase(engine)
    late = await engine.deliver(arrival("west"))
    await engine.close()

    assert [it.result for it in (first, again, last, late)] == [
        ArrivalResult.COUNTED,
        ArrivalResult.DUPLICATE,
        ArrivalResult.COUNTED,
        ArrivalResult.LATE,
    ]
    assert (waiting, completed) == (Phase.WAITING, Phase.COMPLETED)


async def test_an_event_before_its_waiter_is_buffered(engine: OrchestrationEngine) -> None:
    """Both first webhooks come before the orchestration has run at all."""
    await engine.deliver(arrival("east"))
    await engine.deliver(arrival("west"))

    assert await phase(engine) is Phase.COMPLETED
    await engine.close()


async def test_an_operation_times_out_without_its_last_region(tmp_path: Path) -> None:
    """The orchestration waits for the last event or for its timer, and here the timer comes first."""
    engine = made(tmp_path, timeout="50ms")
    await engine.deliver(arrival("east"))
    async with asyncio.timeout(60):
        while (decided := await phase(engine)) is Phase.WAITING:  # noqa: ASYNC110 - the timer sets no event
            await asyncio.sleep(0.01)
    await engine.close()

    assert decided is Phase.TIMED_OUT


async def test_an_unknown_region_starts_nothing(engine: OrchestrationEngine) -> None:
    """It is refused with an error, and no operation is stored."""
    with pytest.raises(UnknownRegionError):
        await engine.deliver(arrival("mars"))

    assert await engine.inspect("1") is None


async def test_the_outbox_gives_each_target_its_rows_until_they_are_delivered() -> None:
    """A failed row comes again when it is due."""
    outbox = MemoryOutbox()
    notification = Notification(
        key="k", operation_id="1", outcome=Phase.COMPLETED, subject=Subject(action="push"),
        arrived=("east",), missing=(), started_ms=0, deadline_ms=1, decided_ms=1,
    )  # fmt: skip
    outbox.enqueue(notification, ["a", "b"])
    (row,) = outbox.unattempted(target="a", after=0, limit=9)
    failed = row.record.after(RetryDecision(error="refused"), key="k", now_ms=1_000)
    assert failed.due_ms is not None

    await outbox.record([Failed(row.n, failed)])

    assert outbox.unattempted(target="a", after=0, limit=9) == []
    assert outbox.next_retry_ms(target="a", now_ms=1_000) == failed.due_ms
    assert outbox.due_retries(target="a", now_ms=failed.due_ms - 1, limit=9) == []
    (again,) = outbox.due_retries(target="a", now_ms=failed.due_ms, limit=9)
    assert (again.n, again.record) == (row.n, failed)
    await outbox.record([Delivered(row.n)])
    assert outbox.due_retries(target="a", now_ms=failed.due_ms, limit=9) == []
    assert [it.n for it in outbox.unattempted(target="b", after=0, limit=9)] == [outbox.newest_number()]
