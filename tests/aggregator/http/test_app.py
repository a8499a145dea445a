"""The HTTP surface: every answer is one that a sender, a poller or a supervisor can act on."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, Engine, Receipt
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.errors import StoreBusyError
from fanin.aggregator.http.app import create_app
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import BODY_BYTES_MAX, Arrival
from tests.aggregator.services import EAST, PUSH, STATUS, WEST, Hand, service

pytestmark = pytest.mark.anyio


# --- webhooks ---


async def test_an_arrival_is_answered_as_durable_functions_would(tmp_path: Path) -> None:
    """202, where to ask for the status, when to come back, and what became of the arrival."""
    async with service(tmp_path) as client:
        answer = await client.post(EAST, json=PUSH)

    uri = f"http://fanin.example{STATUS}5b7c"
    assert (answer.status_code, answer.json()) == (202, {"id": "5b7c", "statusQueryGetUri": uri})
    assert (answer.headers["location"], answer.headers["retry-after"]) == (uri, "10")
    assert answer.headers["fanin-arrival"] == "counted"


async def test_a_header_has_the_result_of_an_arrival(tmp_path: Path) -> None:
    """All three are 202: the sender has done its part."""
    clock = Hand()
    async with service(tmp_path, clock=clock) as client:
        answers = [await client.post(EAST, json=PUSH), await client.post(EAST, json=PUSH)]
        clock.ms += 120_000
        answers.append(await client.post(WEST, json=PUSH))

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.headers["fanin-arrival"] for answer in answers] == ["counted", "duplicate", "late"]


@pytest.mark.parametrize(
    "url",
    [
        "/webhooks/eastus",
        "/webhooks/EastUS%20",
        "/api/ImagePush?region=%20EASTUS",
        "/api/ImagePush?code=unneeded&region=eastus",
    ],
)
async def test_a_region_is_named_in_the_path_or_the_query(tmp_path: Path, url: str) -> None:
    """In any capitals, with or without space around it."""
    async with service(tmp_path) as client:
        await client.post(url, json=PUSH)
        answer = await client.post(EAST, json=PUSH)

    assert answer.headers["fanin-arrival"] == "duplicate"


@pytest.mark.parametrize("url", ["/api/ImagePush", "/api/ImagePush?region=", "/api/ImagePush?region=mars"])
async def test_an_unknown_region_is_refused_with_the_configured_ones(tmp_path: Path, url: str) -> None:
    """400, and nothing is stored."""
    async with service(tmp_path) as client:
        answer = await client.post(url, json=PUSH)
        known = await client.get(STATUS + "5b7c")

    assert (answer.status_code, answer.json()["error"]) == (400, "unknown-region")
    assert answer.json()["message"].endswith("expected one of eastus, westus")
    assert known.status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (json.dumps(PUSH | {"id": ""}).encode(), 400, "malformed"),
        (b" " * (BODY_BYTES_MAX + 1), 413, "body-too-large"),
    ],
)
async def test_a_broken_body_is_the_senders_fault(
    tmp_path: Path, content: bytes, status: int, error: str
) -> None:
    """4xx with a reason; what follows is not disturbed."""
    async with service(tmp_path) as client:
        answer = await client.post(EAST, content=content)
        after = await client.post(EAST, json=PUSH)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"]
    assert after.headers["fanin-arrival"] == "counted"


async def test_a_body_that_grows_beyond_the_limit_is_cut_off(tmp_path: Path) -> None:
    """Without a content-length, too."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    async with service(tmp_path) as client:
        answer = await client.post(EAST, content=endless())

    assert answer.status_code == 413


async def test_a_ping_starts_nothing(tmp_path: Path) -> None:
    """200 for a configured region; another one is a mistake that a ping should find."""
    async with service(tmp_path) as client:
        answer = await client.post(EAST, json={"action": "ping"})
        lost = await client.post("/webhooks/mars", json={"action": "ping"})
        listed = await client.get("/instances")

    assert (answer.status_code, lost.status_code) == (200, 400)
    assert listed.json() == {"instances": [], "next": None}


