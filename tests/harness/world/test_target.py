"""The settings of an aggregator, and an application in process: its starts, its data, its end."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.target import (
    DataFolder,
    InProcessTarget,
    LoopClock,
    StartError,
    environment,
    reconfiguration,
    timespan,
)
from fanin.simulator.language.load import load, loads
from fanin.simulator.pack import find
from fanin.simulator.wire import WebhookRequest

REQUEST = WebhookRequest("/", (), b"{}", None)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (80_000, "0:01:20"),
        (2_500, "0:00:02.500"),
        (24 * 3_600_000, "1.0:00:00"),
        (30 * 24 * 3_600_000 + 1, "30.0:00:00.001"),
    ],
)
def test_timeouts_are_written_as_dotnet_reads_them(ms: int, text: str) -> None:
    """Hours end at 23; days have a dot."""
    assert timespan(ms) == text


def test_every_setting_has_the_originals_name_and_ours() -> None:
    """So that an aggregator written for the original needs no change."""
    settings = environment(load(find("slow-region")), notify_url="http://sink/", data_dir=Path("/data"))

    assert settings["WebhookRegions"] == settings["FANIN_REGIONS"] == "northeurope,westeurope,eastus"
    assert (settings["WebhookTimeout"], settings["FANIN_TIMEOUT"]) == ("0:02:00", "2m")
    assert settings["NOTIFY_URL"] == settings["FANIN_NOTIFY_URL"] == "http://sink/"
    assert settings["DATA_DIR"] == settings["FANIN_DATA_DIR"] == "/data"
    assert "FANIN_KEYS" not in settings
    assert {"WEBHOOK_SECRETS", "FANIN_SIGNING_SECRETS"}.isdisjoint(settings)


def test_keys_and_secrets_are_set_where_a_scenario_has_them() -> None:
    """Otherwise nothing could be refused."""
    signed = load(find("signed"))

    key = environment(load(find("wrong-key")), notify_url="", data_dir=Path())["FANIN_KEYS"]
    secrets = environment(signed, notify_url="", data_dir=Path())

    assert key == load(find("wrong-key")).key
    assert secrets["WEBHOOK_SECRETS"].split(" ") == list(signed.signing.secrets)
    assert secrets["FANIN_SIGNING_SECRETS"].split(",") == list(signed.signing.secrets)


def test_a_restart_changes_only_what_it_names() -> None:
    """No regions: they stay; no timeout: it stays."""
    assert reconfiguration((), None) == {}
    assert reconfiguration(("a", "b"), None) == {"WebhookRegions": "a,b", "FANIN_REGIONS": "a,b"}
    changed = {"WebhookTimeout": "0:01:30", "FANIN_TIMEOUT": "1m30s", "TIMEOUT_S": "90"}
    assert reconfiguration((), 90_000) == changed
    assert reconfiguration((), 1_500)["TIMEOUT_S"] == "1.5"


def test_what_a_killed_instance_still_writes_is_not_there_after_the_next_start(tmp_path: Path) -> None:
    """Its tasks run their ``finally`` blocks when they are cancelled; a killed process's do not."""
    data = DataFolder(tmp_path)
    (data.path / "kept").write_text("before the kill", encoding="utf-8")
    old = data.path

    data.snapshot_on_kill()
    (old / "kept").write_text("after the kill", encoding="utf-8")
    (old / "late").touch()

    assert data.path != old
    assert [path.name for path in data.path.iterdir()] == ["kept"]
    assert (data.path / "kept").read_text(encoding="utf-8") == "before the kill"


def in_process(kernel: VirtualKernel, folder: Path, **options: Any) -> InProcessTarget:
    scenario = loads("scenario: s\ntitle: t\noperations: [{}]\n")
    return InProcessTarget(
        kernel, scenario, data=DataFolder(folder), notify_url="http://sink/", epoch_ms=0, **options
    )


def test_each_start_gets_its_settings_with_what_was_reconfigured(tmp_path: Path) -> None:
    """From the next start on, not before."""
    kernel, seen = VirtualKernel(0), []

    def factory(settings: Mapping[str, str], _epoch_ms: int) -> AsgiApp:
        seen.append((settings["FANIN_TIMEOUT"], settings["DATA_DIR"]))
        return Starlette()

    target = in_process(kernel, tmp_path, factory=factory)

    async def main() -> None:
        await target.start()
        target.reconfigure({"FANIN_TIMEOUT": "9s"})
        await target.stop()
        await target.start()
        target.kill()
        await target.start()

    kernel.run(main())

    first, second, third = seen
    assert [timeout for timeout, _ in seen] == ["2m", "9s", "9s"]
    assert first[1] == second[1] != third[1]


def test_a_target_that_is_down_refuses_connections(tmp_path: Path) -> None:
    """Before its start, after its stop, after its kill; and none of these is an error twice."""
    kernel, refused = VirtualKernel(0), []
    target = in_process(kernel, tmp_path, factory=lambda *_: Starlette())

    async def ask() -> None:
        try:
            await target.request(REQUEST, body_over_ms=0, on_response=lambda _status: False)
        except ConnectionRefusedError as exc:
            refused.append(str(exc))

    async def main() -> None:
        await ask()
        await target.start()
        await ask()  # it is up, so this one is answered
        await target.stop()
        await target.stop()
        await ask()
        await target.start()
        target.kill()
        target.kill()
        await ask()

    kernel.run(main())

    assert refused == ["the aggregator is down"] * 3


def test_an_application_that_cannot_be_built_does_not_start(tmp_path: Path) -> None:
    """With the type and the message of its exception."""
    kernel = VirtualKernel(0)

    def factory(_settings: Mapping[str, str], _epoch_ms: int) -> AsgiApp:
        raise ValueError("no database")

    async def main() -> None:
        with pytest.raises(StartError, match="ValueError: no database"):
            await in_process(kernel, tmp_path, factory=factory).start()

    kernel.run(main())


def test_the_clock_of_our_own_aggregator_follows_the_loop_and_can_be_set() -> None:
    """Unix milliseconds; setting it does not move time itself."""
    kernel, clock, seen = VirtualKernel(0), LoopClock(1_000), []

    async def main() -> None:
        await asyncio.sleep(2)
        seen.append(clock.now_ms())
        kernel.set_clock(60_000)
        seen.append(clock.now_ms())

    kernel.run(main())

    assert seen == [3_000, 63_000]
