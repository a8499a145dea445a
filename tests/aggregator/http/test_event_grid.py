"""POST /api/EventGrid: one answer for all events of a request, each of which counts by itself."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.errors import StoreBusyError
from fanin.aggregator.event_grid import VALIDATION
from fanin.aggregator.wire import Arrival
from tests.aggregator.services import PUSH, STATUS, service

pytestmark = pytest.mark.anyio

GRID = "/api/EventGrid"
ORIGIN = {"webhook-request-origin": "eventgrid.azure.net", "webhook-request-rate": "120"}
HEADER = "X-Hook: s3cret"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _event(region: str | None, id_: str = "5b7c", **changes: Any) -> dict[str, Any]:
    data = PUSH | {"id": id_} | ({"location": region} if region else {})
    return {
        "id": f"e-{region}",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "data": data | changes,
    }


def _cloud(region: str, id_: str = "5b7c") -> dict[str, Any]:
    event = _event(region, id_)
    return {"id": event["id"], "source": "/x", "specversion": "1.0", "type": event["eventType"]} | {
        "data": event["data"]
    }


async def _arrived(client: httpx.AsyncClient, id_: str = "5b7c") -> list[str]:
    known = await client.get(STATUS + id_)
    return known.json()["customStatus"]["arrived"] if known.status_code in (200, 202) else []


async def test_events_of_all_regions_complete_an_operation(tmp_path: Path) -> None:
    """One address for all of them: the region is in the data, however Azure spells it."""
    async with service(tmp_path) as client:
        answers = [await client.post(GRID, json=[_event(region)]) for region in ("East US", "westus")]
        known = await client.get(STATUS + "5b7c")

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == {"accepted": 1, "ignored": 0}
    assert known.json()["runtimeStatus"] == "Completed"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (_cloud("eastus"), "application/cloudevents+json; charset=utf-8"),
        ([_cloud("eastus"), _cloud("westus", "other")], "application/cloudevents-batch+json"),
    ],
)
async def test_cloudevents_are_read_too(tmp_path: Path, body: Any, content_type: str) -> None:
    """Structured and batched."""
    async with service(tmp_path) as client:
        answer = await client.post(GRID, json=body, headers={"content-type": content_type})

        assert answer.status_code == 202
        assert await _arrived(client) == ["eastus"]


async def test_a_cloudevent_may_have_its_attributes_in_headers(tmp_path: Path) -> None:
    """Binary mode: the body is the data."""
    event = _cloud("eastus")
    headers = {"ce-specversion": "1.0", "ce-type": event["type"], "ce-id": "e1", "ce-source": "/x"}
    async with service(tmp_path) as client:
        answer = await client.post(GRID, json=event["data"], headers=headers)

        assert answer.status_code == 202
        assert await _arrived(client) == ["eastus"]


async def test_the_url_names_the_region_where_the_data_do_not(tmp_path: Path) -> None:
    """The data win: one address serves all regions."""
    async with service(tmp_path) as client:
        await client.post(f"{GRID}?Region=eastus", json=[_event(None), _event("westus", "other")])

        assert await _arrived(client) == ["eastus"]
        assert await _arrived(client, "other") == ["westus"]


async def test_one_bad_event_does_not_lose_the_good_ones(tmp_path: Path) -> None:
    """400 would: Event Grid does not repeat it. The bad ones are listed, and start nothing."""
    bad = [_event("eastus", id_=""), _event("mars", "lost"), {"eventType": "Microsoft.Storage.BlobCreated"}]
    async with service(tmp_path) as client:
        answer = await client.post(GRID, json=[_event("eastus"), *bad, _event("westus")])
        known = await client.get(STATUS + "5b7c")
        lost = await client.get(STATUS + "lost")
        metrics = await client.get("/metrics")

    assert answer.status_code == 202
    assert (answer.json()["accepted"], len(answer.json()["refused"])) == (2, 3)
    assert [it["event"] for it in answer.json()["refused"]] == [1, 2, 3]
    assert known.json()["runtimeStatus"] == "Completed"
    assert lost.status_code == 404
    assert 'fanin_requests_total{status="202"} 1.0' in metrics.text


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([_event("mars")], "unknown-region"),
        ([_event(None)], "unknown-region"),
        ([_event("eastus", id_=""), _event("mars")], "malformed"),
        ([], "malformed"),
        (PUSH, "malformed"),
        ("text", "malformed"),
    ],
)
async def test_a_request_without_any_good_event_is_refused(tmp_path: Path, body: Any, error: str) -> None:
    """400 in any case: Event Grid repeats every other status of the 4xx for a day."""
    async with service(tmp_path) as client:
        answer = await client.post(GRID, json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_an_operation_that_does_not_wait_for_the_region_is_a_400(tmp_path: Path) -> None:
    """A webhook gets 422, which Event Grid would repeat."""
    async with service(tmp_path, FANIN_REGIONS="eastus,westus") as client:
        await client.post(GRID, json=[_event("eastus")])
    async with service(tmp_path, FANIN_REGIONS="eastus,westus,northeurope") as client:
        answer = await client.post(GRID, json=[_event("northeurope")])

    assert (answer.status_code, answer.json()["error"]) == (400, "unexpected-region")


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/ImagePush", PUSH), ("/api/ImagePush?region=%20", PUSH), (GRID, [_event(None)])],
)
async def test_a_missing_region_is_said_of_an_operation_that_waits_as_of_a_new_one(
    tmp_path: Path, path: str, body: object, *, started: bool
) -> None:
    """On both channels."""
    async with service(tmp_path) as client:
        if started:
            await client.post("/api/ImagePush?region=eastus", json=PUSH)
        answer = await client.post(path, json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, "unknown-region")
    assert answer.json()["message"].startswith("the request names no region; expected one of eastus, ")


class _Full(SqliteEngine):
    """Refuses every second arrival."""

    count = 0

    async def deliver(self, arrival: Arrival) -> Receipt:
        self.count += 1
        if self.count % 2 == 0:
            raise StoreBusyError("too many arrivals are waiting")
        return await super().deliver(arrival)


async def test_a_batch_of_which_one_event_is_not_stored_is_to_be_sent_again(tmp_path: Path) -> None:
    """All or none is Event Grid's way; what was stored is a duplicate the next time."""
    async with service(tmp_path, engine=_Full) as client:
        answer = await client.post(GRID, json=[_event("eastus"), _event("westus"), _event("mars")])

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert await _arrived(client) == ["eastus"]


