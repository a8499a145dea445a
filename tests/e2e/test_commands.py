"""The commands around a running service: what it waits for, its copy, and whether it would start."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.engines.sqlite.file import FILE
from tests.e2e.serving import LIMIT_S, Service, environment
from tests.paths import ROOT

KEY = "hunter2hunter2"
SETTINGS = {"FANIN_REGIONS": "eastus,westus", "FANIN_TIMEOUT": "1h"}


def fanin(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "fanin.harness", *arguments],
        env=environment(**settings), capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def push(service: Service, region: str, id_: str) -> tuple[int, str]:
    """One webhook, with the key."""
    body = {"id": id_, "action": "push", "target": {"repository": "team/app", "tag": id_}}
    target = f"/api/ImagePush?region={region}&code={KEY}"
    status, headers, _ = asyncio.run(service.request("POST", target, json.dumps(body).encode()))
    return status, headers.get("fanin-arrival", "")


# --- instances ---


def test_instances_are_a_table_or_objects(tmp_path: Path) -> None:
    """What each waits for, and until when; the key comes from the environment; page by page."""
    service = Service.start(tmp_path, **SETTINGS, FANIN_KEYS=KEY)
    for n in range(3):
        push(service, "eastus", f"op-{n}")
    push(service, "westus", "op-1")
    url = f"http://127.0.0.1:{service.port}"
    table = fanin("instances", "--state", "waiting", "--url", url, FANIN_KEY=KEY)
    first = fanin("instances", "--limit", "1", FANIN_URL=url, FANIN_KEYS=f"{KEY},other")
    rows = fanin("instances", "--format", "json", "--all", FANIN_URL=url, FANIN_KEY=KEY)
    service.end(signal.SIGTERM)

    heading, *lines = table.stdout.splitlines()
    assert heading.split() == ["OPERATION", "IMAGE", "STATE", "UNTIL", "MISSING"]
    assert [(*line.split()[:3], line.split()[-1]) for line in lines] == [
        ("op-0", "team/app:op-0", "waiting", "westus"),
        ("op-2", "team/app:op-2", "waiting", "westus"),
    ]
    assert "(in 59m)" in lines[0]
    assert len(first.stdout.splitlines()) == 2
    assert first.stderr == "these are the first 1; --all lists the rest\n"
    told: list[dict[str, Any]] = [json.loads(row) for row in rows.stdout.splitlines()]
    assert [(it["id"], it["state"]) for it in told] == [
        ("op-0", "waiting"), ("op-1", "completed"), ("op-2", "waiting"),
    ]  # fmt: skip


def test_a_service_that_asks_for_a_header_is_shown_it(tmp_path: Path) -> None:
    """Where there are no keys, the header opens the list as well."""
    lock = {"FANIN_HEADER_SECRET": "X-From: acr"}
    service = Service.start(tmp_path, **SETTINGS, **lock)
    listed = fanin("instances", FANIN_URL=f"http://127.0.0.1:{service.port}", **lock)
    service.end(signal.SIGTERM)

    assert (listed.returncode, listed.stdout) == (0, "no operations\n")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"FANIN_KEY": "wrong"}, "requires a key, or another one: set FANIN_KEY"),
        ({}, "requires a key, or another one: set FANIN_KEY"),
        ({"FANIN_KEYS_FILE": "/no/such"}, "no key to send: cannot read /no/such"),
        ({"FANIN_URL": "http://127.0.0.1:1"}, "name the service with --url or FANIN_URL"),
    ],
)
def test_a_list_that_cannot_be_had_is_one_clear_message(
    tmp_path: Path, settings: dict[str, str], complaint: str
) -> None:
    """Exit 1, one line, no traceback, no key."""
    service = Service.start(tmp_path, **SETTINGS, FANIN_KEYS=KEY)
    ended = fanin("instances", **({"FANIN_URL": f"http://127.0.0.1:{service.port}"} | settings))
    service.end(signal.SIGTERM)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "wrong" not in ended.stderr


# --- copies ---


def test_a_copy_under_load_holds_what_was_acknowledged_before_and_is_whole(tmp_path: Path) -> None:
    """Webhooks go on meanwhile, none is refused; put back, the copy starts and knows every operation."""
    data, target, other = tmp_path / "data", tmp_path / "copy.db", tmp_path / "other"

    async def story() -> tuple[list[str], list[str], int, Any]:
        before: list[str] = []
        statuses: list[int] = []
        service = Service.start(data, **SETTINGS)
        stop = asyncio.Event()

        async def load(sender: int) -> None:
            n = 0
            while not stop.is_set():
                id_ = f"op-{sender}-{n}"
                status, _ = await service.push("eastus", id_)
                statuses.append(status)
                acknowledged.append(id_)
                n += 1

        acknowledged: list[str] = []
        senders = [asyncio.create_task(load(sender)) for sender in range(8)]
        async with asyncio.timeout(LIMIT_S):
            while len(acknowledged) < 300:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0)
        before += acknowledged
        made = await asyncio.to_thread(fanin, "backup", str(target), "--data-dir", str(data))
        during = len(acknowledged) - len(before)
        stop.set()
        await asyncio.gather(*senders)
        service.end(signal.SIGTERM)
        assert set(statuses) == {202}
        return before, acknowledged, during, made

    before, acknowledged, during, made = asyncio.run(story())
    placed = fanin("restore", str(target), FANIN_DATA_DIR=str(other))
    service = Service.start(other, **SETTINGS)
    service.end(signal.SIGTERM)
    with sqlite3.connect(other / FILE) as db:
        known = {id_ for (id_,) in db.execute("SELECT id FROM operation")}
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()

    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"{target} holds ")
    assert placed.stdout.startswith(f"{other / FILE} holds ")
    assert during > 0
    assert set(before) <= known <= set(acknowledged)


# --- would it start? ---


def test_a_check_says_what_a_start_would_find(tmp_path: Path) -> None:
    """Beside a running service too; nothing is made or changed."""
    fresh = fanin("serve", "--check", "--data-dir", str(tmp_path / "fresh"), **SETTINGS)
    service = Service.start(tmp_path / "data", **SETTINGS)
    beside = fanin("serve", "--check", "--data-dir", str(tmp_path / "data"), **SETTINGS, FANIN_KEYS=KEY)
    service.end(signal.SIGTERM)

    assert fresh.returncode == beside.returncode == 0
    assert fresh.stdout.splitlines() == [
        "waits up to 1h for eastus, westus",
        "webhooks need no credentials",
        "notifies 0 targets",
        f"{tmp_path / 'fresh' / FILE} does not exist yet and would be created",
    ]
    assert "webhooks need the function key\n" in beside.stdout
    assert f"{tmp_path / 'data' / FILE} is intact and holds 0 operations" in beside.stdout
    assert [it.name for it in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--timeout", "80"], 2, "--timeout: '80' has no unit"),
        (["--host", "0.0.0.0"], 2, "FANIN_KEYS: not set"),  # noqa: S104 - refused
        (["--data-dir", "broken"], 1, "file is not a database"),
    ],
)
def test_a_check_that_fails_is_what_the_start_would_say(
    tmp_path: Path, arguments: list[str], code: int, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its exit code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / FILE).write_bytes(b"not a database, but long enough to be looked at" * 100)

    ended = fanin("serve", "--check", *arguments, **SETTINGS, PYTHONPATH=str(ROOT))

    assert ended.returncode == code
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr
