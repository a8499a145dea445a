"""Applications that need what no simulated world has, and some that do not start."""

import asyncio
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def answering(hook: Any) -> Starlette:
    return Starlette(routes=[Route("/api/ImagePush", hook, methods=["POST"])])


def with_threads() -> Starlette:
    def hook(_: Request) -> Response:  # not async, so Starlette runs it in a thread
        return Response(status_code=202)

    return answering(hook)


def with_blocking_client() -> Starlette:
    async def hook(_: Request) -> Response:
        urllib.request.urlopen("http://sink/")  # noqa: ASYNC210 - that it blocks is the point
        return Response(status_code=202)

    return answering(hook)


def with_a_process() -> Starlette:
    async def hook(_: Request) -> Response:
        subprocess.run([sys.executable, "--version"], check=True)  # noqa: ASYNC221 - as above
        return Response(status_code=202)

    return answering(hook)


def with_signals() -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)
        yield

    return Starlette(lifespan=lifespan)


def that_fails() -> Starlette:
    raise ValueError("no database")


def that_fails_in_its_lifespan() -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    return Starlette(lifespan=lifespan)


def that_exits() -> Starlette:
    sys.exit("no database")


def that_exits_in_its_lifespan() -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sys.exit("no database")
        yield

    return Starlette(lifespan=lifespan)
