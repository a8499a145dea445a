"""Loses power at many moments: ``python -m benchmarks power_loss [--webhooks N] [--moments N] [--seed S]``.

`fanin serve` takes webhooks while ``strace`` records what it writes to its files, when it has them flushed,
and what it answers. Then the power is lost, after any of these calls: a folder is made that has what was
flushed by then, and of what was written since nothing, everything, or some, with writes that are torn in the
middle. The service's own engine opens it, and each webhook that had been answered 202 by then must be there.

To show that this can fail, the same moments are tried with flushes that do nothing.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.growth import settings
from benchmarks.machine import describe
from benchmarks.waiting import REGIONS
from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings

SENDERS = 8
DATABASE = "fanin.db"  # beside its log; pages come there from the log, at checkpoints
SECTOR = 512
# Of what was not flushed, where the disk has some of it: the share that it has, and how much of that is torn.
SOME, TORN = 0.5, 0.3
CALLS = "pwrite64,fdatasync,fsync,ftruncate,unlink,read,write,recvfrom,sendto"
# How many of the latest acknowledged webhooks are looked for after a loss, and how many of the others.
LATEST, OTHERS = 60, 60

_CALL = re.compile(
    r"\d+ +(?P<call>\w+)\("
    r'(?:\d+<(?P<of>TCP:\[[^\]]*\]|[^>]*)>|"(?P<path>[^"]*)")'
    r'(?:, "(?P<content>[^"]*)")?'
    r"(?:, (?P<first>\d+))?(?:, (?P<second>\d+))?"
)
_RESUMED = re.compile(r"\d+ +<\.\.\. \w+ resumed>,? ?")
_ENDS = re.compile(r"\d+ +(read|recvfrom|fsync|fdatasync)\(")
_BODY_ID = re.compile(rb'"id": ?"([^"]+)"')
_REGION = re.compile(rb"region=([^ &]+)")
_HEX = re.compile(r"\\x([0-9a-f]{2})")

type Webhook = tuple[str, str]  # id and region
type Kept = Literal["nothing", "everything", "some"]  # of what was not flushed


class Call(NamedTuple):
    """One recorded call on a file of the data folder, or a response that acknowledges a webhook."""

    what: Literal["write", "flush", "truncate", "unlink", "acknowledge"]
    name: str = ""  # of the file; empty: the folder itself
    offset: int = 0  # of a write; of a truncation, the length
    content: bytes = b""
    webhook: Webhook = ("", "")


@dataclass(slots=True)
class File:
    """What of a file is on the disk, and what is only written."""

    flushed: bytearray = field(default_factory=bytearray)
    written: list[Call] = field(default_factory=list)

    def flush(self) -> None:
        for call in self.written:
            _apply(self.flushed, call)
        self.written.clear()

    def content(self, kept: Kept, draw: random.Random) -> bytes:
        """What a disk may have after the loss."""
        found = bytearray(self.flushed)
        for call in self.written if kept != "nothing" else ():
            if kept == "some" and draw.random() > SOME:
                continue
            torn = kept == "some" and len(call.content) > SECTOR and draw.random() < TORN
            _apply(found, call, draw.randrange(SECTOR, len(call.content), SECTOR) if torn else None)
        return bytes(found)


def _apply(content: bytearray, call: Call, length: int | None = None) -> None:
    if call.what == "truncate":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    written = call.content[:length]
    content.extend(bytes(max(0, call.offset - len(content))))
    content[call.offset : call.offset + len(written)] = written


class Disk:
    """The data folder as it is on the disk while calls are replayed."""

    def __init__(self, *, flushes: bool = True) -> None:
        self._flushes = flushes
        self._files: dict[str, File] = {}
        self._known: set[str] = set()  # names that the folder has on the disk
        self.acknowledged: list[Webhook] = []

    def replay(self, call: Call) -> None:
        match call.what:
            case "acknowledge":
                self.acknowledged.append(call.webhook)
            case "flush" if not self._flushes:
                pass
            case "flush" if not call.name:
                self._known = set(self._files)
            case "flush":
                self._file(call.name).flush()
            case "unlink":
                self._files.pop(call.name, None)
            case _:
                self._file(call.name).written.append(call)

    def _file(self, name: str) -> File:
        return self._files.setdefault(name, File())

    def lose_power(self, folder: Path, kept: Kept, draw: random.Random) -> None:
        """Make the folder that is found afterwards."""
        folder.mkdir()
        for name, file in self._files.items():
            if name in self._known or kept == "everything" or (kept == "some" and draw.random() < SOME):
                (folder / name).write_bytes(file.content(kept, draw))


class Losses(NamedTuple):
    """What came of the losses of one recording."""

    moments: int
    unreadable: list[str]  # folders that the engine refuses: why
    lost: int  # acknowledged webhooks that were gone, over all moments


def record(folder: Path, webhooks: int) -> Path:
    """Have the service take so many webhooks; the recording."""
    recording, data = folder / "calls", folder / "data"
    command = ["strace", "-f", "-yy", "-xx", "-s", "262144", "-e", f"trace={CALLS}", "-o", str(recording)]
    with (folder / "log").open("w") as log:
        service = subprocess.Popen(
            [*command, sys.executable, "-m", "fanin.aggregator"],
            env=os.environ | settings(data),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            assert service.stdout is not None
            said = service.stdout.readline()
            port = re.search(r"(\d+)(?:,|$)", said)
            if port is None:
                raise RuntimeError(f"it said {said!r} and logged {(folder / 'log').read_text()[-2_000:]}")
            asyncio.run(_send(int(port[1]), webhooks))
        finally:
            os.killpg(service.pid, signal.SIGKILL)
            service.communicate()
    return recording


async def _send(port: int, webhooks: int) -> None:
    numbers = iter(range(webhooks))

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            region = REGIONS[number % len(REGIONS)]
            body = json.dumps(
                {
                    "id": f"op-{number // len(REGIONS)}",
                    "timestamp": "2026-01-01T00:00:00Z",
                    "action": "push",
                    "target": {"repository": "team/app", "tag": "1.4.2", "digest": f"sha256:{number:064x}"},
                    "request": {"id": f"request-{number}", "host": "myregistry.azurecr.io"},
                }
            ).encode()
            head = f"POST /api/ImagePush?region={region} HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()

    await asyncio.gather(*(sender() for _ in range(SENDERS)))


def calls(lines: Iterable[str], data: Path) -> Iterator[Call]:
    """The calls of a recording that matter here."""
    asked: dict[str, Webhook] = {}  # by connection: the webhook that was read last
    for line in _whole(lines):
        if (found := _CALL.match(line)) is None or " = -1 " in line:
            continue
        of, content = found["of"], _bytes(found["content"] or "")
        if of is not None and of.startswith("TCP"):
            yield from _on_connection(found["call"], of, content, asked)
            continue
        name = _name(found["path"] if of is None else of, data)
        if name is None or name.endswith("-shm"):  # shared memory, which is made anew
            continue
        match found["call"]:
            case "pwrite64":
                yield Call("write", name, int(found["second"]), content)
            case "fsync" | "fdatasync":
                yield Call("flush", name)
            case "ftruncate":
                yield Call("truncate", name, int(found["first"]))
            case "unlink":
                yield Call("unlink", name)


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Lines with the calls that another thread interrupted put together again.

    What is written is known when a call begins; what is read, and that it is flushed, when it ends.
    """
    begun: dict[str, str] = {}  # by thread
    for line in lines:
        thread = line.split(" ", 1)[0]
        if resumed := _RESUMED.match(line):
            if thread in begun:
                yield begun.pop(thread) + line[resumed.end() :]
        elif (start := line.find(" <unfinished ...>")) < 0:
            yield line
        elif _ENDS.match(line):
            begun[thread] = line[:start]
        else:
            yield line[:start]