async def test_what_is_filtered_out_is_answered_200_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the reason, in the response, the log and the figures."""
    caplog.set_level("INFO", "fanin")
    async with service(tmp_path, FANIN_REPOSITORIES="base/*") as client:
        answer = await client.post(EAST, json=PUSH)
        metrics = await client.get("/metrics")
        listed = await client.get("/instances")

    ignored = {"status": "ignored", "action": "push", "reason": "filtered"}
    assert (answer.status_code, answer.json()) == (200, ignored)
    assert listed.json()["instances"] == []
    assert 'fanin_ignored_total{reason="filtered"} 1.0' in metrics.text
    assert "ignored action=push id=5b7c region=eastus reason=filtered" in caplog.text


@pytest.mark.parametrize("action", ["delete", "frobnicate"])
async def test_an_unwanted_action_is_ignored(
    tmp_path: Path, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    """200, nothing is stored, and the log has it; a region that is not configured is refused all the same."""
    caplog.set_level("INFO", "fanin")
    async with service(tmp_path, FANIN_ACTIONS="push,quarantine") as client:
        answer = await client.post(EAST, json=PUSH | {"action": action})
        lost = await client.post("/webhooks/mars", json=PUSH | {"action": action})
        listed = await client.get("/instances")

    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert lost.status_code == 400
    assert listed.json()["instances"] == []
    assert f"ignored action={action} id=5b7c region=eastus" in caplog.text


async def test_by_image_regions_with_ids_of_their_own_meet(tmp_path: Path) -> None:
    """The operation's id is then the image, also in the status URL."""
    async with service(tmp_path, FANIN_CORRELATION="image") as client:
        await client.post(EAST, json=PUSH | {"id": "a"})
        answer = await client.post(WEST, json=PUSH | {"id": "b"})
        status = await client.get(answer.headers["location"])

    assert answer.json()["id"] == "push:demo.azurecr.io/team/app:1.0@sha256:11"
    assert status.json()["runtimeStatus"] == "Completed"


# --- keys ---


