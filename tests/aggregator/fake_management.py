"""Azure's management API and its ways to a token, as far as regions are concerned."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

REGISTRY_ID = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/demo"
    "/providers/Microsoft.ContainerRegistry/registries/demo"
)
TOKEN = "t0ken-of-a-management-api"  # noqa: S105 - a fake


def replication(location: str, state: str = "Succeeded") -> dict[str, Any]:
    """One entry of the list, as recorded from the real one."""
    return {
        "type": "Microsoft.ContainerRegistry/registries/replications",
        "id": f"{REGISTRY_ID}/replications/{location}",
        "name": location,
        "location": location,
        "properties": {"provisioningState": state, "status": {"displayStatus": "Ready"}},
    }


class Management:
    """What it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.home = "East US"
        self.replications = [replication("westeurope"), replication("eastus")]
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.page = 100
        self.elsewhere = ""  # where the next page is, instead of here
        self.url = ""
        self.asked: list[web.Request] = []
        self.forms: list[dict[str, Any]] = []

    async def registry(self, request: web.Request) -> web.Response:
        return self._answer(request, {"id": REGISTRY_ID, "location": self.home, "properties": {}})

    async def list(self, request: web.Request) -> web.Response:
        begin = int(request.query.get("skip", "0"))
        body: dict[str, Any] = {"value": self.replications[begin : begin + self.page]}
        if begin + self.page < len(self.replications):
            query = f"api-version={request.query['api-version']}&skip={begin + self.page}"
            body["nextLink"] = f"{self.elsewhere or self.url}{request.path}?{query}"
        return self._answer(request, body)

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.forms.append(dict(await request.post()))
        return web.json_response({"access_token": TOKEN, "expires_in": "3599", "token_type": "Bearer"})

    def _answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self.asked.append(request)
        if self.refusal:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"code": "InvalidAuthenticationToken"}}, status=401)
        if "api-version" not in request.query:
            return web.json_response({"error": {"code": "MissingApiVersionParameter"}}, status=400)
        return web.json_response(body)


@asynccontextmanager
async def management() -> AsyncIterator[Management]:
    """One that listens."""
    fake = Management()
    app = web.Application()
    app.router.add_get(REGISTRY_ID, fake.registry)
    app.router.add_get(f"{REGISTRY_ID}/replications", fake.list)
    app.router.add_route("*", "/token", fake.token)
    app.router.add_post("/tenant/oauth2/v2.0/token", fake.token)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        fake.url = f"http://{host}:{port}"
        yield fake
    finally:
        await runner.cleanup()
