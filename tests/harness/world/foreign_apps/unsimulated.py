"""Applications that need what no simulated world has, and some that do not start."""

import _thread
import asyncio
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def answering(hook: Any) -> Starlette:
    return Starlette(routes=[Route("/api/ImagePush", hook, methods=["POST"])])


def with_bare_threads() -> Starlette:
    async def hook(_: Request) -> Response:
        _thread.start_new_thread(print, ())
        return Response(status_code=202)

    return answering(hook)


def with_a_loop_in_a_thread() -> Starlette:
    def run() -> None:
        asyncio.new_event_loop().run_forever()

    async def hook(_: Request) -> Response:
        threading.Thread(target=run).start()
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


def with_a_process_of_asyncio() -> Starlette:
    async def hook(_: Request) -> Response:
        process = await asyncio.create_subprocess_exec(sys.executable, "--version")
        await process.wait()
        return Response(status_code=202)

    return answering(hook)


def with_a_process_pool() -> Starlette:
    async def hook(_: Request) -> Response:
        with ProcessPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, len, "")
        return Response(status_code=202)

    return answering(hook)


def with_a_fork() -> Starlette:
    async def hook(_: Request) -> Response:
        if os.fork() == 0:
            os._exit(0)
        return Response(status_code=202)

    return answering(hook)


def with_a_watched_pipe() -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().add_reader(0, print)
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


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("202 Accepted", [])
    return [environ["PATH_INFO"].encode()]
