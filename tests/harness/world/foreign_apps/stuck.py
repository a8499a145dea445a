"""Applications that come to a point at which they do not end and do not wait."""

import asyncio
import os
import time
import urllib.request
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def answering(work: Callable[[], object]) -> Starlette:
    async def push(_: Request) -> Response:
        work()
        return Response(status_code=202)

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])])


def that_computes() -> Starlette:
    def compute() -> None:
        while True:
            pass

    return answering(compute)


def that_computes_beside_a_thread() -> Starlette:
    async def push(_: Request) -> Response:
        waiting = asyncio.ensure_future(asyncio.to_thread(time.sleep, 60))
        await asyncio.sleep(1)
        while not waiting.done():
            pass
        return Response(status_code=202)

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])])


def that_catches_everything() -> Starlette:
    def compute() -> None:
        while True:
            try:  # noqa: SIM105 - as people write it
                int("not a number")
            except:  # noqa: E722, S110
                pass

    return answering(compute)


def that_reads_a_pipe() -> Starlette:
    def read() -> None:
        end, _ = os.pipe()
        os.read(end, 1)

    return answering(read)


def that_computes_before_it_starts() -> Starlette:
    while True:
        pass


def that_sleeps() -> Starlette:
    return answering(lambda: time.sleep(3_600))


def that_asks_again_and_again() -> Starlette:
    def ask() -> None:
        while True:
            try:
                urllib.request.urlopen("http://sink/")
            except RuntimeError:
                continue

    return answering(ask)
