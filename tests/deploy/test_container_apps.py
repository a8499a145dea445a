"""deploy/container-apps.bicep: its syntax, its references, and its settings.

No compiler of Bicep comes as a package of Python's or npm's; a parser does. Names of properties were compared
by hand with the published types of each API version that the file names.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from fanin.aggregator.settings import SPELLINGS, Settings
from tests.e2e.serving import Service, stop_backend
from tests.heavy import needs, needs_engine
from tests.paths import ROOT

RECIPE = ROOT / "deploy" / "container-apps.bicep"
GET = ".venv/bin/pip install -c constraints.txt -e '.[manifests]'"
pytestmark = needs("pycep", there=find_spec("pycep") is not None, get=GET)

# What the expressions in the settings come to in a deployment.
VALUES = {
    "scheduler.properties.endpoint": "https://fanin-abc.northeurope.durabletask.io",
    "taskHub.name": "fanin",
    "managed-identity:${identity.properties.clientId}": "managed-identity:5b7c1f0e-2f7a-4a53",
    "join(regions, ',')": "northeurope,westeurope",
    "timeout": "2h",
    "https://${name}.${environment.properties.defaultDomain}": "https://fanin.example.azurecontainerapps.io",
}


@pytest.fixture
def recipe() -> dict[str, Any]:
    from pycep import BicepParser

    return cast("dict[str, Any]", BicepParser().parse(text=RECIPE.read_text(encoding="utf-8")))


def app(recipe: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = recipe["resources"]["app"]["config"]["properties"]
    return properties


def settings(recipe: dict[str, Any], secrets: Path) -> dict[str, str]:
    """The environment of the container, with the values that a deployment has."""
    (container,) = app(recipe)["template"]["containers"]
    (mount,) = container["volumeMounts"]
    written = dict(re.findall(r"name: '(FANIN_\w+)'\s+value: (.*)", RECIPE.read_text(encoding="utf-8")))
    assert set(written) == {it["name"] for it in container["env"]}
    plain = {name: text.strip("'") for name, text in written.items()}
    return {
        name: VALUES.get(text, text).replace(mount["mountPath"], str(secrets)) for name, text in plain.items()
    }


def secret_files(recipe: dict[str, Any], folder: Path) -> Path:
    """The secrets, where the volume puts them."""
    values = {"keys": "0123456789abcdef", "notify-url": "https://example.org/images"}
    (volume,) = app(recipe)["template"]["volumes"]
    for item in volume["secrets"]:
        (folder / item["path"]).write_text(values[item["secretRef"]], encoding="utf-8")
    return folder


def test_each_replication_has_a_webhook_that_names_it(recipe: dict[str, Any]) -> None:
    """Made in its region, sent to an address with its region, with the key as a header."""
    webhooks = recipe["resources"]["webhooks"]
    loop, webhook = webhooks["config"]["loop_type"], webhooks["config"]["config"]

    assert webhooks["type"] == "Microsoft.ContainerRegistry/registries/webhooks"
    assert loop == {"type": "array", "detail": {"item_name": "region", "array_name": "regions"}}
    assert webhook["location"] == "region"
    assert "${toLower(replace(region, ' ', ''))}" in webhook["name"]
    address, _, query = webhook["properties"]["serviceUri"].partition("?")
    assert address.endswith("/api/ImagePush")
    assert query == "region=${toLower(replace(region, ' ', ''))}"
    assert {it.strip("'"): value for it, value in webhook["properties"]["customHeaders"].items()} == {
        "x-functions-key": "key"
    }


def test_what_it_refers_to_is_there(recipe: dict[str, Any]) -> None:
    """Parents, scopes, secrets, volumes, dependencies; the port; the probes."""
    resources = recipe["resources"]
    configuration, template = app(recipe)["configuration"], app(recipe)["template"]
    (container,) = template["containers"]
    secrets = {it["name"] for it in configuration["secrets"]}
    named = {it["config"]["parent"] for it in resources.values() if "parent" in it["config"]}
    named |= {it["config"]["scope"] for it in resources.values() if "scope" in it["config"]}
    named |= set(resources["app"]["config"]["dependsOn"])

    assert named <= set(resources)
    assert {item["secretRef"] for volume in template["volumes"] for item in volume["secrets"]} == secrets
    assert {it["volumeName"] for it in container["volumeMounts"]} == {
        it["name"] for it in template["volumes"]
    }
    assert {it["httpGet"]["path"] for it in container["probes"]} == {"/healthz", "/readyz"}
    ports = {it["httpGet"]["port"] for it in container["probes"]} | {configuration["ingress"]["targetPort"]}
    assert ports == {8080}
    assert configuration["ingress"]["allowInsecure"] is False


def test_secrets_are_secrets(recipe: dict[str, Any]) -> None:
    """Key and target are secure parameters, and in no variable of the environment."""
    secure = {
        name
        for name, it in recipe["parameters"].items()
        if any(decorator["type"] == "secure" for decorator in it["decorators"])
    }
    (container,) = app(recipe)["template"]["containers"]

    assert secure == {"key", "notifyUrl"}
    assert not secure & {str(it["value"]) for it in container["env"]}  # but only in files
    assert not [output for output in recipe["outputs"].values() if "key" in str(output)]


def test_its_settings_are_understood(recipe: dict[str, Any], tmp_path: Path) -> None:
    """Every name is a setting, every value is valid, the engine's own too."""
    from fanin.aggregator.engines.durable_task.options import DurableTaskOptions

    environment = settings(recipe, secret_files(recipe, tmp_path))
    found = Settings.from_environment(environment)
    options = DurableTaskOptions.read(found.engine_options)

    assert {it for it in environment if not it.endswith("_FILE")} - set(SPELLINGS) == set(
        found.engine_options
    )
    assert (found.engine, found.regions) == ("durable-task", ("northeurope", "westeurope"))
    assert found.keys == ("0123456789abcdef",)
    assert [it.address.host for it in found.targets] == ["example.org"]
    assert options.scheduler


@pytest.mark.real_time
@needs_engine("durable-task")
def test_the_service_starts_with_them(recipe: dict[str, Any], tmp_path: Path) -> None:
    """With a backend of this machine in place of the Scheduler's address, task hub and identity."""
    environment = settings(recipe, secret_files(recipe, tmp_path))
    for name in [it for it in environment if it.startswith("FANIN_DURABLE_TASK_")]:
        del environment[name]
    service = Service.start(tmp_path / "data", "--local-backend", **environment)
    try:
        assert "waits up to 2h for northeurope, westeurope" in service.greeting
    finally:
        status, _ = service.end(15)
        stop_backend("durable-task", tmp_path / "data")
    assert status == 0