@pytest.mark.parametrize(
    ("params", "headers", "status"),
    [
        ({"code": "first-key"}, {}, 202),
        ({"code": "second-key=="}, {}, 202),
        ({}, {"x-functions-key": "second-key=="}, 202),
        ({}, {}, 401),
        ({"code": ""}, {}, 401),
        ({"code": "first"}, {}, 401),
        ({"code": "first-key,second-key=="}, {}, 401),
        ({"code": "schlüssel"}, {}, 401),
        ({}, {"x-functions-key": "wrong"}, 401),
    ],
)
async def test_any_of_the_function_keys_will_do(
    tmp_path: Path, params: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """In the query or in a header; otherwise 401, with no body to learn from."""
    async with service(tmp_path, FANIN_KEYS="first-key,second-key==") as client:
        answer = await client.post("/webhooks/eastus", params=params, headers=headers, json=PUSH)

    assert answer.status_code == status
    assert status == 202 or answer.content == b""


async def test_a_wrong_key_learns_nothing_else(tmp_path: Path) -> None:
    """Not which regions are expected, nor whether the body was sound."""
    async with service(tmp_path, FANIN_KEYS="first-key") as client:
        answer = await client.post("/webhooks/mars?code=wrong", content=b"{")

    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize("path", [STATUS + "5b7c", "/instances", "/metrics"])
async def test_reading_needs_a_key_too(tmp_path: Path, path: str) -> None:
    """Health does not: a supervisor has no key."""
    async with service(tmp_path, FANIN_KEYS="first-key") as client:
        without = await client.get(path)
        given = await client.get(path, params={"code": "first-key"})
        health = [(await client.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert without.status_code == 401
    assert given.status_code in (200, 404)
    assert health == [200, 200]


# --- the rest of the surface ---


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/api/ImagePush", 405, "method-not-allowed"),
        ("DELETE", "/webhooks/eastus", 405, "method-not-allowed"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("GET", "/index.html", 404, "not-found"),
        ("POST", "/", 404, "not-found"),
        ("PUT", "/", 405, "method-not-allowed"),
        ("POST", "/api/imagepushed", 404, "not-found"),
        ("POST", "/api/ImagePush/", 404, "not-found"),
        ("GET", STATUS + "unknown", 404, "not-found"),
        ("GET", STATUS, 404, "not-found"),
    ],
)
async def test_a_wrong_path_or_method_is_named(
    tmp_path: Path, method: str, path: str, status: int, error: str
) -> None:
    """404 and 405 speak JSON, as every other error does."""
    async with service(tmp_path) as client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"] != ""


@pytest.mark.parametrize(
    "url",
    ["/api/imagepush?Region=eastus&Code=k", "/API/IMAGEPUSH?REGION=EastUS&CODE=k", "/Webhooks/EASTUS?Code=k",
     "/api/ImagePush?region=East%20US&code=k",
     "/api/ImagePush?region=East+US&code=k", "/webhooks/East%20US?code=k"],
)  # fmt: skip
async def test_paths_parameters_and_regions_are_read_in_any_spelling(tmp_path: Path, url: str) -> None:
    """As the original reads them; a location may be written as Azure displays it."""
    async with service(tmp_path, FANIN_KEYS="k") as client:
        answer = await client.post(url, json=PUSH)
        listed = (await client.get("/Instances?State=waiting&Limit=1&code=k")).json()["instances"]
        state = await client.get(f"{STATUS.upper()}5b7c?ShowInput=false&Code=k")
        other = await client.get(f"{STATUS}5B7C?code=k")

    assert answer.status_code == 202
    assert [list(it["arrived"]) for it in listed] == [["eastus"]]
    assert (state.status_code, state.json()["input"]) == (202, None)
    assert other.status_code == 404  # ids are what they are


async def test_regions_keep_the_name_that_they_are_configured_with(tmp_path: Path) -> None:
    """In what is reported; webhooks may come with the other one."""
    async with service(tmp_path, FANIN_REGIONS="West Europe,northeurope") as client:
        for region in ("westeurope", "North Europe"):
            assert (await client.post(f"/webhooks/{region}", json=PUSH)).status_code == 202
        (listed,) = (await client.get("/instances")).json()["instances"]
        refused = await client.post("/webhooks/West-Europe", json=PUSH)

    assert set(listed["arrived"]) == {"west europe", "northeurope"}
    assert refused.status_code == 422


@pytest.mark.parametrize("path", ["/api/ImagePush?region=eastus", "/webhooks/eastus", "/API/imagepush"])
async def test_a_look_at_the_webhooks_address_is_explained(tmp_path: Path, path: str) -> None:
    """A person opens it in a browser, a gateway probes it; neither has a key."""
    async with service(tmp_path, FANIN_KEYS="k") as client:
        seen, probed = await client.get(path), await client.options(path)
        head, deleted = await client.head(path), await client.delete(path)

    assert (seen.status_code, probed.status_code, head.status_code) == (405, 200, 405)
    for answer in (seen, probed):
        assert "a registry POSTs its webhooks here" in answer.json()["message"]
        assert answer.headers["allow"] == "POST, OPTIONS"
    assert deleted.json()["message"] == "DELETE is not allowed here; use POST"


@pytest.mark.parametrize(
    ("url", "body", "line"),
    [
        (EAST, {}, "refused status=401 path=/api/ImagePush region=eastus reason="),
        ("/webhooks/West%20US", {}, 'refused status=401 path="/webhooks/West US" region="West US" reason='),
        ("/webhooks/mars?code=k", PUSH, "refused status=400 path=/webhooks/mars region=mars reason="),
        ("/api/ImagePush?code=k&Region=a%0Ab", PUSH, 'path=/api/ImagePush region="a\\nb" reason='),
        (f"/webhooks/{'x' * 99}?code=k", PUSH, f"region={'x' * 64} reason="),
        ("/api/ImagePush", {}, "refused status=401 path=/api/ImagePush reason="),
    ],
)
async def test_the_log_of_a_refusal_has_the_region_that_is_claimed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str, body: dict[str, object], line: str
) -> None:
    """It says which webhook is configured wrongly."""
    caplog.set_level("INFO", "fanin")
    async with service(tmp_path, FANIN_KEYS="k") as client:
        await client.post(url, json=body)

    assert line in caplog.text


async def test_metrics_follow_what_happened(tmp_path: Path) -> None:
    """Requests by status, arrivals by region, what waits."""
    async with service(tmp_path) as client:
        await client.post(EAST, json=PUSH)
        await client.post("/webhooks/mars", json=PUSH | {"id": "other"})
        page = (await client.get("/metrics")).text

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert samples["fanin_requests_total", "202"] == 1
    assert samples["fanin_requests_total", "400"] == 1
    assert samples["fanin_arrivals_total", "eastus", "counted"] == 1
    assert samples["fanin_waiting",] == 1


class Broken:
    """An engine in trouble, of the kind the test gives it."""

    capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False)

    def __init__(self, trouble: Exception) -> None:
        self.trouble = trouble

    def __call__(self, _s: Settings, _c: Clock, _m: Metrics, _t: Notifier | None) -> Engine:
        return self  # type: ignore[return-value]  # what is not called is not there

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def deliver(self, _: Arrival) -> Receipt:
        raise self.trouble

    async def check(self) -> None:
        raise self.trouble


