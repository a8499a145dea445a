"""A Restate server on this machine, for tests, trials and benchmarks. It keeps its data in a folder."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from fanin.aggregator.errors import StoreUnusableError

PROGRAM = "restate-server"
# How long a start may take, on a slow machine.
START_S = 60.0
STOP_S = 10.0
POLL_S = 0.05
_PORTS = range(10_000, 20_000)  # below those of outgoing connections
# The file in a folder that names its server; and how often the keeper looks whether the folder is gone.
FILE = "restate.json"
GONE_S = 1.0
# What differs from the server's own defaults: it listens on loopback, and sends no telemetry. One partition
# is enough for two cores; each has a processor and a log of its own.
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
    """The server's program: in the folder of this Python, or on the path; None if there is none."""
    beside = Path(sys.prefix) / "bin" / PROGRAM
    return str(beside) if beside.exists() else shutil.which(PROGRAM)


def free_ports(number: int) -> list[int]:
    """Ports on which nothing listens now, and which the system gives to no outgoing connection meanwhile.

    Raises:
        StoreUnusableError: there are not so many.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == number:
            return found
    raise StoreUnusableError(f"fewer than {number} ports from {_PORTS[0]} to {_PORTS[-1]} are free")


class RestateServer:
    """One node; it may be killed and started again on the same data."""

    def __init__(
        self, folder: Path, *, name: str = "node-1", replication: int = 1, partitions: int = 1
    ) -> None:
        self.name, self._folder = name, folder
        self._replication, self._partitions = replication, partitions
        self.ingress, self.admin, self.fabric = free_ports(3)
        self.peers: list[RestateServer] = [self]  # the first one provisions the cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ingress}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin}"

    def options(self) -> dict[str, str]:
        """The settings that lead an engine here, with an address for calls that every start of it keeps.

        An invocation that has begun is always called at the address at which it began.
        """
        return {
            "FANIN_RESTATE_URL": self.url,
            "FANIN_RESTATE_ADMIN_URL": self.admin_url,
            "FANIN_RESTATE_LISTEN": f"127.0.0.1:{free_ports(1)[0]}",
        }

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise StoreUnusableError(f"{self.name} does not run")
        return self._process.pid

    @property
    def log(self) -> Path:
        """The log file."""
        return self._folder / f"{self.name}.log"

    def start(self) -> None:
        """Start the server, and return when it responds.

        Raises:
            StoreUnusableError: there is no program, or it ended, or it does not respond.
        """
        found = program()
        if found is None:
            raise StoreUnusableError(f"no {PROGRAM} here; `make restate do=install` installs it")
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / f"{self.name}.toml"
        config.write_text(self._config())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the server, with a file of ours
                [found, "--config-file", str(config)], stdout=log, stderr=log, env=_environment()
            )
        give_up_s = time.monotonic() + START_S
        while not _healthy(self.admin):
            if self._process.poll() is not None:
                raise StoreUnusableError(f"{PROGRAM} ended at once:\n{self.log.read_text()[-2000:]}")
            if time.monotonic() > give_up_s:
                raise StoreUnusableError(f"{PROGRAM} does not respond:\n{self.log.read_text()[-2000:]}")
            time.sleep(POLL_S)

    def kill(self) -> None:
        """``kill -9``."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """SIGTERM, and then `kill`."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self.kill()

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
    """The environment without variables that would configure the server."""
    return {name: text for name, text in os.environ.items() if not name.startswith("RESTATE_")}


def _healthy(port: int) -> bool:
    """Whether the server with that admin port accepts requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


# --- a server that outlives the process that started it ---


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that runs, and the settings that lead to it."""

    pid: int  # of its keeper, the leader of the process group of both
    options: Mapping[str, str]

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if (process := _keepers.pop(self.pid, None)) is not None:
            process.communicate()


_keepers: dict[int, subprocess.Popen[bytes]] = {}  # that this process has started, by pid


def start_backend(folder: Path) -> RunningServer:
    """The server of a folder, started if it does not run yet; see `fanin.aggregator.engines.start_backend`.

    Raises:
        StoreUnusableError: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (known := _find(folder)) is not None:
        return known
    (folder / FILE).unlink(missing_ok=True)
    keeper = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    _keepers[keeper.pid] = keeper
    while (known := _find(folder)) is None:
        if keeper.poll() is not None:
            message = keeper.stderr.read().decode() if keeper.stderr else ""
            raise StoreUnusableError(message.strip() or f"{PROGRAM} in {folder} did not start")
        time.sleep(POLL_S)
    return known


def _find(folder: Path) -> RunningServer | None:
    """The server that a folder's file names, if it responds."""
    try:
        found = json.loads((folder / FILE).read_text())
        known = RunningServer(found["pid"], found["options"])
        return known if _healthy(found["admin"]) else None
    except (OSError, ValueError, KeyError):
        return None


def keep(folder: Path) -> None:
    """Run a server until the folder, or the file in it that says where the server is, is gone."""
    server = RestateServer(folder / "restate")
    try:
        server.start()
    except StoreUnusableError as exc:
        sys.exit(str(exc))
    new = folder / f"{FILE}.new"
    new.write_text(json.dumps({"pid": os.getpid(), "admin": server.admin, "options": server.options()}))
    new.replace(folder / FILE)
    while (folder / FILE).exists():
        time.sleep(GONE_S)
    server.kill()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