def _on_connection(call: str, connection: str, content: bytes, asked: dict[str, Webhook]) -> Iterator[Call]:
    if call in ("read", "recvfrom"):
        if (region := _REGION.search(content)) and (id_ := _BODY_ID.search(content)):
            asked[connection] = (id_[1].decode(), region[1].decode())
    elif content.startswith(b"HTTP/1.1 202") and connection in asked:
        yield Call("acknowledge", webhook=asked.pop(connection))


def _bytes(text: str) -> bytes:
    return bytes.fromhex("".join(_HEX.findall(text)))


def _name(hexed: str, data: Path) -> str | None:
    """The name of a file in the data folder; empty for the folder itself."""
    path = Path(_bytes(hexed).decode())
    if path == data:
        return ""
    return path.name if path.parent == data else None


async def missing(data: Path, acknowledged: Sequence[Webhook], draw: random.Random) -> list[Webhook]:
    """Those acknowledged webhooks that the engine does not find there.

    Raises:
        StoreError: it cannot open the folder.
    """
    chosen = Settings.from_environment(settings(data))
    engine = SqliteEngine(chosen, SYSTEM_CLOCK, Metrics(), None)
    await engine.open()
    try:
        earlier = acknowledged[:-LATEST]
        looked_for = [*acknowledged[-LATEST:], *draw.sample(earlier, min(OTHERS, len(earlier)))]
        found = [(webhook, await engine.inspect(webhook[0])) for webhook in looked_for]
        return [it for it, state in found if state is None or it[1] not in state.arrived]
    finally:
        await engine.close()


