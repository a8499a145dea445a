"""The manifests of deploy/: valid by their platforms' own schemas, in agreement with each other and with us.

What they start is started in tests/e2e/test_image.py.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from fanin.aggregator.settings import Settings
from tests.heavy import needs
from tests.paths import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
GET = ".venv/bin/pip install -c constraints.txt -e '.[manifests]'"
# Kinds that Kubernetes itself does not know have no schema there.
FOREIGN = {"Kustomization", "ServiceMonitor"}
# The oldest release that a large provider supports for its extended period, and the newest that is known.
VERSIONS = ("1.30", "1.37")


def documents() -> dict[str, dict[str, Any]]:
    """Every manifest, by its path in deploy/kubernetes."""
    return {
        str(path.relative_to(KUBERNETES)): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(KUBERNETES.rglob("*.yaml"))
    }


@needs("kubernetes-validate", there=find_spec("kubernetes_validate") is not None, get=GET)
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_every_manifest(version: str) -> None:
    """Against the schemas of Kubernetes' own API, with no field that it does not know."""
    import kubernetes_validate

    checked = [
        kubernetes_validate.validate(document, version, strict=True)
        for document in documents().values()
        if document["kind"] not in FOREIGN
    ]

    assert len(checked) == 5


@needs("kubernetes-validate", there=find_spec("kubernetes_validate") is not None, get=GET)
def test_the_check_of_manifests_finds_a_misspelt_field() -> None:
    """A validator that accepts everything would pass the test above."""
    import kubernetes_validate

    document = documents()["deployment.yaml"]
    document["spec"]["template"]["spec"]["enableServicelinks"] = False

    with pytest.raises(kubernetes_validate.ValidationError, match="enableServicelinks"):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_what_manifests_name_is_in_the_others() -> None:
    """Ports, labels, claims, secrets and the image: a wrong name is valid, and starts nothing."""
    named = documents()
    deployment, service = named["deployment.yaml"]["spec"], named["service.yaml"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    ports = {it["name"] for it in container["ports"]}
    labels = deployment["template"]["metadata"]["labels"]
    volumes = {it["name"]: it for it in pod["volumes"]}
    monitor = named["servicemonitor.yaml"]["spec"]
    paths = named["ingress.yaml"]["spec"]["rules"][0]["http"]["paths"]

    assert deployment["selector"]["matchLabels"] == service["selector"] == labels
    assert monitor["selector"]["matchLabels"] == named["service.yaml"]["metadata"]["labels"]
    assert {it["targetPort"] for it in service["ports"]} <= ports
    assert {it["port"] for it in monitor["endpoints"]} <= {it["name"] for it in service["ports"]}
    assert {it["backend"]["service"]["name"] for it in paths} == {named["service.yaml"]["metadata"]["name"]}
    assert {container[it]["httpGet"]["port"] for it in container if it.endswith("Probe")} <= ports
    assert {it["name"] for it in container["volumeMounts"]} == set(volumes)
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == named["volume.yaml"]["metadata"]["name"]
    keys = volumes["keys"]["secret"]["secretName"]
    assert f"secret generic {keys} --from-file=keys" in (KUBERNETES / "kustomization.yaml").read_text()
    (image,) = named["kustomization.yaml"]["images"]
    assert image["name"] == container["image"]


def test_kustomizations_name_files_that_exist() -> None:
    """And the patch removes something that is there."""
    named = documents()
    for path in ("kustomization.yaml", "openshift/kustomization.yaml"):
        for resource in named[path]["resources"]:
            assert (KUBERNETES / path).parent.joinpath(resource).resolve().exists()
    (patch,) = named["openshift/kustomization.yaml"]["patches"]
    (operation,) = yaml.safe_load(patch["patch"])

    found: Any = named["deployment.yaml"]
    for name in operation["path"].strip("/").split("/"):
        found = found[name]

    assert operation["op"] == "remove"
    assert found == 10_001
    assert patch["target"] == {"kind": "Deployment", "name": named["deployment.yaml"]["metadata"]["name"]}


def test_the_deployment_is_confined() -> None:
    """The restricted profile of Kubernetes' Pod Security Standards, and no second process on the data."""
    deployment = documents()["deployment.yaml"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]

    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "runAsUser" not in pod["securityContext"]  # OpenShift chooses it
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("subPath" not in it for it in container["volumeMounts"])


def test_the_settings_of_the_manifests_are_understood(tmp_path: Path) -> None:
    """Of Kubernetes and of Compose; each name and each value."""
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef\n")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    for environment in (
        documents()["settings.yaml"]["data"],
        compose["services"]["fanin"]["environment"],
    ):
        assert all(isinstance(value, str) for value in environment.values())
        settings = Settings.from_environment(environment | {"FANIN_KEYS_FILE": str(keys)})
        assert settings.timeout_ms == 7_200_000
        assert len(settings.regions) == 3


HADOLINT = Path(sys.prefix) / "bin" / "hadolint"


@needs("hadolint", there=HADOLINT.exists(), get=GET)
def test_nothing_in_the_dockerfile_is_known_to_go_wrong() -> None:
    """Every rule of hadolint's, and of shellcheck's in its commands; none is switched off."""
    done = subprocess.run(  # noqa: S603 - a package's program
        [HADOLINT, "--no-color", "--failure-threshold", "style", DEPLOY / "Dockerfile"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs("Compose", there=find_spec("compose") is not None, get=GET)
def test_compose_accepts_its_file() -> None:
    """Compose itself reads it, and finds the Dockerfile, the volume and the folder of keys."""
    package = find_spec("compose")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).with_name("docker-compose")
    done = subprocess.run(  # noqa: S603 - a package's program
        [program, "-f", DEPLOY / "compose.yaml", "config", "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    service = json.loads(done.stdout)["services"]["fanin"]
    assert (Path(service["build"]["context"]), service["build"]["dockerfile"]) == (ROOT, "deploy/Dockerfile")
    assert [it["host_ip"] for it in service["ports"]] == ["127.0.0.1"]
    assert {it["target"]: it.get("read_only", False) for it in service["volumes"]} == {
        "/data": False,
        "/etc/fanin": True,
    }
