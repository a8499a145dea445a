"""The page for people on every engine, as a process serves it."""

import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from fanin.aggregator.engine_registry import ENGINES
from tests.e2e.serving import LIMIT_S, Service, stop_backend
from tests.heavy import needs_engine

KEY = "0123456789abcdef"
BROWSER = {"accept": "text/html,*/*;q=0.8", "x-functions-key": KEY}


@pytest.mark.parametrize("engine", [pytest.param(it, marks=needs_engine(it)) for it in sorted(ENGINES)])
def test_every_engine_shows_what_waits_and_what_came_out(tmp_path: Path, engine: str) -> None:
    """And a notification that was given up."""
    targets = tmp_path / "targets.yaml"
    targets.write_text("targets:\n  - {name: oncall, url: 'http://127.0.0.1:9/', attempts_max: 1}\n")
    backend = ["--local-backend"] if ENGINES[engine].dev_backend else []
    service = Service.start(
        tmp_path / "data", "--engine", engine, *backend, "--notify-file", str(targets),
        FANIN_REGIONS="eastus,westus", FANIN_KEYS=KEY,
    )  # fmt: skip
    address = f"http://127.0.0.1:{service.port}"
    body = {"action": "push", "target": {"repository": "team/app", "tag": "1.0"}}
    try:
        with httpx.Client(base_url=address, headers=BROWSER) as client:
            for id_, region in (("done", "eastus"), ("done", "westus"), ("open", "eastus")):
                assert client.post(f"/webhooks/{region}", json=body | {"id": id_}).status_code == 202
            end_s = time.monotonic() + LIMIT_S
            while "Send again" not in (page := client.get("/")).text:
                assert time.monotonic() < end_s, page.text
                time.sleep(0.1)
            probe = httpx.get(address)
    finally:
        _, log = service.end(signal.SIGTERM)
        stop_backend(engine, tmp_path / "data")

    waiting, latest = page.text.partition('id="latest"')[::2]
    assert re.findall(r'class="id">(\w+)<', waiting) == ["open"]
    assert "completed" in latest
    assert re.findall(r'data-target="(\w+)" data-operation="(\w+)"', page.text) == [("oncall", "done")]
    assert (probe.status_code, probe.json()["service"]) == (200, "fanin")
    assert KEY not in log
