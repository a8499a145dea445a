"""The webhooks' endpoint responds as the same endpoint on Starlette does, to requests of every kind."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette

from fanin.aggregator.engine import Capabilities, Receipt
from fanin.aggregator.errors import StoreBusyError, UnexpectedRegionError
from fanin.aggregator.fanin import Arrived, start
from fanin.aggregator.http import app as product
from fanin.aggregator.http import body, webhooks
from fanin.aggregator.http.exchange import EXTENSION, AsgiApp, Message
from fanin.aggregator.http.request_parser import RequestHead
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import BODY_BYTES_MAX, Arrival
from tests.aggregator.http.starlette_webhooks import StarletteWebhooks
from tests.aggregator.services import PUSH, Hand

pytestmark = pytest.mark.anyio

SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OWN = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
KEY = "0123456789abcdef"
BODY = json.dumps(PUSH).encode()
GONE = object()  # in place of a piece of the body: the sender closes the connection
STALL = object()  # nothing more comes


class Row(NamedTuple):
    """One request, and what the service is configured with."""

    path: str = "/api/ImagePush"
    query: str = "region=eastus"
    headers: Sequence[tuple[str, str]] = ()
    pieces: Sequence[Any] = (BODY,)
    method: str = "POST"
    settings: Mapping[str, str] = MappingProxyType({})
    engine: str = "stores"
    root_path: str = ""
    host: str | None = "fanin.example"
    signed: tuple[bytes, str] | None = None  # the body and the secret


def push(**changes: Any) -> bytes:
    return json.dumps(PUSH | changes).encode()


def signature(body: bytes, secret: str) -> list[tuple[str, str]]:
    """The headers of Standard Webhooks, with a timestamp of now."""
    now = datetime.now(UTC)
    return [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", str(int(now.timestamp()))),
        ("webhook-signature", Webhook(secret).sign("msg_1", now, body.decode())),
    ]


KEYS = {"FANIN_KEYS": f"{KEY},another-key-of-20-chars"}
HEADER = {"FANIN_HEADER_SECRET": "X-Registry: Bearer 0123456789abcdef"}
SIGNING = {"FANIN_SIGNING_SECRETS": f"{SHARED},westus={OWN}"}
PROXIES = {"FANIN_TRUSTED_PROXIES": "10.0.0.0/8"}

ROWS: dict[str, Row] = {
    # where it goes
    "by query": Row(),
    "by path": Row("/webhooks/eastus", ""),
    "the path wins over the query": Row("/webhooks/eastus", "region=westus"),
    "letter case of the path": Row("/API/imagepush"),
    "letter case of the other path": Row("/WebHooks/EastUS", ""),
    "letter case of a parameter": Row(query="REGION=eastus"),
    "two regions": Row(query="region=westus&region=eastus"),
    "one region twice": Row(query="region=eastus&region=eastus"),
    "two regions in two spellings": Row(query="region=eastus&Region=westus"),
    "two regions beside that of the path": Row("/webhooks/eastus", "region=eastus&region=westus"),
    "another parameter": Row(query="region=eastus&x=1"),
    "another parameter twice": Row(query="region=eastus&x=1&x=2"),
    "letter case and blanks of a region": Row(query="region=%20East%20US+"),
    "a region in two words": Row("/webhooks/East US", ""),
    "no region": Row(query=""),
    "an empty region": Row(query="region="),
    "an unknown region": Row(query="region=mars"),
    "an unknown region in the path": Row("/webhooks/mars", ""),
    "a region that is not UTF-8": Row(query="region=%ff%fe"),
    "a region with a semicolon": Row(query="region=eastus;code=x"),
    "a very long query": Row(query="region=" + "m" * 5_000),
    "a slash after the path": Row("/api/ImagePush/"),
    "a slash in the region": Row("/webhooks/east/us", ""),
    "no region in the path": Row("/webhooks/", ""),
    "a line break after the path": Row("/api/ImagePush\n"),
    "a line break in the region": Row("/webhooks/east\nus", ""),
    "a long s in the path": Row("/api/ImagePu\N{LATIN SMALL LETTER LONG S}h"),
    "another path": Row("/api/imagepull"),
    "below a root": Row("/fanin/api/ImagePush", root_path="/fanin"),
    "beside a root": Row("/faninapi/ImagePush", root_path="/fanin"),
    "a root that is the path": Row("/api/ImagePush", root_path="/api/ImagePush"),
    "a root that is a webhook's path": Row("/api/ImagePush/webhooks/eastus", "", root_path="/api/ImagePush"),
    # whose it is
    "without a key": Row(settings=KEYS),
    "a key in the query": Row(query=f"region=eastus&code={KEY}", settings=KEYS),
    "a key in the query, in capitals": Row(query=f"region=eastus&CODE={KEY}", settings=KEYS),
    "two keys": Row(query=f"region=eastus&code={KEY}&code={KEY}", settings=KEYS),
    "two keys, and the right one in a header": Row(
        query="region=eastus&code=a&Code=b", headers=[("x-functions-key", KEY)], settings=KEYS
    ),
    "a wrong key": Row(query="region=eastus&code=wrong", settings=KEYS),
    "a key in a header": Row(headers=[("x-functions-key", KEY)], settings=KEYS),
    "a key as a bearer's token": Row(headers=[("authorization", f"bearer  {KEY} ")], settings=KEYS),
    "another scheme": Row(headers=[("authorization", f"Basic {KEY}")], settings=KEYS),
    "the first of two headers": Row(
        headers=[("x-functions-key", "wrong"), ("x-functions-key", KEY)], settings=KEYS
    ),
    "a key that is no ASCII": Row(headers=[("x-functions-key", "\xe9")], settings=KEYS),
    "without the header": Row(settings=HEADER),
    "with the header": Row(headers=[("x-registry", "Bearer 0123456789abcdef")], settings=HEADER),
    "a wrong header": Row(headers=[("x-registry", "Bearer 0")], settings=HEADER),
    "a key and no header": Row(headers=[("x-functions-key", KEY)], settings=KEYS | HEADER),
    "without a signature": Row(settings=SIGNING),
    "a signature": Row(signed=(BODY, SHARED), settings=SIGNING),
    "another body's signature": Row(signed=(b"{}", SHARED), settings=SIGNING),
    "a region's own secret": Row(query="region=westus", signed=(BODY, OWN), settings=SIGNING),
    "another region's own secret": Row(signed=(BODY, OWN), settings=SIGNING),
    # the body
    "in pieces": Row(pieces=[BODY[:5], BODY[5:9], b"", BODY[9:]]),
    "empty": Row(pieces=[b""]),
    "no JSON": Row(pieces=[b"{"]),
    "no UTF-8": Row(pieces=[BODY.replace(b"team", b"\xff\xfe")]),
    "nested too deeply": Row(pieces=[b"[" * 100_000]),
    "another registry's": Row(pieces=[b'{"events": [{"id": "1", "action": "push"}]}']),
    "no id": Row(pieces=[push(id="")]),
    "an id that is too long": Row(pieces=[push(id="x" * 300)]),
    "an id that needs escapes": Row(pieces=[push(id="a/b c?d#\u20ac")]),
    "no target": Row(pieces=[push(target=None)]),
    "of the largest size": Row(pieces=[BODY.ljust(BODY_BYTES_MAX)]),
    "too large by one": Row(pieces=[BODY.ljust(BODY_BYTES_MAX + 1)]),
    "too large in pieces": Row(pieces=[b" " * 65_536] * 40),
    "endless": Row(pieces=[b" " * (4 << 20)] * 9),
    "announced as too large": Row(headers=[("content-length", "99999999"), ("expect", "100-continue")]),
    "a length that is none": Row(headers=[("content-length", "\xb2"), ("expect", "100-continue")]),
    "compressed": Row(headers=[("content-encoding", "gzip")]),
    "not compressed": Row(headers=[("content-encoding", " Identity")]),
    "another type": Row(headers=[("content-type", "text/plain")]),
    "the sender leaves": Row(pieces=[BODY[:5], GONE]),
    "the sender stalls": Row(pieces=[BODY[:5], STALL]),
    # what it says
    "a ping": Row(pieces=[b'{"action": "ping"}']),
    "a ping of an unknown region": Row("/webhooks/mars", "", pieces=[b'{"action": "ping"}']),
    "another action": Row(pieces=[push(action="frobnicate")]),
    "another action of an unknown region": Row("/webhooks/mars", "", pieces=[push(action="frobnicate")]),
    "by image": Row(settings={"FANIN_CORRELATION": "image"}),
    # where the status is
    "no host": Row(host=None),
    "an empty host": Row(host=""),
    "a public address": Row(settings={"FANIN_PUBLIC_URL": "https://fanin.example.org/x"}),
    "a proxy that is trusted": Row(
        headers=[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example, b.example")],
        settings=PROXIES,
    ),
    "a host that is no ASCII": Row(host="f\xe4nin.example"),
    # what the engine says
    "busy": Row(engine="is busy"),
    "not expected": Row(engine="expects others"),
    "crashing": Row(engine="crashes"),
    "without a result": Row(engine="knows no result"),
}


class Stub:
    """An engine that does as it is told."""

    capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False, submits=True)

    def __init__(self, manner: str) -> None:
        self._manner = manner

    def submit(self, arrival: Arrival) -> asyncio.Future[Receipt | None]:
        if self._manner == "is busy":
            raise StoreBusyError("too many wait")
        return asyncio.ensure_future(self.deliver(arrival))

    async def deliver(self, arrival: Arrival) -> Receipt | None:
        await asyncio.sleep(0)
        match self._manner:
            case "is busy":
                raise StoreBusyError("too many wait")
            case "expects others":
                raise UnexpectedRegionError(arrival.operation_id, arrival.region, ("mars",))
            case "crashes":
                raise ZeroDivisionError
            case "knows no result":
                return None
        result = start(
            arrival.operation_id,
            arrival.subject,
            Arrived(arrival.region, 1),
            expected=("eastus", "westus"),
            timeout_ms=1,
        )
        assert result.result
        return Receipt(result.state, result.result)


class Seen(NamedTuple):
    """Everything that can be seen of a response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    log: list[str]
    counted: dict[int, int]


