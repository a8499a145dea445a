"""A Restate server on this machine, for tests, trials and benchmarks. It keeps its data in a folder."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aggregator.engines.restate.http import Client, NoAnswerError, UnreachableError
from aggregator.errors import StoreUnusableError
from aggregator.notify.address import parse

PROGRAM = "restate-server"
# How long a start may take on the slowest machine.
START_S = 60.0
STOP_S = 10.0
_OK = 200
# What differs from the server's own defaults: it stays on loopback, and says nothing to its makers. One
# partition is enough for two cores; each costs a processor and a log of its own.
_CONFIG = """\
default-num-partitions = {partitions}
default-replication = {replication}
cluster-name = "fanin"
disable-telemetry = true
log-filter = "warn"
log-disable-ansi-codes = true
listen-mode = "tcp"
node-name = "{name}"
bind-address = "127.0.0.1:{fabric}"
advertised-address = "http://127.0.0.1:{fabric}/"
base-dir = "{folder}"
auto-provision = {provision}
[metadata-client]
addresses = [{peers}]
[admin]
bind-address = "127.0.0.1:{admin}"
[ingress]
bind-address = "127.0.0.1:{ingress}"
"""


def program() -> str | None:
    """The server's program: the one beside this Python, or the one on the path."""
    beside = Path(sys.prefix) / "bin" / PROGRAM
    return str(beside) if beside.exists() else shutil.which(PROGRAM)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


class Server:
    """One node; it may be killed and started again on the same data."""

    def __init__(
        self, folder: Path, *, name: str = "node-1", replication: int = 1, partitions: int = 1
    ) -> None:
        self.name, self._folder = name, folder
        self._replication, self._partitions = replication, partitions
        self.ingress, self.admin, self.fabric = free_ports(3)
        self.peers: list[Server] = [self]  # the first one begins the cluster
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ingress}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin}"

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        if self._process is None:
            raise StoreUnusableError(f"{self.name} does not run")
        return self._process.pid

    async def start(self) -> None:
        """Start it, and return when it answers.

        Raises:
            StoreUnusableError: there is no program, or it ended, or it does not answer.
        """
        found = program()
        if found is None:
            raise StoreUnusableError(f"no {PROGRAM} here; `make restate` installs it")
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / f"{self.name}.toml"
        config.write_text(self._config())
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                found, "--config-file", str(config), stdout=log, stderr=log, env=_environment()
            )
        client = Client([parse(self.admin_url)])
        try:
            async with asyncio.timeout(START_S):
                while not await self._healthy(client):
                    if self._process.returncode is not None:
                        raise StoreUnusableError(f"{PROGRAM} ended at once:\n{self.log.read_text()[-2000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError as exc:
            raise StoreUnusableError(f"{PROGRAM} does not answer:\n{self.log.read_text()[-2000:]}") from exc
        finally:
            client.close()

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self._folder / f"{self.name}.log"

    async def kill(self) -> None:
        """``kill -9``."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def stop(self) -> None:
        """An orderly stop."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
        await self.kill()

    async def _healthy(self, client: Client) -> bool:
        try:
            return (await client.get("/health")).status == _OK
        except (UnreachableError, NoAnswerError):
            return False

    def _config(self) -> str:
        return _CONFIG.format(
            name=self.name,
            partitions=self._partitions,
            replication=self._replication,
            fabric=self.fabric,
            admin=self.admin,
            ingress=self.ingress,
            folder=self._folder / "data",
            provision=str(self.peers[0] is self).lower(),
            peers=", ".join(f'"http://127.0.0.1:{peer.fabric}/"' for peer in self.peers),
        )


def _environment() -> dict[str, str]:
    """Ours, without what would configure the server behind our back."""
    return {name: text for name, text in os.environ.items() if not name.startswith("RESTATE_")}


@contextlib.asynccontextmanager
async def backend(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """A server for one engine after the other; see `aggregator.engines.backend`."""
    server = Server(folder / "restate")
    await server.start()
    # The same address in every life: calls under way stay with the one that they began at.
    (port,) = free_ports(1)
    try:
        yield {
            "FANIN_RESTATE_URL": server.url,
            "FANIN_RESTATE_ADMIN_URL": server.admin_url,
            "FANIN_RESTATE_LISTEN": f"127.0.0.1:{port}",
        }
    finally:
        await server.kill()
