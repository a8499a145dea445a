"""Results of attempts are recorded together, and as often as that takes."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from fanin.aggregator.engines.sqlite import result_recorder
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Delivered, Outbox
from fanin.aggregator.engines.sqlite.result_recorder import ResultRecorder
from fanin.aggregator.errors import StoreBusyError

pytestmark = pytest.mark.anyio


class Store:
    """Records results, or refuses to."""

    def __init__(self) -> None:
        self.recorded: list[list[int]] = []
        self.refusals = 0
        self.responds = asyncio.Event()
        self.responds.set()

    async def record(self, results: Sequence[AttemptResult]) -> None:
        await self.responds.wait()
        if self.refusals:
            self.refusals -= 1
            raise StoreBusyError("busy")
        self.recorded.append([it.n for it in results])


def recorder(store: Store, seen: list[int] | None = None) -> ResultRecorder:
    seen = [] if seen is None else seen
    return ResultRecorder(cast("Outbox", store), lambda results: seen.extend(it.n for it in results))


async def test_results_of_one_turn_are_recorded_together() -> None:
    """A commit costs as much for a hundred as for one, and so does a task."""
    store, seen = Store(), list[int]()
    recording = recorder(store, seen)
    for n in range(100):
        recording.add(Delivered(n))
    assert recording.unrecorded == 100
    await recording.drain()

    assert store.recorded == [list(range(100))]
    assert seen == list(range(100))
    assert recording.unrecorded == 0


async def test_what_cannot_be_recorded_is_recorded_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notification was accepted, and must not be sent again."""
    monkeypatch.setattr(result_recorder, "STORE_RETRY_S", 0.001)
    store = Store()
    store.refusals = 3
    recording = recorder(store)
    recording.add(Delivered(1))
    await asyncio.sleep(0)
    recording.add(Delivered(2))
    await recording.drain()

    assert sorted(store.recorded) == [[1], [2]]


async def test_a_store_that_does_not_respond_holds_up_no_end() -> None:
    """The next process sends again what was not recorded, with the same key."""
    store = Store()
    store.responds.clear()
    recording = recorder(store)
    recording.add(Delivered(1))
    await asyncio.sleep(0)
    recording.add(Delivered(2))
    await recording.stop()
    await asyncio.sleep(0)

    assert store.recorded == []
    assert not recording._tasks
