"""The sink over a simulated network: what it records, and how it fails."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from fanin.harness.history import ClientDisconnected, Entry, FaultApplied, NotificationReceived, SinkResponded
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.sink import Sink, _path_of
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses, SinkStalls
from fanin.simulator.language.scenario import Scenario

type Client = Callable[[aiohttp.ClientSession], Awaitable[None]]
URL = "http://sink/"


def played(
    client: Client, *faults: Fault, kills_before: bool = False, kills_after: bool = False
) -> list[Entry]:
    """Let the client talk to a sink with these faults; return what the sink recorded."""
    kernel = VirtualKernel(0)
    recorder = Recorder(elapsed_ms)
    scenario = Scenario(scenario="s", title="t", faults=faults)
    sink = Sink(
        scenario,
        recorder,
        operation_of=lambda body: str(body["id"]) if body else None,
        before=lambda _op: kills_before,
        after=lambda _op: kills_after,
    )

    async def main() -> None:
        await kernel.host("sink").create_task(sink.listen("0.0.0.0", 80))  # noqa: S104 - a simulated network
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session:
            await client(session)
        sink.close()

    kernel.run(main())
    return recorder.entries


async def post(session: aiohttp.ClientSession, op: str = "a") -> int:
    async with session.post(URL, json={"id": op}, headers={"webhook-id": f"key-{op}"}) as response:
        return response.status


def test_a_notification_is_recorded_and_answered() -> None:
    """Key, body and operation are kept; the answer is 200."""
    statuses = []

    async def client(session: aiohttp.ClientSession) -> None:
        statuses.append(await post(session))
        statuses.append(await post(session, "b"))

    entries = played(client)

    assert statuses == [200, 200]
    assert entries == [
        NotificationReceived(0, 1, "key-a", {"id": "a"}, "a"),
        SinkResponded(0, 1, 200),
        NotificationReceived(0, 2, "key-b", {"id": "b"}, "b"),
        SinkResponded(0, 2, 200),
    ]


@pytest.mark.parametrize(
    ("method", "path", "recorded"),
    [("PUT", "", ("PUT", "")), ("POST", "/a?x=1", ("POST", "/a")), ("POST", "/?x=1", ("POST", ""))],
)
def test_how_and_where_a_notification_is_sent_is_recorded(
    method: str, path: str, recorded: tuple[str, str]
) -> None:
    """A PUT, or another path, is for the oracle to judge; a query changes nothing."""

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.request(method, f"{URL.rstrip('/')}{path}", json={"id": "a"}) as response:
            assert response.status == 200

    received = played(client)[0]

    assert isinstance(received, NotificationReceived)
    assert (received.method, received.path) == recorded


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_question_how_the_sink_is_notifies_nothing(method: str) -> None:
    """It is answered, and not recorded."""

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.request(method, URL) as response:
            assert response.status == 200
        assert await post(session) == 200

    assert [type(it) for it in played(client)] == [NotificationReceived, SinkResponded]


def test_a_request_that_names_the_host_in_its_target_goes_to_a_path_all_the_same() -> None:
    """As proxies send them."""
    assert [_path_of(it) for it in ("http://sink:80/a?x", "http://sink", "/a?http://b/c")] == [
        "/a",
        "/",
        "/a",
    ]


def test_a_body_that_is_no_json_object_is_still_received() -> None:
    """The oracle has to know of it; the sink does not choke."""

    async def client(session: aiohttp.ClientSession) -> None:
        async with session.post(URL, data=b"\xff[") as response:
            assert response.status == 200

    assert played(client)[0] == NotificationReceived(0, 1, None, None, None)


@pytest.mark.parametrize(
    ("fault", "status", "at_ms"),
    [
        (SinkRefuses(status=418), 418, 0),
        (SinkRefuses(status=418, since=1), 200, 0),
        (SinkRefuses(status=418, operation="other"), 200, 0),
        (SinkStalls(by=3_000), 200, 3_000),
    ],
)
def test_a_sink_that_answers_otherwise(fault: Fault, status: int, at_ms: int) -> None:
    """Refusals carry their status, stalls their delay, and both only where the fault says so."""

    async def client(session: aiohttp.ClientSession) -> None:
        assert await post(session) == status

    entries = played(client, fault)

    assert entries[-1] == SinkResponded(at_ms, 1, status)
    assert (FaultApplied(0, 0, "a") in entries) == (status != 200 or at_ms > 0)


def test_a_sink_that_hangs_is_given_up_by_the_client() -> None:
    """It never answers; that is written when the connection ends."""

    async def client(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await post(session)

    assert played(client, SinkHangs())[-1] == SinkResponded(10_000, 1, error="hung")


@pytest.mark.parametrize(("late_s", "noticed"), [(0, True), (0.9, True), (1.1, False)])
def test_a_client_that_disconnects_at_a_late_response_may_not_have_read_it(
    late_s: float, *, noticed: bool
) -> None:
    """A client's limit and the answer may meet: it is unknown which was first, so both are recorded."""

    async def client(session: aiohttp.ClientSession) -> None:
        await post(session)
        await asyncio.sleep(late_s)
        await session.close()
        await asyncio.sleep(5)  # of virtual time

    entries = played(client, SinkStalls(by=3_000))

    assert (entries[-1] == ClientDisconnected(3_000 + round(late_s * 1000), 1)) == noticed


