"""Several targets and their dead letters, as an operator meets them: a file, a process, a command."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.serving import LIMIT_S, Service, Sink, environment

TARGETS = """
targets:
  - {name: deploy, url_env: DEPLOY_URL}
  - {name: oncall, url_env: ONCALL_URL, format: slack, on: [completed, timed_out]}
"""
KEY = "hunter2hunter2"


async def fanin(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run ``fanin outbox …``; return status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fanin.harness", "outbox", *arguments),
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def listed_until(word: str, url: str) -> tuple[int, str, str]:
    """What ``fanin outbox list`` says, once it says that word. Starting it takes longer than any pause."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            said = await fanin("list", "--url", url, FANIN_KEY=KEY)
            if word in said[1]:
                return said


def test_a_dead_letter_is_seen_and_sent_again(tmp_path: Path) -> None:
    """One target accepts, the other's channel is archived (410); it is opened again, and so is the letter."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    archived = [True]

    async def story() -> None:
        async with Sink() as deploy, Sink(lambda _: 410 if archived[0] else 200) as oncall:
            service = Service.start(
                tmp_path / "data",
                FANIN_REGIONS="eastus",
                FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml"),
                DEPLOY_URL=deploy.url,
                ONCALL_URL=oncall.url,
                FANIN_KEYS=KEY,
            )
            url = f"http://127.0.0.1:{service.port}"
            body = json.dumps({"id": "op-1", "action": "push", "target": {"repository": "team/app"}})
            await service.request("POST", f"/webhooks/eastus?code={KEY}", body.encode())
            await deploy.until(lambda: bool(deploy.received))
            await oncall.until(lambda: bool(oncall.received))
            listed = await listed_until("dead", url)
            objects = await fanin("list", "--format", "json", FANIN_URL=url, FANIN_KEYS=f"{KEY},other")
            refused = await fanin("list", "--url", url)
            archived[0] = False
            retried = await fanin("retry", "--target", "oncall", "--url", url, FANIN_KEY=KEY)
            await oncall.until(lambda: len(oncall.received) == 2)
            emptied = await listed_until("no notifications", url)
            again = await fanin("retry", "--all", "--url", url, FANIN_KEY=KEY)
            code, log = service.end(signal.SIGTERM)

        heading, row = listed[1].splitlines()
        assert heading.split() == ["STATE", "TARGET", "OPERATION", "OUTCOME", "ATTEMPTS", "NEXT", "ERROR"]
        assert row.split()[:5] == ["dead", "oncall", "op-1", "completed", "1"]
        assert row.endswith("answered 410")
        assert json.loads(objects[1])["target"] == "oncall"
        assert refused == (1, "", f"Error: {url} requires a key, or another one: set FANIN_KEY\n")
        assert retried == (0, "1 sent again\n", "")
        assert emptied[1] == "no notifications\n"
        assert again[1] == "no such dead letters\n"
        assert {key for key, _ in oncall.received} == {deploy.received[0][0]}
        assert len(deploy.received) == 1
        assert code == 0
        assert "error notification-dead-lettered operation=op-1 target=oncall attempt=1" in log
        assert "hook" not in log
        assert KEY not in log

    asyncio.run(story())


def test_a_command_without_a_service_says_what_to_do() -> None:
    """One line, no traceback, and a status that a script can see."""

    async def story() -> None:
        silent = await fanin("list", "--url", "http://127.0.0.1:9")
        nonsense = await fanin("list", "--url", "nonsense")
        unclear = await fanin("retry")

        assert (silent[0], nonsense[0]) == (1, 2)
        assert "name the service with --url or FANIN_URL" in silent[2]
        assert "'nonsense' is not a URL like http://127.0.0.1:8080" in nonsense[2]
        assert unclear[0] == 2
        assert "choose dead letters: --all" in unclear[2]
        assert "Traceback" not in silent[2] + nonsense[2] + unclear[2]

    asyncio.run(story())
