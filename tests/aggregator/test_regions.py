"""The regions of a registry: known before a webhook is accepted, refreshed, and cached over restarts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from fanin.aggregator import azure, regions
from fanin.aggregator.errors import RegionsUnknownError, SettingsError
from fanin.aggregator.regions import CACHE_FILE, RegistryRegions, parse_registry
from fanin.aggregator.settings import Settings
from tests.aggregator.fake_management import REGISTRY_ID, TOKEN, URL, management, replication
from tests.aggregator.notify.receivers import ForwardProxy, listening
from tests.aggregator.services import PUSH, STATUS, service

pytestmark = pytest.mark.anyio

LIMIT_S = 30


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the environment."""
    monkeypatch.setenv(azure.TOKEN_NAME, TOKEN)


def registry_regions(folder: Path, *, refresh_ms: int = 3_600_000) -> RegistryRegions:
    return RegistryRegions(
        parse_registry("azure:" + REGISTRY_ID),
        cache=folder / CACHE_FILE,
        management_url=URL,
        refresh_ms=refresh_ms,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


# --- what is asked, and what is made of it ---


async def test_a_proxy_that_cannot_be_used_stops_no_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is warned of at the start; the HTTP library would raise."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    with management():
        assert "eastus" in await registry_regions(tmp_path).query()
    environment = {"FANIN_REGIONS": "azure:" + REGISTRY_ID, "HTTPS_PROXY": "socks5://proxy.example:1080"}

    assert len(Settings.from_environment(environment).unused_proxies) == 1


async def test_the_registry_is_asked_by_way_of_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As notifications are sent, with its name and password."""
    proxy = ForwardProxy(user="me:another")
    async with listening(proxy.serve) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{port}")
        with pytest.raises(RegionsUnknownError, match="407") as failure:
            await registry_regions(tmp_path).query()

    assert [request.split(" ")[:2] for request in proxy.requests] == [["CONNECT", "management.example:443"]]
    assert "hunter2" not in str(failure.value)


async def test_the_regions_are_those_of_registry_and_replications(tmp_path: Path) -> None:
    """Its own one too, which the list may or may not name; in any spelling; page by page."""
    with management() as fake:
        fake.replications += [replication("North Europe", "Updating"), replication("uksouth")]
        fake.page = 1
        known = await registry_regions(tmp_path).query()

    assert known == ("eastus", "northeurope", "uksouth", "westeurope")
    assert {request.url.params["api-version"] for request in fake.requests} == {regions.API_VERSION}


@pytest.mark.parametrize("state", ["Creating", "Deleting", "Failed", "Canceled"])
async def test_a_replica_that_is_coming_or_going_is_not_waited_for(tmp_path: Path, state: str) -> None:
    """It may never report."""
    with management() as fake:
        fake.replications = [replication("westeurope", state)]
        assert await registry_regions(tmp_path).query() == ("eastus",)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (403, {"error": {"code": "AuthorizationFailed", "message": "x@y"}}, "403 AuthorizationFailed; "),
        (404, {"error": {"code": "ResourceNotFound"}}, "404 ResourceNotFound; give this process an identity"),
        (500, {}, "responded 500; "),
        (302, {}, "responded 302; "),
        (200, {"value": 1}, "not the response of a management API"),
        (200, {"location": ""}, "not the response of a management API"),
    ],
)  # fmt: skip
async def test_a_failed_query_at_the_first_start_is_a_clear_error(
    tmp_path: Path, status: int, body: dict[str, object], why: str
) -> None:
    """It names the registry, the reason, and what would help, and no person that the response names."""
    with management() as fake:
        fake.refusal = (status, body)
        with pytest.raises(RegionsUnknownError) as refusal:
            await registry_regions(tmp_path).start()

    assert str(refusal.value).startswith(f"the regions of registry 'demo' are not known: {URL}: ")
    assert why in str(refusal.value)
    assert "x@y" not in str(refusal.value)
    assert TOKEN not in str(refusal.value)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), r"\[Errno 111\] Connection refused; "),
        (httpx.ReadTimeout(""), "no response within 20 s"),
        (httpx.RemoteProtocolError(""), "RemoteProtocolError"),
    ],
)
async def test_an_api_that_does_not_respond_is_a_clear_error(
    tmp_path: Path, trouble: Exception, why: str
) -> None:
    """The message has the reason."""
    with respx.mock as router:
        router.get(f"{URL}{REGISTRY_ID}").mock(side_effect=trouble)
        with pytest.raises(RegionsUnknownError, match=why):
            await registry_regions(tmp_path).start()


async def test_a_next_page_on_another_server_does_not_get_the_token(tmp_path: Path) -> None:
    """Only the configured one is trusted with it."""
    with management() as fake:
        fake.page, fake.next_page_url = 1, "https://stranger.example"
        with pytest.raises(RegionsUnknownError, match="its next page is on another server"):
            await registry_regions(tmp_path).query()

    assert {request.url.host for request in fake.requests} == {"management.example"}


# --- over time ---


async def test_regions_are_refreshed_and_a_failure_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A new replica is expected from then on; while queries fail, the last regions stay."""
    with management() as fake:
        known = registry_regions(tmp_path, refresh_ms=1)
        await known.start()
        try:
            before = tuple(known)
            fake.replications.append(replication("uksouth"))
            await until(lambda: "uksouth" in known)
            fake.refusal = (503, {})
            await until(lambda: "regions-refresh-failed" in caplog.text)
            during = tuple(known)
            fake.refusal, fake.replications = None, []
            await until(lambda: len(known) == 1)
        finally:
            await known.close()

    assert (before, during, tuple(known)) == (
        ("eastus", "westeurope"),
        ("eastus", "uksouth", "westeurope"),
        ("eastus",),
    )
    assert set(known.refreshes) == {"ok", "failed"}
    assert "regions-changed regions=eastus before=eastus,uksouth,westeurope" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_restart_uses_the_cache_while_queries_fail(tmp_path: Path) -> None:
    """The management API's bad day is not ours; but another registry's regions are not taken."""
    with management() as fake:
        first = registry_regions(tmp_path)
        await first.start()
        await first.close()
        fake.refusal = (503, {})
        second = registry_regions(tmp_path)
        await second.start()
        await second.close()
        other = RegistryRegions(
            parse_registry(f"azure:{REGISTRY_ID}other"),
            cache=tmp_path / CACHE_FILE,
            management_url=URL,
            refresh_ms=1,
        )
        with pytest.raises(RegionsUnknownError):
            await other.start()

    assert tuple(second) == ("eastus", "westeurope")


async def test_operations_keep_the_regions_with_which_they_started(tmp_path: Path) -> None:
    """A replica that is added applies to new operations only; an unknown region is refused."""
    with management() as fake:
        settings: dict[str, Any] = {
            "FANIN_REGIONS": "azure:" + REGISTRY_ID,
            "FANIN_AZURE_MANAGEMENT_URL": URL,
            "FANIN_REGIONS_REFRESH": "1ms",
        }
        async with service(tmp_path, **settings) as client:

            async def push(region: str, id_: str) -> int:
                return (await client.post(f"/webhooks/{region}", json=PUSH | {"id": id_})).status_code

            early = [await push("eastus", "old"), await push("uksouth", "old")]
            fake.replications.append(replication("uksouth"))
            async with asyncio.timeout(LIMIT_S):
                while await push("uksouth", "new") != 202:
                    pass
            late = await push("uksouth", "old")
            missing = [
                (await client.get(STATUS + id_)).json()["customStatus"]["missing"] for id_ in ("old", "new")
            ]

    assert (early, late) == ([202, 422], 422)
    assert missing == [["westeurope"], ["eastus", "westeurope"]]


# --- settings ---


@pytest.mark.parametrize(
    "text", ["azure:", "azure:demo", "azure:/subscriptions/x/registries/demo", "azure:a,b"]
)
def test_what_is_no_resource_id_is_refused(text: str) -> None:
    """With the command that prints one."""
    with pytest.raises(SettingsError, match="az acr show --name NAME --query id"):
        Settings.from_environment({"FANIN_REGIONS": text})
