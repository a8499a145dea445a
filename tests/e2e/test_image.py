"""The image, and what deploy/ starts from it: as its user, as any other, with the manifests' settings.

Every line of the Dockerfile is carried out, in folders and with chroot (`tests.e2e.image`). Needs root.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.image import LIMIT_S, Container, Image, possible
from tests.heavy import needs
from tests.paths import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KEY, NEXT_KEY = "0123456789abcdef-first", "fedcba9876543210-second"
# OpenShift gives each project a range; the group is the same number, as a second group.
ANY_USER = 1_000_680_000
pytestmark = needs(
    "root with namespaces", there=possible(), get="sudo .venv/bin/pytest tests/e2e/test_image.py"
)

# One request from inside the container: method, URL, key, body; prints the status and the body.
ASK = """
import sys, urllib.error, urllib.request
method, url, key, body = sys.argv[1:]
headers = {"authorization": f"Bearer {key}"} if key else {}
request = urllib.request.Request(url, body.encode() or None, headers, method=method)
try:
    with urllib.request.urlopen(request, timeout=10) as response:
        print(response.status, response.read().decode())
except urllib.error.HTTPError as refusal:
    print(refusal.code, refusal.read().decode())
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Built once, whichever of several test processes comes first."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    built = shared / "image.json"
    with (shared / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            image = Image.build(DEPLOY / "Dockerfile", shared / "image")
            built.write_text(json.dumps(asdict(image), default=str))
        described = json.loads(built.read_text())
    return Image(**described | {"root": Path(described["root"])})


def ask(
    container: Container, path: str, *, method: str = "GET", key: str = KEY, body: str = "", port: int = 8080
) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{path}"
    status, printed = container.execute("python", "-c", ASK, method, url, key, body)
    assert status == 0, printed
    code, _, content = printed.partition(" ")
    return int(code), content.strip()


def push(container: Container, region: str, **how: str) -> int:
    body = json.dumps({"id": "op-1", "action": "push", "target": {"repository": "app", "tag": "1"}})
    return ask(container, f"/webhooks/{region}", method="POST", body=body, **how)[0]  # type: ignore[arg-type]


def waiting(container: Container) -> list[dict[str, Any]]:
    _, listed = ask(container, "/instances?state=waiting")
    return list(json.loads(listed)["instances"])


def new_volume(image: Image, folder: Path) -> Path:
    """A volume of Docker's: it begins as a copy of the image's folder, with owner and mode."""
    volume = folder / "volume"
    shutil.copytree(image.root / "data", volume)
    origin = (image.root / "data").stat()
    os.chown(volume, origin.st_uid, origin.st_gid)
    volume.chmod(origin.st_mode & 0o7777)
    return volume


def new_keys(folder: Path) -> Path:
    """What docs/deploy.md makes: a file of root's, which its group may read."""
    keys = folder / "fanin"
    keys.mkdir(mode=0o750)
    (keys / "keys").write_text(KEY + "\n", encoding="utf-8")
    (keys / "keys").chmod(0o640)
    return keys


@pytest.mark.parametrize("user", [None, ANY_USER], ids=["its-user", "any-user"])
def test_it_runs_with_a_read_only_root_and_no_privilege(
    image: Image, tmp_path: Path, user: int | None
) -> None:
    """As its own user or as any number in group 0; over restarts, it can read what it wrote."""
    settings = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    volumes = {"/data": (new_volume(image, tmp_path), True), "/etc/fanin": (new_keys(tmp_path), False)}
    for life in ("first", "second"):
        environment = settings["services"]["fanin"]["environment"]
        with Container(image=image, environment=environment, volumes=volumes, user=user) as container:
            container.until_healthy()
            assert container.execute("touch", "/opt/x")[0] == 1
            assert push(container, "northeurope") == 202
            (one,) = waiting(container)
            assert one["duplicates"] == (life == "second")
            assert "webhooks need the function key" in container.execute("fanin", "serve", "--check")[1]
            assert container.execute("fanin", "backup", "/data/copy.db")[0] == (0 if life == "first" else 1)
            status, logged = container.stop()
        assert (status, "Traceback" in logged) == (0, False)

    owners = {path.stat().st_uid for path in volumes["/data"][0].iterdir()}
    assert owners == {image.user if user is None else user}


def test_a_user_who_may_not_write_is_told_so(image: Image, tmp_path: Path) -> None:
    """A new disk without ``fsGroup``, or another user's volume: one line, no traceback."""
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o755)
    os.chown(volume, 4_711, 4_711)
    container = Container(image=image, environment={"FANIN_REGIONS": "eastus", "FANIN_KEYS": KEY},
                          volumes={"/data": (volume, True)})  # fmt: skip

    status, printed = container.run("fanin", "serve")

    assert status == 1
    assert printed.startswith("Error: /data")
    assert printed.count("\n") == 1