def test_what_comes_at_once_is_not_late() -> None:
    """No client gives up within half a second: one that disconnects then has read the response."""

    async def client(session: aiohttp.ClientSession) -> None:
        await post(session)
        await session.close()
        await asyncio.sleep(5)  # of virtual time

    entries = played(client, SinkStalls(by=499, status=204))

    assert entries[-1] == SinkResponded(499, 1, 204)


def test_a_redirect_says_where_to_and_what_follows_it_is_no_notification() -> None:
    """As in life; many clients follow without being told to."""
    statuses = []

    async def client(session: aiohttp.ClientSession) -> None:
        statuses.append(await post(session))

    entries = played(client, SinkRefuses(status=302))

    assert statuses == [200]  # of its GET
    assert [it.status for it in entries if isinstance(it, SinkResponded)] == [302]


def test_a_client_that_sends_the_next_request_has_read_the_response() -> None:
    """And a client that was answered at once had nothing to give up."""

    async def client(session: aiohttp.ClientSession) -> None:
        await post(session)
        await post(session)  # answered at once, on the same connection
        await session.close()
        await asyncio.sleep(5)  # of virtual time

    entries = played(client, SinkStalls(by=3_000, until=1))

    assert [type(it) for it in entries] == [
        NotificationReceived,
        FaultApplied,
        SinkResponded,
        NotificationReceived,
        SinkResponded,
    ]


def test_a_sink_that_loses_its_answer_does_so_a_number_of_times() -> None:
    """The request was received; the connection breaks before the 200."""
    statuses: list[int | None] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for _ in range(3):
            try:
                statuses.append(await post(session))
            except aiohttp.ClientConnectionError:
                statuses.append(None)

    entries = played(client, SinkLosesResponse(times=2))

    assert statuses == [None, None, 200]
    assert [entry.error for entry in entries if isinstance(entry, SinkResponded)] == ["reset", "reset", ""]


def test_a_sink_that_is_down_reads_nothing() -> None:
    """Connections break at once, and only while it is down."""

    async def client(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(session)
        await asyncio.sleep(5)
        assert await post(session) == 200

    entries = played(client, SinkDown(until=5_000))

    assert [type(entry) for entry in entries] == [FaultApplied, NotificationReceived, SinkResponded]


def test_a_notification_whose_sender_dies_on_arrival_counts_as_never_received() -> None:
    """`before-notify`: not a trace of it."""

    async def client(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await post(session)

    assert played(client, kills_before=True) == []


def test_a_notification_whose_sender_dies_after_arrival_is_received() -> None:
    """`after-notify`: received, and the response has no reader."""

    async def client(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await post(session)

    assert played(client, kills_after=True) == [
        NotificationReceived(0, 1, "key-a", {"id": "a"}, "a"),
        SinkResponded(0, 1, error="disconnected"),
    ]


def test_bytes_that_are_no_http_end_the_connection() -> None:
    """Whatever is sent, the sink survives."""

    async def client(session: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("sink", 80)
        writer.write(b"\x00\x01 what\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        assert await post(session) == 200

    assert isinstance(played(client)[-1], SinkResponded)


DAY_S = 86_400


async def _exchange(answers: int, then_s: float) -> tuple[bytes, int]:
    """Notify so often on one connection, wait, and read what is left until its end."""
    reader, writer = await asyncio.open_connection("sink", 80)
    for _ in range(answers):
        writer.write(b'POST / HTTP/1.1\r\nhost: sink\r\ncontent-length: 10\r\n\r\n{"id":"a"}')
        await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(then_s)
    left = await asyncio.wait_for(reader.read(), 1)
    writer.close()
    return left, elapsed_ms()


def test_a_connection_that_is_idle_after_some_answers_is_closed() -> None:
    """As servers close them; the last answer counts, however late it came."""
    ended: list[tuple[bytes, int]] = []

    async def client(_: aiohttp.ClientSession) -> None:
        ended.append(await _exchange(3, 76))

    played(client, SinkStalls(by=60_000, until=200_000))

    assert [left for left, _ in ended] == [b""]
    assert 3 * 60_000 + 76_000 <= ended[0][1] < 3 * 60_000 + 77_000


def test_a_connection_that_waits_for_an_answer_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was killed leaves one behind, for as long as a scenario of thirty days lasts."""
    monkeypatch.setattr("fanin.harness.world.host_loop.STEPS_MAX", 500)
    ended = []

    async def client(_: aiohttp.ClientSession) -> None:
        writer = (await asyncio.open_connection("sink", 80))[1]
        writer.write(b'POST / HTTP/1.1\r\nhost: sink\r\ncontent-length: 10\r\n\r\n{"id":"a"}')
        await asyncio.sleep(30 * DAY_S)
        writer.close()
        ended.append(elapsed_ms())

    played(client, SinkHangs())

    assert ended == [30 * DAY_S * 1_000]
