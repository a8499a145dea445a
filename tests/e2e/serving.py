"""The real service as a process, its sink, and requests to it, with nothing in between."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from fanin.aggregator.engines import start_backend

# How long anything may take on the slowest machine. Reached only when something is broken.
LIMIT_S = 30

_ANSWER = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n"


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of ours, and with those of the test."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FANIN_", "Webhook")) and name not in ("PORT", "DATA_DIR", "NOTIFY_URL")
    }
    return clean | settings


class Service:
    """One life of ``python -m fanin.aggregator``."""

    def __init__(self, process: subprocess.Popen[str], port: int, greeting: str) -> None:
        self.process, self.port, self.greeting = process, port, greeting

    @classmethod
    def start(cls, folder: Path, *arguments: str, **settings: str) -> "Service":
        """Start it on a free port; return when it says that it listens."""
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "fanin.aggregator", "--port", "0", "--data-dir", str(folder), *arguments],
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        greeting = process.stdout.readline()
        port = re.search(r":(\d+),", greeting)
        assert port, f"it said {greeting!r}, then {process.communicate()}"
        return cls(process, int(port.group(1)), greeting)

    def end(self, signum: int) -> tuple[int, str]:
        """Send a signal; return the exit status and all that it logged."""
        self.process.send_signal(signum)
        _, log = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, log

    async def request(self, method: str, target: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own.

        Raises:
            OSError, EOFError: no connection, or it broke before a whole answer.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            content = await reader.readexactly(int(headers.get("content-length", "0")))
            return int(lines[0].split()[1]), headers, content
        finally:
            writer.close()

    async def push(self, region: str, id_: str) -> tuple[int, str]:
        """One webhook: the status, and what became of it."""
        body = {"id": id_, "action": "push", "target": {"repository": "team/app", "tag": id_}}
        status, headers, _ = await self.request(
            "POST", f"/api/ImagePush?region={region}", json.dumps(body).encode()
        )
        return status, headers.get("fanin-arrival", "")


class Sink:
    """Writes down every notification, and answers as ``answers`` says for the nth one."""

    def __init__(self, answers: Callable[[int], int] = lambda _: 200) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []  # key and body
        self._answers = answers
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true of what was received."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.received.append((headers["webhook-id"], body))
                self._changed.set()
                writer.write(_ANSWER % self._answers(len(self.received)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def stop_backend(engine: str, folder: Path) -> None:
    """Stop the backend that a service has started on this machine: it outlives it."""
    if (backend := start_backend(engine, folder)) is not None:
        backend.stop()
