"""The contenders: what each needs, and its environment.

A contender whose parts are not installed is skipped by name, with the command that installs them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REGIONS = "northeurope,westeurope,eastus"
TIMEOUT_S = 3_600
PACKAGES = "pip install -c constraints.txt -e '.[benchmarks]'"
# Programs by name: where else they may be, and what gets them.
PROGRAMS = {
    "postgres": ("/usr/lib/postgresql/*/bin/postgres", "apt-get install postgresql"),
    "restate-server": (f"{sys.prefix}/bin/restate-server", "make restate do=install"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One program, started with `python -m`, that prints its port when it serves."""

    name: str
    title: str
    command: tuple[str, ...]  # the module and its arguments
    durable: bool  # what it has acknowledged survives `kill -9`
    notifies: bool = True  # it sends notifications
    package: str | None = None
    program: str | None = None

    def missing(self) -> str | None:
        """The command that installs what is missing, or None."""
        try:
            if self.package:
                version(self.package)
        except PackageNotFoundError:
            return PACKAGES
        if self.program and not found(self.program):
            return PROGRAMS[self.program][1]
        return None

    def versions(self) -> str:
        """What was measured, exactly."""
        said = [f"{self.package} {version(self.package)}"] if self.package else []
        if self.program:
            printed = subprocess.check_output([found(self.program), "--version"], text=True)
            number = re.search(r"\d+\.[\d.]+", printed)
            said.append(f"{self.program} {number.group() if number else printed.strip()}")
        return ", ".join(said)


def found(program: str) -> str:
    """Its path, or nothing."""
    where, _ = PROGRAMS[program]
    return shutil.which(program) or next(map(str, Path("/").glob(where.lstrip("/"))), "")


def environment(notify_url: str, folder: Path) -> Mapping[str, str]:
    """The same world for every contender, in the words of the aggregator and of the peers."""
    return {
        "FANIN_REGIONS": REGIONS, "FANIN_TIMEOUT": f"{TIMEOUT_S}s", "FANIN_PORT": "0",
        "FANIN_NOTIFY_URL": notify_url, "FANIN_DATA_DIR": str(folder),
        "PEER_REGIONS": REGIONS, "PEER_TIMEOUT_S": str(TIMEOUT_S),
        "PEER_NOTIFY_URL": notify_url, "PEER_DATA_DIR": str(folder),
    }  # fmt: skip


CONTENDERS = (
    Contender("storage-free", "no storage", ("benchmarks.storage_free",), durable=False, notifies=False),
    Contender("fanin", "fanin on SQLite", ("fanin.aggregator",), durable=True),
    Contender(
        "restate", "Restate", ("benchmarks.peers.restate_object",),
        durable=True, package="restate-sdk", program="restate-server",
    ),
    Contender(
        "durable-task", "Durable Task, in memory", ("benchmarks.peers.durable_task",),
        durable=False, package="durabletask",
    ),
    Contender(
        "dbos-sqlite", "DBOS on SQLite", ("benchmarks.peers.dbos_workflow", "sqlite"),
        durable=True, package="dbos",
    ),
    Contender(
        "dbos-postgresql", "DBOS on PostgreSQL", ("benchmarks.peers.dbos_workflow", "postgresql"),
        durable=True, package="dbos", program="postgres",
    ),
)  # fmt: skip
