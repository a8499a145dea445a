"""Tokens for Azure's management API: from the environment, or from azure-identity."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from fanin.aggregator.azure import TOKEN_NAME, NoTokenError, token
from fanin.aggregator.errors import SettingsError

pytestmark = pytest.mark.anyio

URL = "https://management.example"


@pytest.fixture(autouse=True)
def _no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    # Neither the network's metadata service nor a developer's command line gives a test its token.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")


@asynccontextmanager
async def identity_endpoint(*, status: int = 200) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """The managed identity's endpoint of App Service and Container Apps; its URL, and its requests."""
    requests: list[web.Request] = []

    async def respond(request: web.Request) -> web.Response:
        requests.append(request)
        body = {
            "access_token": "from-the-endpoint",
            "expires_on": "4102444800",
            "resource": request.query["resource"],
            "token_type": "Bearer",
        }
        return web.json_response(body if status == 200 else {"statusCode": status}, status=status)

    app = web.Application()
    app.router.add_get("/token", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/token", requests
    finally:
        await runner.cleanup()


async def test_the_environment_has_a_token() -> None:
    """It needs no package, and wins."""
    assert await token(URL, {TOKEN_NAME: " t0ken \n"}) == "t0ken"


async def test_a_managed_identity_gives_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is for the management API that is configured, which another cloud has elsewhere."""
    async with identity_endpoint() as (url, requests):
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "h")
        monkeypatch.setenv("AZURE_CLIENT_ID", "c")
        given = await token(URL)

    (request,) = requests
    assert given == "from-the-endpoint"
    assert (request.query["resource"], request.query["client_id"]) == (URL, "c")
    assert request.headers["x-identity-header"] == "h"


async def test_a_refused_token_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what became of each credential that was tried."""
    async with identity_endpoint(status=400) as (url, _):
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "h")
        with pytest.raises(NoTokenError) as refusal:
            await token(URL)

    assert " ManagedIdentityCredential: " in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the way to do without it."""
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(SettingsError) as refusal:
        await token(URL)

    assert str(refusal.value) == (
        "FANIN_REGIONS: azure: needs the package azure-identity: in a checkout, "
        "pip install -c constraints.txt -e '.[azure]'; "
        "or set FANIN_AZURE_TOKEN"
    )