def settings_of(row: Row, folder: Path) -> Settings:
    return Settings.from_environment(
        {"FANIN_REGIONS": "eastus,westus", "FANIN_DATA_DIR": str(folder)} | dict(row.settings)
    )


def scope_of(row: Row) -> Message:
    host = [] if row.host is None else [("host", row.host)]
    more = signature(*row.signed) if row.signed else []
    return {
        "type": "http",
        "method": row.method,
        "path": row.path,
        "root_path": row.root_path,
        "query_string": row.query.encode(),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in (*host, *row.headers, *more)],
        "scheme": "http",
        "server": ("10.0.0.1", 8080),
        "client": ("10.0.0.2", 1),
    }


class Complete:
    """A request that had come as a whole (`fanin.aggregator.http.exchange.CompleteRequest`)."""

    def __init__(self, row: Row) -> None:
        self._body: bytes | None = row.pieces[0]
        self.sent: list[Message] = []
        self.has_responded = asyncio.Event()
        scope, path = scope_of(row), row.path.encode()
        headers = tuple(scope["headers"])
        self.head = RequestHead(
            row.method, path, row.path, row.query.encode(), headers, 1, None, keep_alive=True,
            expects_continue=False,
        )  # fmt: skip

    async def send(self, message: Message) -> None:
        raise AssertionError(message)

    def take_body(self) -> bytes | None:
        body, self._body = self._body, None
        return body

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        self.sent += ({"status": status, "headers": headers}, {"body": body})
        self.has_responded.set()
        return True


