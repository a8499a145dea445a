"""Crowds and dawdlers: ten thousand connections at once, and clients that never finish what they began."""

import asyncio
import re
import resource
import signal
from pathlib import Path

from tests.e2e.bad_day import MEMORY_MIB_MAX, REGIONS, Acknowledged, BadDay, webhook
from tests.e2e.serving import LIMIT_S, Sink

# Both ends need a file per connection; this process is one end.
_SOFT, FILES_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)
CROWD = min(10_000, FILES_MAX - 200) if FILES_MAX > 0 else 10_000

# What a shell allows a program that asks for no more.
SHELL = ("sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh")
# Patience so short that a test can see its end; in life it is 30 s, and more for a connection that is idle.
HASTE = (
    "--set",
    "fanin.aggregator.http.body.BODY_S=1",
    "--set",
    "fanin.aggregator.http.protocol.STALL_S=0.5",
)
# And patience so long that a slow machine can gather a crowd.
CALM = ("--set", "fanin.aggregator.http.protocol.STALL_S=300")

type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(service: BadDay) -> Connection:
    return await asyncio.open_connection("127.0.0.1", service.port)


async def status_of(reader: asyncio.StreamReader) -> int:
    """The next answer's status; 0 when there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length.group(1)) if length else 0)
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    return int(head.split(b" ", 2)[1])


def test_ten_thousand_connections_at_once_are_all_answered(tmp_path: Path) -> None:
    """All open, then one webhook on each: a 202 or a 503; what was acknowledged is decided."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))

    async def story() -> None:
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, launch=CALM, prefix=SHELL, NOTIFY_URL=sink.url)
            acknowledged = Acknowledged()
            crowd = [await connect(service) for _ in range(CROWD)]
            for n, (_, writer) in enumerate(crowd):
                writer.write(webhook(f"op-{n // 2}", REGIONS[n % 2]))
            statuses = await asyncio.gather(*(status_of(reader) for reader, _ in crowd))
            one_more = await service.push(REGIONS[0], "op-more")
            memory_mib = service.memory_mib()
            for _, writer in crowd:
                writer.close()
            for n, status in enumerate(statuses):
                if status == 202:
                    acknowledged.regions[f"op-{n // 2}"].add(REGIONS[n % 2])
            acknowledged.regions = {
                id_: regions for id_, regions in acknowledged.regions.items() if len(regions) == 2
            }
            await acknowledged.reckon(sink)
            code, log = service.end(signal.SIGTERM)

        assert len(statuses) == CROWD
        assert set(statuses) <= {202, 503}
        assert statuses.count(202) > CROWD // 2
        assert one_more == (202, "counted")
        assert memory_mib < 2 * MEMORY_MIB_MAX
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_more_connections_than_files_leave_those_that_are_in_at_work(tmp_path: Path) -> None:
    """A client beyond the limit is turned away, the others are served; with room again, all are."""

    async def story() -> None:
        service = BadDay.begin(tmp_path, launch=CALM)
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (100, 100))
        first = await connect(service)
        crowd = [await connect(service) for _ in range(300)]
        first[1].write(webhook("op", REGIONS[0]))
        inside = await status_of(first[0])
        for _, writer in [first, *crowd]:
            writer.close()
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    taken = await service.push(REGIONS[1], "op")
                    break
                except (OSError, EOFError):
                    continue
        code, log = service.end(signal.SIGTERM)

        assert inside == 202
        assert taken == (202, "counted")
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_what_never_ends_is_ended(tmp_path: Path) -> None:
    """Heads and bodies that trickle or stop, bodies without end: all are closed, others are served."""

    async def trickle(service: BadDay, start: bytes, more: bytes) -> list[int]:
        """Write without end; the statuses of all answers, when the service has closed the connection."""
        reader, writer = await connect(service)
        statuses = []

        async def listen() -> None:
            while status := await status_of(reader):
                statuses.append(status)

        listening = asyncio.ensure_future(listen())
        writer.write(start)
        try:
            while not listening.done():
                writer.write(more)
                await writer.drain()
                await asyncio.wait([listening], timeout=0.05)
        except ConnectionError:
            pass
        await listening
        writer.close()
        return statuses

    async def story() -> None:
        service = BadDay.begin(tmp_path, launch=HASTE, FANIN_KEEP_ALIVE="1s")
        head = b"POST /api/ImagePush?region=eastus HTTP/1.1\r\nhost: localhost\r\n"
        chunks = b"%x\r\n%s\r\n" % (65_536, b" " * 65_536)
        async with asyncio.timeout(LIMIT_S):
            ended = await asyncio.gather(
                trickle(service, head, b"x-more: a\r\n"),
                trickle(service, head + b"content-length: 100\r\n\r\n{", b""),
                trickle(service, head + b"content-length: 1000000\r\n\r\n{", b" "),
                trickle(service, head + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
                trickle(service, head + b"transfer-encoding: chunked\r\n\r\n", chunks),
                trickle(service, b"", b""),
                trickle(service, b"POST /api", b""),
            )
            taken = await service.push(REGIONS[0], "op")
        memory_mib = service.memory_mib()
        code, log = service.end(signal.SIGTERM)

        assert ended[0] in ([], [431])
        assert ended[1:4] == [[408], [408], [408]]
        assert ended[4] in ([413], [408], [])  # by how much of it arrived; the answer may be torn
        assert ended[5:] == [[], []]
        assert taken == (202, "counted")
        assert memory_mib < MEMORY_MIB_MAX
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_responses_that_are_not_read_are_thrown_away(tmp_path: Path) -> None:
    """A client that asks for much and reads nothing is cut off; memory stays as it is, and so do others."""

    async def story() -> None:
        service = BadDay.begin(tmp_path, launch=HASTE, FANIN_TIMEOUT="1h")
        ids = [f"{n}-{'x' * 200}" for n in range(1_000)]
        filled = await service.send(
            b"".join(webhook(id_, REGIONS[0]) for id_ in ids[:-1])
            + webhook(ids[-1], REGIONS[0], "connection: close")
        )
        ask = b"GET /instances?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n"
        deaf = [await connect(service) for _ in range(10)]
        for _, writer in deaf:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # TCP transports can
            writer.write(ask * 500)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(gone(writer) for _, writer in deaf))
        taken = await service.push(REGIONS[1], ids[0])
        memory_mib = service.memory_mib()
        code, log = service.end(signal.SIGTERM)

        assert filled == [202] * len(ids)
        assert taken == (202, "counted")
        assert memory_mib < MEMORY_MIB_MAX
        assert (code, "Traceback" in log) == (0, False)

    async def gone(writer: asyncio.StreamWriter) -> None:
        """Until the other side has cut us off, which only writing shows to who does not read."""
        while not writer.transport.is_closing():
            writer.write(b"\r\n")
            await asyncio.sleep(0.05)

    asyncio.run(story())