@pytest.mark.parametrize("trouble", [StoreBusyError("fanin.db is locked"), ZeroDivisionError("a bug")])
async def test_trouble_inside_is_a_503_that_asks_to_come_back(tmp_path: Path, trouble: Exception) -> None:
    """Never 500, never a traceback; a load balancer sees that it is not ready, a supervisor that it lives."""
    async with service(tmp_path, engine=Broken(trouble)) as client:
        answers = [await client.post(EAST, json=PUSH), await client.get("/readyz")]
        health = await client.get("/healthz")

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert "Traceback" not in answers[0].text
    assert "a bug" not in answers[0].text
    assert health.status_code == 200


async def test_a_slow_body_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """408: a sender that trickles for ever holds no request for ever."""
    monkeypatch.setattr("fanin.aggregator.http.body.BODY_S", 0.01)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.get_running_loop().create_future()

    async with service(tmp_path) as client:
        answer = await client.post(EAST, content=trickle())

    assert (answer.status_code, answer.json()["error"]) == (408, "body-timeout")


@pytest.mark.parametrize("host", ['a"b', "x\\y", "[::1]:8080", "host:1"])
async def test_an_odd_host_header_cannot_break_the_answer(tmp_path: Path, host: str) -> None:
    """It is echoed into JSON, and stays a string in it."""
    async with service(tmp_path) as client:
        answer = await client.post(EAST, json=PUSH, headers={"host": host})

    assert answer.json()["statusQueryGetUri"] == f"http://{host}{STATUS}5b7c"


async def test_the_application_can_be_started_again(tmp_path: Path) -> None:
    """One application, two lifespans: the second finds what the first stored."""
    settings = Settings.from_environment({"FANIN_REGIONS": "eastus,westus", "DATA_DIR": str(tmp_path)})
    app = create_app(settings, clock=Hand(), engine=SqliteEngine)
    seen = []
    for _ in range(2):
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
        ):
            seen.append((await client.post(EAST, json=PUSH)).headers["fanin-arrival"])

    assert seen == ["counted", "duplicate"]
