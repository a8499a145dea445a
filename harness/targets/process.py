"""A target that is a process of its own, in any language: started by a command, killed by a signal.

Its environment has the settings of `environment`, and ``PORT``, on which it listens on the loopback
interface. What it prints goes to a file in its folder, whose end is quoted when it does not start.

Everything that the command starts belongs to one process group, and every signal goes to the whole group: a
shell around the server, or workers below it, must not survive it.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.placement import PORT_PLACE
from fanin.harness.targets import http_client
from fanin.harness.targets.endpoint import KEY_ENV
from fanin.harness.targets.error_in_output import first_error
from fanin.harness.targets.scale import START_S
from fanin.harness.world.asgi import OnResponse, StartError, WebhookResponse
from fanin.simulator.wire import WebhookRequest

LOOPBACK = "127.0.0.1"
# How long a process may take to stop on SIGTERM before it is killed, and to be gone once killed.
STOP_S = 10
GONE_S = 5
_PROBE = "/"  # what is asked for to see whether it is up
_POLL_S = 0.02
# The log is cut when it is longer, so that a process that prints without end does not fill a disk.
LOG_BYTES_MAX = 16 * 1024 * 1024
_LOG_POLL_S = 0.1
_LOG_HEAD_BYTES = 1024 * 1024
_LOG_TAIL_BYTES = 8 * 1024
_LOG_TAIL_LINES = 20
# Below the ephemeral ports: an outgoing connection of another process cannot take one of these.
_PORTS = range(20_000, 32_000)

_unreaped: set[asyncio.subprocess.Process] = set()  # started here; their groups may still run
_used_ports: set[int] = set()


@dataclass(frozen=True, slots=True)
class Container:
    """What is different where the command starts a container, which no signal to the command's group reaches.

    Attributes:
        kill_command: Kills it at once. A shell runs it with the environment of the command.
        sink_host: Where the sink listens, so that the container can reach it.
        sink_url: The sink's URL as the container sees it, with `PORT_PLACE`.
    """

    kill_command: str | None = None
    sink_host: str = LOOPBACK
    sink_url: str = f"http://{LOOPBACK}:{PORT_PLACE}/"


NO_CONTAINER = Container()


def url_of_sink(host: str) -> str:
    """The URL, with `PORT_PLACE`, of a sink that listens at this host, or at all addresses there are."""
    reached = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - it is compared
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{PORT_PLACE}/"


class CommandTarget:
    """One aggregator as a process; a kill is SIGKILL to its whole process group."""

    def __init__(
        self,
        command: str,
        settings: Mapping[str, str],
        *,
        folder: Path,
        log: str = "output.log",
        start_s: float = START_S,
        dialect: Dialect = CONTRACT,
        kill_command: str | None = None,
    ) -> None:
        self.name = command
        self.exit_note = ""  # how it ended, if it did so by itself
        self.kill_note = ""  # how the kill command failed
        self._command, self._settings, self._start_s = command, dict(settings), start_s
        self._dialect, self._kill_command = dialect, kill_command
        self._log = _Log(folder / log)
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._last: asyncio.subprocess.Process | None = None  # the last one started; may still run
        self._client: aiohttp.ClientSession | None = None
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._reap()
        if self._client is None:
            self._client = http_client.client()
            self._background.append(asyncio.create_task(self._log.keep_short()))
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
        _unreaped.add(process)
        self._background.append(asyncio.create_task(self._watch(process)))
        try:
            async with asyncio.timeout(self._start_s):
                await self._wait_until_it_answers(process)
        except TimeoutError:
            self.kill()
            raise StartError(
                f"{self._command!r} did not answer on PORT={self._port} of {LOOPBACK} within"
                f" {self._start_s:g} s{self._log.tail_text()}"
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
        if not await _wait_ended(process, STOP_S):
            _signal_group(process, signal.SIGKILL)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if self._kill_command is not None:
                failed = self._run_kill_command(self._kill_command)
                # What has ended by itself cannot be killed; what it may have left behind is, perhaps.
                self.kill_note = failed if process.returncode is None else self.kill_note
            _signal_group(process, signal.SIGKILL)

    def _run_kill_command(self, command: str) -> str:
        """Wait for it: what happens after a kill must not be done by what is not dead yet.

        Returns:
            How it failed; empty where it did not.
        """
        with subprocess.Popen(  # noqa: S602 - the user's own command
            command,
            shell=True,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                _, said = process.communicate(timeout=STOP_S)
            except BaseException as exc:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # the shell with what it has started
                if not isinstance(exc, subprocess.TimeoutExpired):
                    raise
                return f"the kill command {command!r} did not end within {STOP_S} s"
        if not process.returncode:
            return ""
        why = said.decode(errors="replace").strip()
        return f"the kill command {command!r} exited with {process.returncode}{why and f': {why}'}"

    def pause(self) -> None:
        if self._process is not None:
            _signal_group(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            _signal_group(self._process, signal.SIGCONT)

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        self._settings |= changes

    def set_clock(self, by_ms: int) -> None:
        """Not possible for one process; scenarios that need it are skipped (`harness.capabilities`)."""
        raise NotImplementedError(by_ms)

    async def close(self) -> None:
        """End the process group and the connections."""
        self.kill()
        try:
            await self._reap()
        finally:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            if self._client is not None:
                await self._client.close()
            _used_ports.discard(self._port)

    def output_tail(self) -> str:
        """The last lines that it printed, as the end of a sentence."""
        return self._log.tail_text()

    def first_error(self) -> str:
        """The first error in its output: the line that names it, then those about it; or nothing."""
        error = first_error(self._log.lines())
        return f"its output: {error}" if error else ""

    async def _reap(self) -> None:
        """Wait until the last process group has ended, so that its port and its data are free."""
        last, self._last = self._last, None
        if last is None:
            return
        if not await _wait_ended(last, GONE_S):
            _signal_group(last, signal.SIGKILL)
            await _wait_ended(last, GONE_S)
        _unreaped.discard(last)

    def _environment(self) -> dict[str, str]:
        """This process's environment without the harness's secrets, and the settings."""
        private = {KEY_ENV, "FANIN_KEYS"}
        inherited = {name: value for name, value in os.environ.items() if name not in private}
        port = {"PORT": str(self._port), "FANIN_PORT": str(self._port)}
        return {**inherited, **self._dialect.environment(self._settings | port)}

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if self._process is process:
            how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
            self.exit_note = f"its process {how} by itself{self._log.tail_text()}"

    async def _wait_until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        """Wait for a response: many servers listen before their application has started."""
        asked = ""

        async def note_connection(*_: object) -> None:
            nonlocal asked
            asked = f" (fanin had sent it GET {_PROBE}, to see whether it is up)"

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(note_connection)
        async with aiohttp.ClientSession(trace_configs=[trace]) as client:
            while process.returncode is None:
                url = f"http://{LOOPBACK}:{self._port}{_PROBE}"
                with suppress(aiohttp.ClientError):
                    async with client.get(url, allow_redirects=False):
                        return
                await asyncio.sleep(_POLL_S)
        code = process.returncode
        self.kill()  # what it may have left in its group
        stay = "; it must stay in the foreground" if code == 0 else ""
        error = first_error(self._log.tail_lines()).partition("\n")[0]
        why = f": {error}" if error else stay
        raise StartError(f"{self._command!r} exited with {code}{asked}{why}{self._log.tail_text()}")


class _Log:
    """The output of a process. The file is emptied when it grows too long; its last lines are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = ""

    async def keep_short(self) -> None:
        while True:
            await asyncio.sleep(_LOG_POLL_S)
            with suppress(FileNotFoundError):
                if self.path.stat().st_size > LOG_BYTES_MAX:
                    self._kept = self._tail()
                    os.truncate(self.path, 0)  # processes that append go on at the new end

    def tail_lines(self) -> list[str]:
        return (self._kept + self._tail()).splitlines()[-_LOG_TAIL_LINES:]

    def tail_text(self) -> str:
        """The last lines, as the end of a sentence."""
        lines = self.tail_lines()
        if not lines:
            return "; it printed nothing"
        return "; its last output:\n" + "\n".join(f"  {line}" for line in lines)

    def lines(self) -> list[str]:
        """The first that are kept."""
        text = self._kept
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            text += file.read(_LOG_HEAD_BYTES).decode("utf-8", errors="replace")
        return text.splitlines()

    def _tail(self) -> str:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _LOG_TAIL_BYTES))
                return file.read(_LOG_TAIL_BYTES).decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def kill_leftovers() -> None:
    """Kill every process that still runs. For a harness that is itself being ended."""
    for process in _unreaped:
        _signal_group(process, signal.SIGKILL)
    _unreaped.clear()


def free_port() -> int:
    """A free port of the loopback interface; no port is returned twice."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if port in _used_ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            _used_ports.add(port)
            return port
    raise StartError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free on {LOOPBACK}")


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the process and everything in its group, unless all of it has ended.

    The number of a group that has ended may be given to another one.
    """
    if process.returncode is not None and not _group_is_running(process.pid):
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _wait_ended(process: asyncio.subprocess.Process, within_s: float) -> bool:
    """Wait until the process and its group have ended; False when they have not within the limit."""
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
            while _group_is_running(process.pid):  # noqa: ASYNC110 - the system reports children only
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        return False
    return True


def _group_is_running(group: int) -> bool:
    """Whether a process of the group still runs; zombies do not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        return True  # zombies cannot be recognised here
    for stat in processes.glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            # pid (name) state parent group session …; the name may hold anything, parentheses too. The group
            # is a session of its own, so a process with its number in another session is not one of it.
            state, _, its_group, session, *_ = stat.read_text().rpartition(")")[2].split()
            if int(its_group) == int(session) == group and state not in "ZX":
                return True
    return False