def lose(recorded: Sequence[Call], folder: Path, *, moments: int, seed: int, flushes: bool = True) -> Losses:
    """Lose power after calls that are drawn, each in one of the ways."""
    draw = random.Random(seed)
    chosen = set(draw.sample(range(len(recorded)), min(moments, len(recorded))))
    disk, unreadable, lost, number = Disk(flushes=flushes), [], 0, 0
    for index, call in enumerate(recorded):
        disk.replay(call)
        if index not in chosen:
            continue
        for kept in ("nothing", "everything", "some", "some"):
            data = folder / "found"
            disk.lose_power(data, kept, draw)
            try:
                lost += len(asyncio.run(missing(data, disk.acknowledged, draw)))
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is counted
                unreadable.append(f"after call {index}, {kept}: {exc!r}")
            shutil.rmtree(data)
            number += 1
    return Losses(number, unreadable, lost)


def main() -> None:
    """Record, lose, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--webhooks", type=int, default=3_000)
    parser.add_argument("--moments", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    options, _ = parser.parse_known_args()
    if not shutil.which("strace"):
        raise SystemExit("power_loss needs strace: apt-get install strace")
    print(f"power loss: {describe()}")
    with tempfile.TemporaryDirectory(prefix="fanin-bench-") as name:
        folder = Path(name)
        recorded = list(calls(record(folder, options.webhooks).open(), folder / "data"))
        counts = Counter(it.what for it in recorded)
        moved = sum(it.what == "write" and it.name == DATABASE for it in recorded)
        print(
            f"  recorded: {counts['acknowledge']:,} webhooks acknowledged, {counts['write']:,} writes,"
            f" {moved:,} of them to the database itself, {counts['flush']:,} flushes"
        )
        for flushes in (True, False):
            found = lose(recorded, folder, moments=options.moments, seed=options.seed, flushes=flushes)
            how = "as recorded" if flushes else "flushes that do nothing"
            print(
                f"  {how}: {found.moments:,} losses, {found.lost:,} acknowledged webhooks gone,"
                f" {len(found.unreadable):,} folders that the service refuses",
                flush=True,
            )
            if flushes and (found.lost or found.unreadable):
                raise SystemExit("\n".join(found.unreadable[:10]) or "acknowledged webhooks were lost")


if __name__ == "__main__":
    main()
