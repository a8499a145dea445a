"""The bodies of responses: the status of one operation, and the list of all."""

from pathlib import Path

import pytest

from tests.aggregator.services import EAST, PUSH, STATUS, WEST, Hand, service

pytestmark = pytest.mark.anyio


async def test_the_status_is_that_of_durable_functions(tmp_path: Path) -> None:
    """Its fields, in its order; 202 while it runs."""
    async with service(tmp_path) as client:
        await client.post(EAST, json=PUSH)
        answer = await client.get(STATUS + "5b7c")

    assert answer.status_code == 202
    assert answer.headers["location"] == f"http://fanin.example{STATUS}5b7c"
    assert answer.headers["retry-after"] == "5"
    fields = "name instanceId runtimeStatus input customStatus output createdTime lastUpdatedTime"
    assert list(answer.json()) == fields.split()
    assert answer.json() | {"input": None} == {
        "name": "WaitForAllRegions",
        "instanceId": "5b7c",
        "runtimeStatus": "Running",
        "input": None,
        "customStatus": {
            "arrived": ["eastus"],
            "missing": ["westus"],
            "late": [],
            "deadline": "2026-03-01T00:02:00.000Z",
        },
        "output": None,
        "createdTime": "2026-03-01T00:00:00Z",
        "lastUpdatedTime": "2026-03-01T00:00:00Z",
    }


async def test_a_finished_operation_shows_its_output(tmp_path: Path) -> None:
    """200, and a timeout is Completed as well: the orchestration has run to its end."""
    clock = Hand()
    async with service(tmp_path, clock=clock) as client:
        await client.post(EAST, json=PUSH)
        clock.ms += 180_000
        await client.post(WEST, json=PUSH)
        answer = await client.get(STATUS + "5b7c?showInput=false")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["runtimeStatus"], body["input"]) == ("Completed", None)
    assert body["output"]["outcome"] == "timed_out"
    assert body["output"]["missing"] == ["westus"]
    assert body["customStatus"]["late"] == ["westus"]
    assert body["lastUpdatedTime"] == "2026-03-01T00:03:00Z"


@pytest.mark.parametrize("id_", ["with/slash", "with space", "ünïcode", "100%", "a?b#c", "x" * 256])
async def test_any_id_can_be_asked_for_at_its_own_address(tmp_path: Path, id_: str) -> None:
    """Whatever the registry numbers its events with."""
    async with service(tmp_path) as client:
        accepted = await client.post(EAST, json=PUSH | {"id": id_})
        answer = await client.get(accepted.headers["location"])

    assert (answer.status_code, answer.json()["instanceId"]) == (202, id_)


async def test_instances_say_what_they_wait_for_and_until_when(tmp_path: Path) -> None:
    """By state, page by page."""
    async with service(tmp_path) as client:
        for n in range(3):
            await client.post(EAST, json=PUSH | {"id": f"op-{n}"})
        await client.post(WEST, json=PUSH | {"id": "op-1"})
        waiting = (await client.get("/instances?state=waiting&limit=1")).json()
        rest = (await client.get("/instances", params={"state": "waiting", "after": waiting["next"]})).json()
        done = (await client.get("/instances?state=completed")).json()

    (first,) = waiting["instances"]
    assert first | {"arrived": None} == {
        "id": "op-0",
        "state": "waiting",
        "missing": ["westus"],
        "arrived": None,
        "late": {},
        "duplicates": 0,
        "started": "2026-03-01T00:00:00.000Z",
        "deadline": "2026-03-01T00:02:00.000Z",
        "decided": None,
        "action": "push",
        "repository": "team/app",
        "tag": "1.0",
        "digest": "sha256:11",
    }
    assert [it["id"] for it in rest["instances"]] == ["op-2"]
    assert [it["id"] for it in done["instances"]] == ["op-1"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("state=running", "state='running' is none of waiting, completed, timed_out"),
        ("limit=0", "limit='0' is not a number from 1 to 1000"),
        ("limit=1001", "not a number from 1 to 1000"),
        ("limit=many", "not a number"),
        ("limit=" + "9" * 5_000, "not a number"),
        ("after=yesterday", "is not what a page gave as its next"),
        ("after=" + "9" * 50 + ".1", "is not what a page gave as its next"),
    ],
)
async def test_a_list_that_cannot_be_made_is_refused(tmp_path: Path, query: str, why: str) -> None:
    """400 with what would be accepted."""
    async with service(tmp_path) as client:
        answer = await client.get("/instances?" + query)

    assert answer.status_code == 400
    assert why in answer.json()["message"]