async def test_what_does_not_fan_in_is_answered_200_and_counted(tmp_path: Path) -> None:
    """An action that is not configured, and what a connected registry on premises reports."""
    edge = _event("eastus", connectedRegistry={"name": "edge1"})
    async with service(tmp_path, FANIN_ACTIONS="push") as client:
        elsewhere = _event(None, connectedRegistry={"name": "edge2"})
        answer = await client.post(GRID, json=[_event("eastus", action="delete"), edge, elsewhere])
        metrics = await client.get("/metrics")

    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "ignored": 3})
    assert 'fanin_ignored_total{reason="action"} 1.0' in metrics.text
    assert 'fanin_ignored_total{reason="connected-registry"} 2.0' in metrics.text


async def test_a_thousand_events_of_one_request_count(tmp_path: Path) -> None:
    """In portions, between which others are served."""
    async with service(tmp_path) as client:
        batch = client.post(GRID, json=[_event("eastus", f"op-{n}") for n in range(1_000)])
        answer, health = await asyncio.gather(batch, client.get("/healthz"))

        assert (answer.status_code, answer.json()["accepted"], health.status_code) == (202, 1_000, 200)
        assert await _arrived(client, "op-999") == ["eastus"]


# --- the handshakes ---


def _validation(code: str = "512d38b6") -> list[dict[str, Any]]:
    return [
        {"id": "v", "eventType": VALIDATION, "data": {"validationCode": code, "validationUrl": "https://x"}}
    ]


async def test_a_subscription_is_validated_with_its_code(tmp_path: Path) -> None:
    """As the Event Grid schema has it."""
    async with service(tmp_path) as client:
        answer = await client.post(
            GRID, json=_validation(), headers={"aeg-event-type": "SubscriptionValidation"}
        )

    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "512d38b6"})


async def test_a_subscription_of_cloudevents_is_validated_by_options(tmp_path: Path) -> None:
    """As CloudEvents' webhook specification has it: the origin that asked may send, at any rate."""
    async with service(tmp_path) as client:
        answer = await client.options(GRID, headers=ORIGIN)

    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert answer.headers["allow"] == "POST, OPTIONS"


async def test_without_an_origin_nothing_is_agreed_to(tmp_path: Path) -> None:
    """People and gateways get a sentence."""
    async with service(tmp_path) as client:
        plain = await client.options(GRID)
        odd = await client.options(GRID, headers={"webhook-request-origin": "a b<script>"})
        got = await client.get(GRID)

    for answer in (plain, odd):
        assert (answer.status_code, "webhook-allowed-origin" in answer.headers) == (200, False)
        assert "Event Grid POSTs" in answer.json()["message"]
    assert (got.status_code, got.json()["error"]) == (405, "method-not-allowed")


@pytest.mark.parametrize("url", [GRID, f"{GRID}?code=wrong"])
async def test_a_wrong_key_is_found_when_the_subscription_is_made(tmp_path: Path, url: str) -> None:
    """Neither handshake succeeds, and no event is accepted."""
    async with service(tmp_path, FANIN_KEYS="a-key-of-sixteen-letters") as client:
        answers = [
            await client.post(url, json=_validation()),
            await client.options(url, headers=ORIGIN),
            await client.post(url, json=[_event("eastus")]),
        ]
        good = await client.post(f"{GRID}?code=a-key-of-sixteen-letters", json=[_event("eastus")])

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert good.status_code == 202


async def test_other_locks_hold_for_events(tmp_path: Path) -> None:
    """The header, as a custom delivery property, and the signature, which Event Grid cannot give."""
    async with service(tmp_path / "a", FANIN_HEADER_SECRET=HEADER) as client:
        without = await client.post(GRID, json=[_event("eastus")])
        with_header = await client.post(GRID, json=[_event("eastus")], headers={"x-hook": "s3cret"})
    async with service(tmp_path / "b", FANIN_SIGNING_SECRETS=SECRET) as client:
        unsigned = await client.post(GRID, json=[_event("eastus")])

    assert [it.status_code for it in (without, with_header, unsigned)] == [401, 202, 401]


async def test_events_at_the_webhooks_address_are_pointed_to_theirs(tmp_path: Path) -> None:
    """The mistake is easily made."""
    async with service(tmp_path) as client:
        answer = await client.post("/api/ImagePush?region=eastus", json=[_event("eastus")])

    assert answer.status_code == 400
    assert answer.json()["message"].endswith("events of Azure Event Grid, which go to /api/EventGrid")


async def test_the_end_of_a_subscription_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is the last thing that is heard of it."""
    event = {"id": "d", "eventType": "Microsoft.EventGrid.SubscriptionDeletedEvent", "data": {}}
    async with service(tmp_path) as client:
        answer = await client.post(GRID, json=[event], headers={"aeg-subscription-name": "FANIN"})

    assert answer.status_code == 202
    assert "event-grid-unsubscribed" in caplog.text
