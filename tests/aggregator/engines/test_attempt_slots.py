"""How many attempts run at once, and which of them is pre-empted."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fanin.aggregator.engines import attempt_slots
from fanin.aggregator.engines.attempt_slots import AttemptSlot, AttemptSlots
from fanin.aggregator.notify.attempt import PREEMPT_UNKNOWN_AFTER_S, PreemptedError


@pytest.fixture(autouse=True)
def _short_time_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_slots, "PREEMPT_AFTER_S", 0.05)


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story on an event loop of its own."""

    async def run() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(run())


async def hang(slot: AttemptSlot | None) -> None:
    """An attempt that never ends by itself."""
    assert slot is not None
    async with slot:
        await asyncio.get_running_loop().create_future()


def test_an_attempt_that_waits_preempts_the_oldest_one() -> None:
    """A target that hangs must not keep its other notifications from being tried."""

    async def story() -> None:
        slots = AttemptSlots(2, preempts=True)
        older = asyncio.ensure_future(hang(await slots.acquire()))
        await asyncio.sleep(0.01)
        newer = asyncio.ensure_future(hang(await slots.acquire()))
        await asyncio.sleep(0)
        assert await slots.acquire() is not None
        with pytest.raises(PreemptedError):
            await older

        assert not newer.done()
        newer.cancel()

    play(story)


def test_an_attempt_has_its_time_before_it_is_preempted() -> None:
    """A healthy receiver answers within it."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        slots = AttemptSlots(1, preempts=True)
        running = asyncio.ensure_future(hang(await slots.acquire()))
        await asyncio.sleep(0)
        began_s = loop.time()
        await slots.acquire()

        assert loop.time() - began_s >= 0.04
        with pytest.raises(TimeoutError):
            await running

    play(story)


def test_where_none_is_preempted_an_attempt_waits_for_the_end_of_another() -> None:
    """Retries of a target that hangs end by their own limit."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=False)
        first = await slots.acquire()
        assert first is not None
        waiting = asyncio.ensure_future(slots.acquire())
        async with first:
            await asyncio.sleep(0.1)
            assert not waiting.done()

        assert await waiting is not None

    play(story)


def test_beyond_the_queue_an_attempt_gets_no_slot() -> None:
    """On Restate, each attempt that waits holds one of the invocations that the server runs at once."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=False, queue_max=1)
        first = await slots.acquire()
        assert first is not None
        waiting = asyncio.ensure_future(slots.acquire())
        await asyncio.sleep(0)
        assert await slots.acquire() is None
        slots.release(first)

        assert await waiting is not None

    play(story)


def test_attempts_get_their_slots_in_order_and_one_that_was_cancelled_gets_none() -> None:
    """Retries must not overtake first attempts that have waited longer."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=False)
        held = await slots.acquire()
        assert held is not None
        waiting = [asyncio.ensure_future(slots.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        slots.release(held)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert [it.done() for it in waiting] == [True, True, False]
        second = waiting[1].result()
        assert second is not None
        slots.release(second)
        assert await waiting[2] is not None

    play(story)


def test_a_slot_that_was_given_to_a_cancelled_attempt_is_given_back() -> None:
    """It is cancelled in the very turn in which it gets its slot."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=False)
        held = await slots.acquire()
        assert held is not None
        waiting = asyncio.ensure_future(slots.acquire())
        await asyncio.sleep(0)
        slots.release(held)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await slots.acquire() is not None

    play(story)


def test_an_attempt_takes_no_longer_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether others wait or not."""
    monkeypatch.setattr(attempt_slots, "ATTEMPT_S", 0.05)

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await hang(await AttemptSlots(1, preempts=False).acquire())

    play(story)


class Held:
    """An attempt that runs without a task."""

    def __init__(self) -> None:
        self.began_s = asyncio.get_running_loop().time()
        self.is_preempted = False

    def preempt(self) -> None:
        self.is_preempted = True

    def cancel(self) -> None:
        """It holds nothing."""


def test_an_attempt_without_a_task_is_preempted_as_well() -> None:
    """Its slot is another one's at once, and its end gives nothing back twice."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=True)
        held, slot = Held(), await slots.acquire()
        assert slot is not None
        slot.hold(held)
        other = await slots.acquire()
        slot.ended(held, accepted=True)

        assert (held.is_preempted, slot.preempted) == (True, True)
        assert other is not None
        assert slots.take_free() is None
        assert slots.preempt_after_s == PREEMPT_UNKNOWN_AFTER_S

    play(story)


def test_an_attempt_without_a_task_shows_how_slow_its_receiver_is() -> None:
    """As one in a task does, if it was accepted."""

    async def story() -> None:
        slots = AttemptSlots(1, preempts=True)
        for accepted in (False, True):
            held, slot = Held(), await slots.acquire()
            assert slot is not None
            slot.hold(held)
            held.began_s -= 7
            slot.ended(held, accepted=accepted)
            is_known = slots.preempt_after_s >= 14

            assert is_known is accepted
        assert slots.take_free() is not None

    play(story)


def test_all_attempts_can_be_ended() -> None:
    """A service that stops does not wait for receivers that hang."""

    async def story() -> None:
        slots = AttemptSlots(2, preempts=False)
        running = [asyncio.ensure_future(hang(await slots.acquire())) for _ in range(2)]
        await asyncio.sleep(0)
        slots.preempt_all()
        results = await asyncio.gather(*running, return_exceptions=True)

        assert [type(result) for result in results] == [PreemptedError, PreemptedError]

    play(story)
