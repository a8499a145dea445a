"""A target that is a process of its own, in any language: started by a command, killed by a signal.

The process is told what `environment` says, and ``PORT``: it listens there on the loopback interface. All
that it prints goes to a file in its folder, whose end is quoted when it does not start.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp

from harness.asgi import Answer, OnAnswer, StartError
from simulator.wire import WebhookRequest

LOOPBACK = "127.0.0.1"
# How long a process may take to listen, and to stop on SIGTERM before it is killed.
START_S = 30
STOP_S = 10
_POLL_S = 0.02
_LOG_TAIL = 5
_PIECES = 10


class CommandTarget:
    """One aggregator as a process. A kill is SIGKILL to its whole process group."""

    def __init__(self, command: str, settings: Mapping[str, str], *, folder: Path) -> None:
        self.name = command
        self._command, self._settings = command, settings
        self._log = folder / "output.log"
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        environment = {**os.environ, **self._settings, "PORT": str(self._port), "FANIN_PORT": str(self._port)}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_shell(
                f"exec {self._command}",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self._client is None:
            # A connection of its own for every attempt: what a dead process leaves in a pool proves nothing.
            self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        try:
            async with asyncio.timeout(START_S):
                await self._until_it_answers(self._process, self._client)
        except TimeoutError:
            self.kill()
            raise StartError(
                f"{self._command!r} did not answer on PORT={self._port} within {START_S} s{self._said()}"
            ) from None

    async def request(self, request: WebhookRequest, *, body_over_ms: int, on_answer: OnAnswer) -> Answer:
        if self._client is None:
            raise ConnectionRefusedError("the aggregator never started")
        url = f"http://{LOOPBACK}:{self._port}{request.target}"
        body = _trickle(request.body, body_over_ms) if body_over_ms else request.body
        try:
            async with self._client.post(
                url,
                data=body,
                headers=request.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(None),
            ) as response:
                if on_answer(response.status):
                    raise ConnectionResetError("the aggregator died before its answer left")
                return Answer(
                    response.status, {name.lower(): value for name, value in response.headers.items()}
                )
        except aiohttp.ClientConnectorError as exc:
            raise ConnectionRefusedError(str(exc)) from exc
        except aiohttp.ClientError as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        self._signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            self._signal(process, signal.SIGKILL)
            await process.wait()

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._signal(process, signal.SIGKILL)

    async def close(self) -> None:
        """Leave nothing behind: no process, no connection."""
        self.kill()
        if self._client is not None:
            await self._client.close()

    async def _until_it_answers(
        self, process: asyncio.subprocess.Process, client: aiohttp.ClientSession
    ) -> None:
        while True:
            if process.returncode is not None:
                raise StartError(f"{self._command!r} exited with {process.returncode}{self._said()}")
            # An open port is not enough: many servers listen before their application has started.
            with suppress(aiohttp.ClientError):
                async with client.get(f"http://{LOOPBACK}:{self._port}/"):
                    return
            await asyncio.sleep(_POLL_S)

    def _said(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL:]
        return (
            "; its last words:\n" + "\n".join(f"  {line}" for line in lines)
            if lines
            else "; it printed nothing"
        )

    @staticmethod
    def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def _trickle(body: bytes, over_ms: int) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for piece in pieces:
        await asyncio.sleep(over_ms / 1000 / len(pieces))
        yield piece
