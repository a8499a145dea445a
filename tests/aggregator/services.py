"""A running service for tests, on a clock that is moved by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from fanin.aggregator.clock import Clock
from fanin.aggregator.http.app import create_app
from fanin.aggregator.settings import Settings

PUSH: dict[str, Any] = {
    "id": "5b7c",
    "action": "push",
    "target": {"repository": "team/app", "tag": "1.0", "digest": "sha256:11"},
    "request": {"host": "demo.azurecr.io"},
}
EAST = "/api/ImagePush?region=eastus"
WEST = "/api/ImagePush?region=westus"
STATUS = "/runtime/webhooks/durabletask/instances/"


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ms = 1_772_323_200_000

    def now_ms(self) -> int:
        return self.ms


@asynccontextmanager
async def service(
    folder: Path, *, clock: Clock | None = None, engine: Any = None, **environment: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A running service and a client of it."""
    settings = Settings.from_environment(
        {"FANIN_REGIONS": "eastus,westus", "FANIN_DATA_DIR": str(folder)} | environment
    )
    app = create_app(settings, clock=clock or Hand(), engine=engine)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fanin.example") as client,
    ):
        yield client