def test_the_health_check_says_when_it_does_not_serve(image: Image, tmp_path: Path) -> None:
    """In a container whose service does not run."""
    volumes = {"/data": (new_volume(image, tmp_path), True)}
    container = Container(image=image, environment={}, volumes=volumes)

    assert container.run(*image.healthcheck) == (1, "")


# --- Kubernetes ---


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / name).read_text(encoding="utf-8"))
    return found


def secret_volume(folder: Path, group: int, *keys: str) -> Path:
    """A secret as kubelet mounts it: files behind a link that is replaced as a whole."""
    folder.mkdir(exist_ok=True)
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir()
    (version / "keys").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    (version / "keys").chmod(0o440)
    os.chown(version / "keys", 0, group)
    (folder / "..next").symlink_to(version.name)
    (folder / "..next").rename(folder / "..data")
    if not (folder / "keys").is_symlink():
        (folder / "keys").symlink_to("..data/keys")
    return folder


def injected(names: Iterable[str]) -> dict[str, str]:
    """The variables that kubelet writes for Services."""
    url, host = "tcp://10.0.12.7:80", "10.0.12.7"
    forms = {
        "SERVICE_HOST": host, "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80", "PORT": url,
        "PORT_80_TCP": url, "PORT_80_TCP_PROTO": "tcp", "PORT_80_TCP_PORT": "80", "PORT_80_TCP_ADDR": host,
    }  # fmt: skip
    return {f"{name}_{form}": value for name in names for form, value in forms.items()}


def pod(image: Image, folder: Path, *, openshift: bool, services: Iterable[str]) -> Container:
    """A container as the Deployment describes it."""
    spec = manifest("deployment.yaml")["spec"]["template"]["spec"]
    (described,) = spec["containers"]
    context = dict(spec["securityContext"])
    if openshift:  # what the overlay removes; the platform sets both
        del context["fsGroup"]
    user, group = (ANY_USER, ANY_USER) if openshift else (None, context["fsGroup"])
    data = folder / "claim"
    data.mkdir()
    os.chown(data, 0, group)  # a new disk is root's; kubelet gives it the group
    data.chmod(0o2775)
    (settings,) = (it["configMapRef"]["name"] for it in described["envFrom"])
    assert settings == manifest("settings.yaml")["metadata"]["name"]
    mounts = {it["name"]: it["mountPath"] for it in described["volumeMounts"]}
    environment: Mapping[str, str] = manifest("settings.yaml")["data"] | injected(services)
    volumes = {
        mounts["data"]: (data, True), mounts["keys"]: (secret_volume(folder / "secret", group, KEY), False),
    }  # fmt: skip
    return Container(image=image, environment=environment, volumes=volumes, user=user, groups=[group])


@pytest.mark.parametrize("openshift", [False, True], ids=["kubernetes", "openshift"])
@pytest.mark.parametrize("links", [False, True], ids=["as-written", "service-links"])
def test_the_deployment_starts_with_exactly_its_settings(
    image: Image, tmp_path: Path, *, openshift: bool, links: bool
) -> None:
    """And what kubelet injects; its probes and its scrape are answered; SIGTERM ends it in time."""
    (described,) = manifest("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    ports = {it["name"]: it["containerPort"] for it in described["ports"]}
    services = ["KUBERNETES", *(["FANIN", "FANIN_EU"] if links else [])]
    with pod(image, tmp_path, openshift=openshift, services=services) as container:
        container.until_healthy()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = described[probe]["httpGet"]
            assert ask(container, asked["path"], port=ports[asked["port"]], key="")[0] == 200
        assert push(container, "northeurope") == 202
        (one,) = waiting(container)
        assert one["missing"] == ["eastus", "westeurope"]
        (endpoint,) = manifest("servicemonitor.yaml")["spec"]["endpoints"]
        status, figures = ask(container, endpoint["path"])
        assert (status, "fanin_waiting 1.0" in figures) == (200, True)
        assert ask(container, endpoint["path"], key="")[0] == 401
        began_s = time.monotonic()
        status, logged = container.stop()

    assert status == 0
    assert (
        time.monotonic() - began_s
        < manifest("deployment.yaml")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    )
    assert '"keys-file-mounted"' not in logged


def test_a_key_that_is_replaced_in_the_secret_counts(image: Image, tmp_path: Path) -> None:
    """Kubelet replaces the folder's link: the new key is accepted, and the old one refused, in one life."""
    with pod(image, tmp_path, openshift=False, services=["KUBERNETES"]) as container:
        container.until_healthy()
        assert push(container, "eastus", key=NEXT_KEY) == 401
        secret_volume(tmp_path / "secret", 10_001, NEXT_KEY)

        end_s = time.monotonic() + LIMIT_S
        while push(container, "eastus", key=NEXT_KEY) != 202:
            assert time.monotonic() < end_s, "the new key never counted"
        assert push(container, "eastus", key=KEY) == 401