async def begun(endpoint: webhooks.WebhookEndpoint, scope: Message) -> None:
    """Serve a request that has come as a whole without ASGI."""
    request = scope["extensions"][EXTENSION]["complete"]
    assert endpoint.begin(request, {name: scope[name] for name in ("scheme", "server", "client")})
    await request.has_responded.wait()


async def see(
    app: AsgiApp,
    row: Row,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
    request: Complete | None = None,
) -> Seen:
    """Send the request of a row."""
    caplog.clear()
    sent: list[Message] = []
    pieces = list(row.pieces)

    async def receive() -> Message:
        piece = pieces.pop(0)
        if piece is STALL:
            await asyncio.Event().wait()
        if piece is GONE:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    extensions = {} if request is None else {"extensions": {EXTENSION: {"complete": request}}}
    await app({**scope_of(row), **extensions}, receive, send)
    if request is not None:
        assert not sent
        sent = request.sent
    head = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    lines = [record.getMessage() for record in caplog.records if record.name == "fanin"]
    return Seen(head["status"], list(head["headers"]), content, lines, dict(metrics.requests))


@pytest.mark.parametrize("name", ROWS)
async def test_a_request_is_answered_as_starlette_would(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same status, headers in their order, body, lines of the log and figures, in every way to it."""
    caplog.set_level("INFO", "fanin")
    monkeypatch.setattr(body, "BODY_S", 0.01)
    row, seen = ROWS[name], []
    settings = settings_of(row, tmp_path)
    engine: Any = Stub(row.engine)
    metrics = Metrics()
    reference = StarletteWebhooks(settings, metrics, engine).app()
    seen.append(await see(reference, row, metrics, caplog))
    api = product.HttpApi(settings, metrics := Metrics(), Hand())
    api.webhooks.engine = engine
    if not webhooks.is_webhook(scope_of(row)):
        assert seen[0].status == 404
        return
    seen.append(await see(api.webhooks, row, metrics, caplog))
    metrics.requests.clear()
    seen.append(await see(Starlette(routes=api.routes()), row, metrics, caplog))
    if len(row.pieces) == 1 and isinstance(row.pieces[0], bytes):
        metrics.requests.clear()
        seen.append(await see(api.webhooks, row, metrics, caplog, Complete(row)))
        if not row.root_path:
            metrics.requests.clear()
            direct: AsgiApp = lambda scope, _, __: begun(api.webhooks, scope)  # noqa: E731 - an application
            seen.append(await see(direct, row, metrics, caplog, Complete(row)))

    assert seen == [seen[0]] * len(seen)


async def test_what_is_no_webhook_is_left_to_the_router() -> None:
    """Other methods, and scopes that are no request's."""
    row = Row()
    assert webhooks.is_webhook(scope_of(row))
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "post"):
        assert not webhooks.is_webhook(scope_of(row._replace(method=method)))
    assert not webhooks.is_webhook({"type": "lifespan"})
    assert not webhooks.is_webhook({"type": "websocket", "path": "/api/ImagePush"})


