"""Plays in another process, which can be killed."""

import asyncio
import time
from functools import partial

import msgspec
import pytest

from fanin.harness.demo.plays import PlayRequest, PlayResponse, Plays
from fanin.harness.demo.worker import PlayWorker
from fanin.simulator.pack import find

pytestmark = pytest.mark.real_time
SLOW = PlayRequest(find("slow-region").read_text(encoding="utf-8"))


class Stuck(Plays):
    """Never ends what is called so."""

    def play(self, request: PlayRequest) -> PlayResponse:
        if "stuck" in request.yaml:
            time.sleep(600)
        if "raises" in request.yaml:
            raise ZeroDivisionError("by nothing")
        return super().play(request)


def test_a_play_that_takes_too_long_is_ended_and_the_next_one_plays() -> None:
    """The limit is said; a fresh process plays on."""

    async def ask() -> list[PlayResponse]:
        worker = PlayWorker(Stuck, wall_s=15)
        first = await worker.play(SLOW)
        worker._wall_s = 0.2
        stuck = await worker.play(PlayRequest("stuck"))
        worker._wall_s = 30
        again = await worker.play(SLOW)
        raised = await worker.play(PlayRequest("raises"))
        worker.stop()
        return [msgspec.json.decode(it, type=PlayResponse) for it in (first, stuck, again, raised)]

    first, stuck, again, raised = asyncio.run(ask())

    assert first.recording is not None
    assert stuck.error.startswith("this play took longer than 0.2 s")
    assert again.recording == first.recording
    assert "ZeroDivisionError: by nothing" in raised.error


def test_a_process_that_ends_by_itself_is_replaced() -> None:
    """Whatever killed it, the next play gets a fresh one."""

    async def ask() -> list[PlayResponse]:
        worker = PlayWorker(partial(Plays))
        await worker.play(SLOW)
        assert worker._process is not None
        worker._process.kill()
        worker._process.join()
        responses = [await worker.play(SLOW)]
        worker.stop()
        return [msgspec.json.decode(it, type=PlayResponse) for it in responses]

    assert asyncio.run(ask())[0].recording is not None
