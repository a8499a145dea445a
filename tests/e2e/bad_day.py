"""The real service on a bad day: ``fanin serve`` as a user starts it, raw bytes, and a reckoning."""

import asyncio
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.serving import LIMIT_S, Service, Sink, environment

REGIONS = ("eastus", "westus")
# Above this a process that should refuse what is too much has swallowed it. It starts with some 50 MiB.
MEMORY_MIB_MAX = 250


class BadDay(Service):
    """One life of ``fanin serve``. Its log is a file, so that it can never wait for a reader."""

    log: Path

    @classmethod
    def begin(
        cls,
        folder: Path,
        *arguments: str,
        launch: Iterable[str] = (),
        prefix: Iterable[str] = (),
        **settings: str,
    ) -> "BadDay":
        """Start it on a free port, its data in ``folder/data``; return when it says that it listens.

        Args:
            folder: For data and log.
            arguments: Of the command.
            launch: Options of `tests.e2e.launch`; without any it is the installed command.
            prefix: A command that starts it, such as one that gives it a file system of its own.
            settings: Its environment.
        """
        installed = [str(Path(sys.executable).parent / "fanin"), "serve"]
        command = [sys.executable, "-m", "tests.e2e.launch", *launch] if launch else installed
        log = folder / "log"
        with log.open("a") as stderr:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*prefix, *command, "--port", "0", "--data-dir", str(folder / "data"), *arguments],
                env=environment(**{"FANIN_REGIONS": ",".join(REGIONS)} | settings),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert process.stdout is not None
        greeting = process.stdout.readline()
        port = re.search(r":(\d+),", greeting)
        assert port, f"it said {greeting!r}, then {process.communicate()}, and logged {log.read_text()}"
        service = cls(process, int(port.group(1)), greeting)
        service.log = log
        return service

    def end(self, signum: int) -> tuple[int, str]:
        code, _ = super().end(signum)
        return code, self.log.read_text()

    def memory_mib(self) -> float:
        """What it holds in memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4 / 1024

    async def send(self, data: bytes, *, limit_s: float = LIMIT_S) -> list[int]:
        """Raw bytes on a connection of their own: the statuses of all answers until the service closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answered = b""
        try:
            async with asyncio.timeout(limit_s):
                try:
                    writer.write(data)
                    while more := await reader.read(65_536):
                        answered += more
                except ConnectionError:
                    pass  # it has closed the connection on us, in the middle of what we said
        finally:
            writer.close()
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]


class Acknowledged:
    """What a service has answered 2xx, to be compared with what the sink has received."""

    def __init__(self) -> None:
        self.regions: dict[str, set[str]] = defaultdict(set)  # counted ones, by operation

    async def push(self, service: Service, region: str, id_: str) -> int:
        """One webhook: the status."""
        status, standing = await service.push(region, id_)
        if status == 202 and standing == "counted":
            self.regions[id_].add(region)
        return status

    async def reckon(self, sink: Sink) -> None:
        """Wait until all that was acknowledged is decided; check that it was decided once, and rightly."""
        await sink.until(lambda: set(self.regions) <= {body["id"] for _, body in sink.received})
        decided = defaultdict(set)
        for key, body in sink.received:
            decided[body["id"]].add((key, body["outcome"], tuple(body["missing"])))
        for id_, regions in self.regions.items():
            ((_, outcome, missing),) = decided[id_]
            assert not regions & set(missing), (id_, regions, outcome, missing)
            if len(regions) == len(REGIONS):
                assert outcome == "completed", id_


def webhook(id_: str, region: str = REGIONS[0], *headers: str, body: bytes | None = None) -> bytes:
    """A whole request. Headers of one's own come before the length; ``body`` replaces the good one."""
    if body is None:
        body = json.dumps({"id": id_, "action": "push", "target": {"repository": "team/app"}}).encode()
    lines = [f"POST /api/ImagePush?region={region} HTTP/1.1", "host: localhost", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
