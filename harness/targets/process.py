"""A target that is a process of its own, in any language: started by a command, killed by a signal.

The process is told what `environment` says, and ``PORT``: it listens there on the loopback interface. All
that it prints goes to a file in its folder, whose end is quoted when it does not start.

Whatever the command starts belongs to one process group, and what happens to one happens to all of it: a
shell around the server, or workers below it, must not survive it.
"""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp

from fanin.harness.targets import http_client
from fanin.harness.targets.endpoint import KEY_ENV
from fanin.harness.targets.scale import START_S
from fanin.harness.world.asgi import OnResponse, StartError, WebhookResponse
from fanin.simulator.wire import WebhookRequest

LOOPBACK = "127.0.0.1"
# How long a process may take to stop on SIGTERM before it is killed, and to be gone once killed.
STOP_S = 10
GONE_S = 5
_POLL_S = 0.02
# What is printed is kept up to here, so that a process that floods its output does not fill a disk.
LOG_BYTES_MAX = 16 * 1024 * 1024
_LOG_POLL_S = 0.1
_LOG_TAIL_BYTES = 8 * 1024
_LOG_TAIL_LINES = 5
# Below the ports that systems give to outgoing connections, one of which might otherwise take it first.
_PORTS = range(20_000, 32_000)

_living: set[asyncio.subprocess.Process] = set()  # started here, and not seen off with their groups
_ports: set[int] = set()  # given out already


class CommandTarget:
    """One aggregator as a process. A kill is SIGKILL to its whole process group."""

    def __init__(
        self,
        command: str,
        settings: Mapping[str, str],
        *,
        folder: Path,
        log: str = "output.log",
        start_s: float = START_S,
    ) -> None:
        self.name = command
        self.exit_note = ""  # how it ended by itself, which nobody asked it to
        self._command, self._settings, self._start_s = command, dict(settings), start_s
        self._log = _Log(folder / log)
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._last: asyncio.subprocess.Process | None = None  # whoever lived last, perhaps still does
        self._client: aiohttp.ClientSession | None = None
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._reap()
        if self._client is None:
            self._client = http_client.client()
            self._chores.append(asyncio.create_task(self._log.keep_short()))
        with self._log.path.open("ab") as log:
            process = await asyncio.create_subprocess_shell(
                self._command,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = self._last = process
        _living.add(process)
        self._chores.append(asyncio.create_task(self._watch(process)))
        try:
            async with asyncio.timeout(self._start_s):
                await self._until_it_answers(process, self._client)
        except TimeoutError:
            self.kill()
            raise StartError(
                f"{self._command!r} did not answer on PORT={self._port} of {LOOPBACK} within"
                f" {self._start_s:g} s{self._log.log_tail()}"
            ) from None

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        if self._client is None:
            raise ConnectionRefusedError("the aggregator never started")
        url = f"http://{LOOPBACK}:{self._port}{request.target}"
        answer, _ = await http_client.deliver(
            self._client, url, request, body_over_ms=body_over_ms, on_response=on_response
        )
        return answer

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process, signal.SIGTERM)
        if not await _gone(process, STOP_S):
            _signal_group(process, signal.SIGKILL)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _signal_group(process, signal.SIGKILL)

    def pause(self) -> None:
        if self._process is not None:
            _signal_group(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            _signal_group(self._process, signal.SIGCONT)

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        self._settings |= changes

    def set_clock(self, by_ms: int) -> None:
        """The machine's clock is everybody's; scenarios with this are skipped (`harness.capabilities`)."""
        raise NotImplementedError(by_ms)

    async def close(self) -> None:
        """Leave nothing behind: no process, no connection."""
        self.kill()
        try:
            await self._reap()
        finally:
            for chore in self._chores:
                chore.cancel()
            await asyncio.gather(*self._chores, return_exceptions=True)
            if self._client is not None:
                await self._client.close()
            _ports.discard(self._port)

    async def _reap(self) -> None:
        """See the last life off, so that the next one finds port and data free."""
        last, self._last = self._last, None
        if last is None:
            return
        if not await _gone(last, GONE_S):
            _signal_group(last, signal.SIGKILL)
            await _gone(last, GONE_S)
        _living.discard(last)

    def _environment(self) -> dict[str, str]:
        """Ours, without what is meant for the harness or belongs to another scenario."""
        private = {KEY_ENV, "FANIN_KEYS"}
        inherited = {name: value for name, value in os.environ.items() if name not in private}
        return {**inherited, **self._settings, "PORT": str(self._port), "FANIN_PORT": str(self._port)}

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if self._process is process:
            how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
            self.exit_note = f"its process {how}, and nobody had asked it to{self._log.log_tail()}"

    async def _until_it_answers(
        self, process: asyncio.subprocess.Process, client: aiohttp.ClientSession
    ) -> None:
        while True:
            if process.returncode is not None:
                code = process.returncode
                self.kill()  # what it may have left in its group
                stay = "; it must stay in the foreground" if code == 0 else ""
                raise StartError(f"{self._command!r} exited with {code}{stay}{self._log.log_tail()}")
            # An open port is not enough: many servers listen before their application has started.
            with suppress(aiohttp.ClientError):
                async with client.get(f"http://{LOOPBACK}:{self._port}/", allow_redirects=False):
                    return
            await asyncio.sleep(_POLL_S)


class _Log:
    """What a process prints. The file is cut when it grows too long; its end is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cut_off = ""

    async def keep_short(self) -> None:
        while True:
            await asyncio.sleep(_LOG_POLL_S)
            with suppress(FileNotFoundError):
                if self.path.stat().st_size > LOG_BYTES_MAX:
                    self._cut_off = self._tail()
                    os.truncate(self.path, 0)  # whoever appends to it goes on at its new end

    def log_tail(self) -> str:
        """The end of a sentence about its end."""
        lines = (self._cut_off + self._tail()).splitlines()[-_LOG_TAIL_LINES:]
        if not lines:
            return "; it printed nothing"
        return "; its last words:\n" + "\n".join(f"  {line}" for line in lines)

    def _tail(self) -> str:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _LOG_TAIL_BYTES))
                return file.read(_LOG_TAIL_BYTES).decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def kill_leftovers() -> None:
    """Kill every process that is still there. For a harness that is itself being ended."""
    for process in _living:
        _signal_group(process, signal.SIGKILL)
    _living.clear()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that is not given out a second time."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if port in _ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            _ports.add(port)
            return port
    raise StartError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free on {LOOPBACK}")


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal all that it started. Once all of it has ended, its number may be somebody else's."""
    if process.returncode is not None and not _group_lives(process.pid):
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _gone(process: asyncio.subprocess.Process, within_s: float) -> bool:
    """Wait until the process and all that it started in its group have ended; False when they did not."""
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
            while _group_lives(process.pid):  # noqa: ASYNC110 - nobody tells of other people's children
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        return False
    return True


def _group_lives(group: int) -> bool:
    """Whether anybody of the group still runs. The dead whom nobody has buried yet do not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        return True  # no way to tell here
    for stat in processes.glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            # pid (name) state parent group session …; the name may hold anything, parentheses too. The group
            # is a session of its own, so whoever has its number in another session is a stranger.
            state, _, its_group, session, *_ = stat.read_text().rpartition(")")[2].split()
            if int(its_group) == int(session) == group and state not in "ZX":
                return True
    return False
