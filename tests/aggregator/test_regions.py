"""Expected regions that are asked of the registry: known before anything is taken, and never forgotten."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator import azure, regions
from fanin.aggregator.errors import RegionsUnknownError, SettingsError
from fanin.aggregator.regions import CACHE_FILE, RegistryRegions, parse_registry
from fanin.aggregator.settings import Settings
from tests.aggregator.fake_management import REGISTRY_ID, TOKEN, Management, management, replication
from tests.aggregator.services import PUSH, STATUS, service

pytestmark = pytest.mark.anyio

LIMIT_S = 30


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the environment, and nothing else that could give one."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(azure.TOKEN_NAME, TOKEN)


def asking(folder: Path, fake: Management, *, refresh_ms: int = 3_600_000) -> RegistryRegions:
    return RegistryRegions(
        parse_registry("azure:" + REGISTRY_ID),
        cache=folder / CACHE_FILE,
        management_url=fake.url,
        refresh_ms=refresh_ms,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


# --- what is asked, and what is made of it ---


async def test_the_regions_are_those_of_registry_and_replications(tmp_path: Path) -> None:
    """Its own one too, which the list may or may not name; in any spelling; page by page."""
    async with management() as fake:
        fake.replications += [replication("North Europe", "Updating"), replication("uksouth")]
        fake.page = 1
        known = await asking(tmp_path, fake).ask()

    assert known == ("eastus", "northeurope", "uksouth", "westeurope")
    assert {request.query["api-version"] for request in fake.asked} == {regions.API_VERSION}


@pytest.mark.parametrize("state", ["Creating", "Deleting", "Failed", "Canceled"])
async def test_a_replica_that_is_coming_or_going_is_not_waited_for(tmp_path: Path, state: str) -> None:
    """It may never report."""
    async with management() as fake:
        fake.replications = [replication("westeurope", state)]
        assert await asking(tmp_path, fake).ask() == ("eastus",)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (403, {"error": {"code": "AuthorizationFailed", "message": "x@y"}}, "403 AuthorizationFailed; "),
        (404, {"error": {"code": "ResourceNotFound"}}, "answered 404 ResourceNotFound; give this process an"),
        (500, {}, "answered 500; "),
        (302, {}, "answered 302; "),
        (200, {"value": 1}, "not the answer of a management API"),
        (200, {"location": ""}, "not the answer of a management API"),
    ],
)  # fmt: skip
async def test_no_useful_answer_at_the_first_start_is_a_clear_error(
    tmp_path: Path, status: int, body: dict[str, object], why: str
) -> None:
    """It names the registry and the reason, not what was said about people; and what would help."""
    async with management() as fake:
        fake.refusal = (status, body)
        with pytest.raises(RegionsUnknownError) as refusal:
            await asking(tmp_path, fake).start()

    assert str(refusal.value).startswith(f"the regions of registry 'demo' are not known: {fake.url}: ")
    assert why in str(refusal.value)
    assert "x@y" not in str(refusal.value)
    assert TOKEN not in str(refusal.value)


async def test_an_api_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """Refused, in the machine's words."""
    async with management() as fake:
        asked = asking(tmp_path, fake)
    with pytest.raises(RegionsUnknownError, match=r"Connect call failed|Connection refused"):
        await asked.start()


async def test_a_next_page_on_another_server_does_not_get_the_token(tmp_path: Path) -> None:
    """Only the configured one is trusted with it."""
    async with management() as fake, management() as stranger:
        fake.page, fake.elsewhere = 1, stranger.url
        with pytest.raises(RegionsUnknownError, match="its next page is on another server"):
            await asking(tmp_path, fake).ask()

    assert stranger.asked == []


# --- over time ---


async def test_regions_are_asked_again_and_a_failure_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A new replica is expected from then on; while nobody answers, what was known stays."""
    async with management() as fake:
        known = asking(tmp_path, fake, refresh_ms=1)
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


async def test_a_restart_remembers_while_nobody_answers(tmp_path: Path) -> None:
    """The management API's bad day is not ours; but another registry's regions are not taken."""
    async with management() as fake:
        first = asking(tmp_path, fake)
        await first.start()
        await first.close()
        fake.refusal = (503, {})
        second = asking(tmp_path, fake)
        await second.start()
        await second.close()
        other = RegistryRegions(
            parse_registry(f"azure:{REGISTRY_ID}other"),
            cache=tmp_path / CACHE_FILE,
            management_url=fake.url,
            refresh_ms=1,
        )
        with pytest.raises(RegionsUnknownError):
            await other.start()

    assert tuple(second) == ("eastus", "westeurope")


async def test_operations_keep_the_regions_with_which_they_started(tmp_path: Path) -> None:
    """A replica that is added judges new operations only; a webhook of nobody's region is refused."""
    async with management() as fake:
        settings: dict[str, Any] = {
            "FANIN_REGIONS": "azure:" + REGISTRY_ID,
            "FANIN_AZURE_MANAGEMENT_URL": fake.url,
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


# --- tokens ---


async def test_a_token_comes_from_a_managed_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """App Service and Container Apps name an address and a header; a virtual machine has a fixed address."""
    monkeypatch.delenv(azure.TOKEN_NAME)
    async with management() as fake:
        monkeypatch.setattr(azure, "MACHINE_URL", f"{fake.url}/token?api-version=2018-02-01")
        on_a_machine = await asking(tmp_path, fake).ask()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{fake.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "h")
        monkeypatch.setenv("AZURE_CLIENT_ID", "c")
        in_an_app = await asking(tmp_path, fake).ask()

    machine, app = (request for request in fake.asked if request.path == "/token")
    assert on_a_machine == in_an_app == ("eastus", "westeurope")
    assert (machine.headers["metadata"], machine.query["resource"]) == ("true", fake.url + "/")
    assert (app.headers["x-identity-header"], app.query["client_id"]) == ("h", "c")
    assert app.query["resource"] == fake.url + "/"


async def test_a_token_comes_from_a_workload_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes puts its own token into a file; Azure exchanges it."""
    monkeypatch.delenv(azure.TOKEN_NAME)
    (tmp_path / "federated").write_text("cluster-token\n")
    async with management() as fake:
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated"))
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", fake.url + "/")
        monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
        monkeypatch.setenv("AZURE_CLIENT_ID", "c")
        known = await asking(tmp_path, fake).ask()

    (form,) = fake.forms
    assert known == ("eastus", "westeurope")
    assert (form["client_assertion"], form["scope"]) == ("cluster-token", f"{fake.url}/.default")


async def test_no_identity_at_all_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody forgot to assign it."""
    monkeypatch.delenv(azure.TOKEN_NAME)
    async with management() as fake:
        monkeypatch.setattr(azure, "MACHINE_URL", f"{fake.url}/nothing?x=y")
        with pytest.raises(RegionsUnknownError, match="managed identity was refused a token: answered 404"):
            await asking(tmp_path, fake).ask()


# --- settings ---


@pytest.mark.parametrize(
    "text", ["azure:", "azure:demo", "azure:/subscriptions/x/registries/demo", "azure:a,b"]
)
def test_what_is_no_resource_id_is_refused(text: str) -> None:
    """With the command that prints one."""
    with pytest.raises(SettingsError, match="az acr show --name NAME --query id"):
        Settings.from_environment({"FANIN_REGIONS": text})
