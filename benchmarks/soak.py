"""Killed again and again under load: ``python -m benchmarks.soak [--kills N] [--seed S]``.

`fanin serve` takes webhooks from many senders, and is killed (SIGKILL) at moments drawn from the seed: before
it listens, while it recovers, in the middle of its work. It is started again at once. The sink refuses some
notifications, and breaks the connection after it has taken others. In the end everything that was
acknowledged must have been decided exactly once.

What is right is worked out here from the answers that senders got and from what the sink received, never from
what the service says about itself.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

REGIONS = ("eastus", "northeurope", "westus")
TIMEOUT_S = 3.0
SENDERS = 24
# A quarter of the processes is killed at any moment of their start, the others at any moment of their work.
KILLED_AT_START, START_S_MAX, WORK_S_MAX = 0.25, 0.8, 1.2
START_S, SETTLE_S = 60.0, 300.0
# Shares of what senders lose and repeat, and of what the sink refuses, or takes without saying so.
LOST, REPEATED, REFUSED, BROKEN = 0.02, 0.05, 0.1, 0.02
ACKNOWLEDGED = 202
ANSWER = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Seen:
    """What went over the wire, on both sides of the service."""

    answers: dict[str, dict[str, list[str]]] = field(  # by operation and region: the answers, in order
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    posts: dict[str, list[tuple[str, str, tuple[str, ...], bool]]] = field(  # key, outcome, missing, accepted
        default_factory=lambda: defaultdict(list)
    )
    counts: Counter[str] = field(default_factory=Counter)

    def owed(self) -> set[str]:
        """Operations of which at least one arrival was acknowledged."""
        return {
            id_
            for id_, regions in self.answers.items()
            if any(
                standing in ("counted", "duplicate", "late") for got in regions.values() for standing in got
            )
        }

    def notified(self) -> set[str]:
        return {id_ for id_, posts in self.posts.items() if any(accepted for *_, accepted in posts)}


class Sink:
    """Takes notifications, refuses some, and breaks some connections after it has taken what they brought."""

    def __init__(self, seen: Seen, draw: random.Random) -> None:
        self._seen, self._draw = seen, draw
        self.quiet = False  # nothing is refused any more

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                fate = 1.0 if self.quiet else self._draw.random()
                accepted = fate >= REFUSED
                self._seen.posts[body["id"]].append(
                    (headers["webhook-id"], body["outcome"], tuple(body["missing"]), accepted)
                )
                self._seen.counts["notifications posted"] += 1
                self._seen.counts["refused by the sink"] += not accepted
                if REFUSED <= fate < REFUSED + BROKEN:
                    self._seen.counts["taken, and the connection broken"] += 1
                    break
                writer.write(ANSWER % (200 if accepted else 503))
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()


class Senders:
    """Send every region's webhook once, as ACR does; lose some, send some twice; remember every answer."""

    def __init__(self, seen: Seen, draw: random.Random) -> None:
        self._seen, self._webhooks = seen, _webhooks(draw)
        self.port: int | None = None  # of the process that listens now
        self.running = True

    async def send(self) -> None:
        """One sender, over one connection for as long as that lasts."""
        while self.running:
            port = self.port
            if port is None:
                await asyncio.sleep(0.005)
                continue
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            try:
                while self.running and self.port == port:
                    await self._one(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        id_, region = next(self._webhooks)
        mine = self._seen.answers[id_][region]
        self._seen.counts["webhooks sent"] += 1
        nth = len(mine)
        mine.append("unanswered")
        body = json.dumps({"id": id_, "action": "push", "target": {"repository": "team/app"}}).encode()
        writer.write(f"POST /api/ImagePush?region={region} HTTP/1.1\r\nhost: localhost\r\n".encode())
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        said = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(said)
        assert length, said
        await reader.readexactly(int(length.group(1)))
        status = int(said.split(b" ", 2)[1])
        standing = re.search(rb"fanin-arrival: (\w+)", said)
        mine[nth] = standing.group(1).decode() if standing else str(status)
        self._seen.counts["acknowledged" if status == ACKNOWLEDGED else f"answered {status}"] += 1


def _webhooks(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Operation and region, without end: some never sent, some sent twice, neighbours in disorder."""
    window: list[tuple[float, str, str]] = []
    for number in itertools.count():
        for region in REGIONS:
            if draw.random() < LOST:
                continue
            copies = 2 if draw.random() < REPEATED else 1
            window += [(number + draw.random() * 12, f"op-{number}", region) for _ in range(copies)]
        window.sort()
        while window and window[0][0] <= number:
            _, id_, region = window.pop(0)
            yield id_, region


async def start(folder: Path, sink_port: int) -> asyncio.subprocess.Process:
    """The service, on a free port."""
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fanin.aggregator", "--port", "0", "--data-dir", str(folder / "data"),
            "--regions", ",".join(REGIONS), "--timeout", f"{TIMEOUT_S:g}s",
            "--notify-url", f"http://127.0.0.1:{sink_port}/hook",
            stdout=subprocess.PIPE, stderr=log, env=_environment(),
        )  # fmt: skip


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("FANIN_", "Webhook"))}


async def greeted(process: asyncio.subprocess.Process) -> int:
    """The port, when it listens."""
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    port = re.search(r":(\d+),", said)
    if port is None:
        raise RuntimeError(f"the service said {said!r}; its log is beside its data")
    return int(port.group(1))


async def soak(
    folder: Path, *, kills: int, seed: int, progress: Callable[[int], None] = lambda _: None
) -> tuple[Seen, list[str]]:
    """Run it to the end: what was seen, and everything that is wrong with it."""
    draw = random.Random(seed)
    seen = Seen()
    sink, senders = Sink(seen, draw), Senders(seen, draw)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink_port = server.sockets[0].getsockname()[1]
    tasks = [asyncio.ensure_future(senders.send()) for _ in range(SENDERS)]
    for number in range(kills):
        process = await start(folder, sink_port)
        listening = asyncio.ensure_future(_listening(process, senders))
        if draw.random() < KILLED_AT_START:
            await asyncio.sleep(draw.uniform(0, START_S_MAX))
        else:
            await listening
            await asyncio.sleep(draw.uniform(0, WORK_S_MAX))
        seen.counts["killed before it listened"] += senders.port is None
        senders.port = None
        process.kill()
        await process.wait()
        await asyncio.gather(listening, return_exceptions=True)
        progress(number + 1)
    process = await start(folder, sink_port)
    async with asyncio.timeout(START_S):
        senders.port = await greeted(process)
    await asyncio.sleep(0.5)
    senders.running = False
    await asyncio.gather(*tasks)
    sink.quiet = True
    give_up = time.monotonic() + SETTLE_S
    # Two sets are compared; there is no event to wait for.
    while seen.owed() - seen.notified() and time.monotonic() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(2 * TIMEOUT_S)  # no notification may come again
    process.terminate()
    code = await process.wait()
    server.close()
    return seen, [*([f"the last process ended with {code}"] if code else []), *judge(seen)]


async def _listening(process: asyncio.subprocess.Process, senders: Senders) -> None:
    senders.port = await greeted(process)


def judge(seen: Seen) -> list[str]:
    """Everything that is wrong, from answers and posts alone."""
    wrong = []
    for id_ in sorted(seen.owed() | set(seen.posts)):
        posts, answers = seen.posts.get(id_, []), seen.answers.get(id_, {})
        outcomes = {(key, outcome, missing) for key, outcome, missing, _ in posts}
        if not answers:
            wrong.append(f"{id_}: notified, and its webhooks never sent")
        elif not any(accepted for *_, accepted in posts):
            wrong.append(f"{id_}: acknowledged {dict(answers)}, and never notified")
        elif len(outcomes) != 1:
            wrong.append(f"{id_}: decided more than once: {sorted(outcomes)}")
        else:
            wrong.extend(_contradictions(id_, answers, *next(iter(outcomes))[1:]))
    return wrong


def _contradictions(
    id_: str, answers: dict[str, list[str]], outcome: str, missing: tuple[str, ...]
) -> Iterator[str]:
    counted = {region for region, got in answers.items() if "counted" in got}
    late = {region for region, got in answers.items() if "late" in got}
    if counted & set(missing):
        yield f"{id_}: {sorted(counted & set(missing))} counted, and called missing"
    if counted == set(REGIONS) and outcome != "completed":
        yield f"{id_}: every region counted, and {outcome}"
    if late and outcome != "timed_out":
        yield f"{id_}: {sorted(late)} called late, and {outcome}"
    if (outcome == "completed") != (not missing):
        yield f"{id_}: {outcome}, missing {missing}"


def table(seen: Seen, wrong: list[str], kills: int, seconds: float) -> str:
    """The summary, as Markdown."""
    outcomes = Counter(posts[0][1] for posts in seen.posts.values())
    again = sum(max(0, sum(accepted for *_, accepted in posts) - 1) for posts in seen.posts.values())
    owed = seen.owed()
    unanswered = sum(got.count("unanswered") for by in seen.answers.values() for got in by.values())
    rows: list[tuple[str, Any]] = [
        ("kills (SIGKILL), and seconds in all", f"{kills}, {seconds:,.0f}"),
        ("processes killed before they listened", seen.counts["killed before it listened"]),
        ("webhooks sent", seen.counts["webhooks sent"]),
        ("acknowledged (2xx)", seen.counts["acknowledged"]),
        *((what, n) for what, n in sorted(seen.counts.items()) if what.startswith("answered ")),
        ("without an answer", unanswered),
        ("operations with an acknowledged webhook", len(owed)),
        ("completed / timed out", f"{outcomes['completed']:,} / {outcomes['timed_out']:,}"),
        ("notifications posted", seen.counts["notifications posted"]),
        ("refused by the sink (503)", seen.counts["refused by the sink"]),
        ("taken by the sink, and the connection broken", seen.counts["taken, and the connection broken"]),
        ("posted again after they had been taken (same key)", again),
        ("acknowledged and never decided", len(owed - seen.notified())),
        ("anything else wrong", len(wrong) - len(owed - seen.notified())),
    ]  # fmt: skip
    lines = [f"| {what} | {n if isinstance(n, str) else f'{n:,}'} |" for what, n in rows]
    return "\n".join(["| soak | |", "|---|---:|", *lines])


def main() -> None:
    """Soak, and print the summary. Exits 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options, _ = parser.parse_known_args()

    def progress(done: int) -> None:
        if done % 20 == 0:
            print(f"  {done} kills of {options.kills}", flush=True)

    print(f"soak: {options.kills} kills under load, seed {options.seed}; {describe()}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name:
        seen, wrong = asyncio.run(soak(Path(name), kills=options.kills, seed=options.seed, progress=progress))
    print(table(seen, wrong, options.kills, time.monotonic() - began))
    for line in wrong[:20]:
        print(f"  wrong: {line}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
