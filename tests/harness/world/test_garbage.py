"""What is there before a run costs no time in it, and what the run has left is gone after it."""

import asyncio
import gc
import sqlite3
import weakref

import pytest

from fanin.harness.world import garbage
from fanin.harness.world.kernel import VirtualKernel


class Cycle:
    """Only the collector finds it."""

    def __init__(self) -> None:
        self.itself = self


def test_every_run_leaves_out_what_is_there_before_it() -> None:
    """Also one that plays no scenario. Looking through all modules takes longer than a small run."""
    frozen = []

    async def main() -> None:
        frozen.append(gc.get_freeze_count())

    VirtualKernel(0).run(main())

    assert frozen[0] > 1000
    assert gc.get_freeze_count() == 0


def test_an_inner_block_ends_nothing_for_the_outer_one() -> None:
    """Playing a scenario has a run inside."""
    with garbage.left_out():
        with garbage.left_out():
            pass
        assert gc.get_freeze_count()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("error", [None, ValueError])
def test_what_a_block_has_left_is_collected(error: type[Exception] | None) -> None:
    """Whether the block ends by itself or with an error."""
    left = []
    try:
        with garbage.collected():
            left.append(weakref.ref(Cycle()))
            if error:
                raise error
    except ValueError:
        pass

    assert left[0]() is None


def test_what_a_process_that_was_killed_never_began_is_no_warning() -> None:
    """A task that awaits something later holds a coroutine that has not begun; a warning fails this test."""
    kernel = VirtualKernel(0)

    async def notify() -> None:
        raise AssertionError

    async def waits() -> None:
        later = notify()
        await asyncio.sleep(3_600)
        await later

    async def main() -> None:
        host = kernel.host("app")
        host.create_task(waits())
        await asyncio.sleep(1)
        kernel.kill_process(host)
        await asyncio.sleep(1)

    kernel.run(main())


def test_what_was_left_open_is_collected_without_a_warning() -> None:
    """Tests make an error of each warning; it would be of the test that happens to collect."""
    left = Cycle()
    left.database = sqlite3.connect(":memory:")  # type: ignore[attr-defined]
    gone = weakref.ref(left)
    del left

    garbage.collect()

    assert gone() is None
