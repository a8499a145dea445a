"""The application under another server, as far as no server is needed (the rest: e2e/test_one_process.py)."""

import asyncio
from pathlib import Path

import pytest

from fanin.aggregator import asgi
from fanin.aggregator.http.exchange import Message


def test_a_request_that_another_http_has_read_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers that do not say at the start what reads their requests are caught at the first one."""
    monkeypatch.setenv("FANIN_REGIONS", "eastus,westus")
    monkeypatch.setenv("FANIN_KEYS", "hunter2hunter2")
    monkeypatch.setenv("FANIN_DATA_DIR", str(tmp_path))
    app = asgi.create()

    async def never(*_: object) -> Message:
        raise AssertionError

    with pytest.raises(RuntimeError, match="reads HTTP in its own way"):
        asyncio.run(app({"type": "http", "path": "/healthz"}, never, never))  # type: ignore[arg-type]