async def test_the_service_serves_webhooks_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Starlette's middleware and router, whose call would fail here."""

    def fail(*_: object) -> None:
        raise AssertionError("Starlette was asked")

    monkeypatch.setattr(Starlette, "__call__", fail)
    app = product.create_app(settings_of(Row(), tmp_path))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(Row(pieces=[b""])), receive, send)
    assert sent[0]["status"] == 400
    assert re.search(b"empty", sent[1]["body"])


async def test_urls_are_kept_up_to_a_number_and_a_length() -> None:
    """Strangers cannot fill the memory with URLs, and a long one is parsed all the same."""
    webhooks._kept_url.cache_clear()
    for n in range(1_000):
        assert webhooks._url("/api/ImagePush", b"region=r%d" % n).region == f"r{n}"
    assert webhooks._kept_url.cache_info().currsize == 256
    before = webhooks._kept_url.cache_info().misses
    assert webhooks._url("/api/ImagePush", b"region=" + b"m" * 5_000).region == "m" * 5_000
    assert webhooks._kept_url.cache_info().misses == before


async def test_only_webhooks_are_taken_without_asgi(tmp_path: Path) -> None:
    """Other paths and methods, and those of an engine that needs a task, are served as ASGI says."""
    api = product.HttpApi(settings_of(Row(), tmp_path), Metrics(), Hand())
    api.webhooks.engine = engine = cast("Any", Stub("stores"))
    for row in (Row(method="GET"), Row("/healthz"), Row("/api/ImagePush/x")):
        assert not api.webhooks.begin(Complete(row), scope_of(row))
    engine.capabilities = replace(Stub.capabilities, submits=False)
    assert not api.webhooks.begin(Complete(Row()), scope_of(Row()))


async def test_a_client_that_left_or_reads_slowly_holds_up_nothing(tmp_path: Path) -> None:
    """Without a body there is nothing to store; a response that cannot be sent at once is sent later."""
    api = product.HttpApi(settings_of(Row(), tmp_path), Metrics(), Hand())
    api.webhooks.engine = cast("Any", Stub("stores"))
    gone, slow = Complete(Row()), Slow(Row())
    gone.take_body()

    assert api.webhooks.begin(gone, scope_of(Row()))
    assert api.webhooks.begin(slow, scope_of(Row()))
    await slow.has_responded.wait()
    assert not gone.sent
    assert [message["type"] for message in slow.sent] == ["http.response.start", "http.response.body"]


class Slow(Complete):
    """A request whose client does not read."""

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:  # noqa: ARG002
        return False

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.has_responded.set()
