"""What only the Durable Task engine has: its settings, its connection, its calls."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.engines import start_backend
from fanin.aggregator.engines.durable_task.options import DurableTaskOptions
from fanin.aggregator.engines.durable_task.orchestration import instance_id
from fanin.aggregator.errors import SettingsError, StoreError, StoreUnusableError
from tests.conformance.worlds import EAST, NORTH, WEST, World, arrival, arrival_results, deliver_all
from tests.heavy import needs

pytestmark = [
    pytest.mark.real_time,
    needs(
        "durable-task engine",
        there=find_spec("durabletask") is not None and find_spec("grpc") is not None,
        get=".venv/bin/pip install -c constraints.txt -e '.[durable-task]'",
    ),
]

ADDRESS = {"FANIN_DURABLE_TASK_ADDRESS": "https://fanin.westeurope.durabletask.io"}


# --- settings ---


def test_the_scheduler_is_reached_with_the_machines_identity_by_default() -> None:
    """An encrypted address needs nothing else."""
    options = DurableTaskOptions.read(ADDRESS)

    assert (options.scheduler, options.tls, options.credential, options.task_hub) == (
        True,
        True,
        "default",
        None,
    )


def test_a_managed_identity_may_be_named() -> None:
    """A machine can have several."""
    options = DurableTaskOptions.read(ADDRESS | {"FANIN_DURABLE_TASK_CREDENTIAL": "managed-identity:1234"})

    assert (options.credential, options.client_id) == ("managed-identity", "1234")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "FANIN_DURABLE_TASK_ADDRESS: not set; name the backend"),
        ({"ADDRESS": " "}, "FANIN_DURABLE_TASK_ADDRESS: set but empty"),
        ({"ADDRESS": "x:1", "TASKHUB": "a"}, "the nearest is FANIN_DURABLE_TASK_TASK_HUB"),
        ({"ADDRESS": "x:1", "CREDENTIAL": "default"}, "would be sent in the clear; use an https address"),
        ({"ADDRESS": "https://x", "CREDENTIAL": "password"}, "'password' is none of none, default,"),
        ({"ADDRESS": "https://x", "CREDENTIAL": "managed-identity:"}, "is none of none, default,"),
        ({"ADDRESS": "x:1", "WORKER": "maybe"}, "'maybe' is neither yes nor no"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, str], message: str) -> None:
    """A wrong value is never replaced by a default."""
    with pytest.raises(SettingsError) as refusal:
        DurableTaskOptions.read({f"FANIN_DURABLE_TASK_{name}": text for name, text in settings.items()})

    assert message in str(refusal.value)


# --- the Scheduler, as far as it can be tested without Azure ---


def test_the_scheduler_gets_hub_worker_and_token_with_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's clients for the Scheduler have our settings, and ask for a token when they need it."""
    identity = pytest.importorskip("azure.identity.aio")
    from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient

    from fanin.aggregator.engines.durable_task.client import TaskHubClient

    asked: list[str | None] = []

    class Identity:
        def __init__(self, client_id: str | None = None) -> None:
            asked.append(client_id)

        async def close(self) -> None:
            asked.append("closed")

    monkeypatch.setattr(identity, "ManagedIdentityCredential", Identity)
    settings = ADDRESS | {
        "FANIN_DURABLE_TASK_TASK_HUB": "webhooks",
        "FANIN_DURABLE_TASK_CREDENTIAL": "managed-identity:1234",
    }

    async def story() -> list[Any]:
        hub = TaskHubClient(DurableTaskOptions.read(settings))
        clients: list[Any] = [hub._client, hub.open_stream().client, hub.open_stream().client]
        await hub.close()
        return clients

    clients = asyncio.run(story())
    sent = [
        {name: value for it in client._interceptors for name, value in getattr(it, "_metadata", ())}
        for client in clients
    ]

    assert {type(client) for client in clients} == {AsyncDurableTaskSchedulerClient}
    assert {client._host_address for client in clients} == {"https://fanin.westeurope.durabletask.io"}
    assert asked == ["1234", "closed"]
    assert {each["taskhub"] for each in sent} == {"webhooks"}
    assert len({each.get("workerid") for each in sent}) == 3


def test_an_identity_that_gets_no_token_is_waited_for_and_then_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a deployment has just made gets none yet; at last the start fails in one line."""
    identity = pytest.importorskip("azure.identity.aio")
    from azure.core.exceptions import ClientAuthenticationError

    from fanin.aggregator.engines.durable_task import engine

    asked = []

    class Identity:
        def __init__(self, client_id: str | None = None) -> None:
            """Any identity."""

        async def get_token(self, *_: str, **__: Any) -> object:
            asked.append(1)
            raise ClientAuthenticationError("no identity\nhere")

        async def close(self) -> None:
            return

    monkeypatch.setattr(identity, "ManagedIdentityCredential", Identity)
    monkeypatch.setattr(engine, "START_S", 0.5)

    async def story() -> None:
        options = ADDRESS | {"FANIN_DURABLE_TASK_CREDENTIAL": "managed-identity"}
        with pytest.raises(StoreUnusableError) as refusal:
            await world.start(engine_options=options)
        message = "no Durable Task backend: no token for the Scheduler: no identity here"
        assert str(refusal.value).startswith(message)

    world.play(story)
    assert len(asked) > 1


def test_the_schedulers_client_and_worker_carry_an_operation_to_its_end(world: World) -> None:
    """Every call names the task hub; the worker, itself."""
    from fanin.aggregator.engines.durable_task.dev_backend import DevBackend

    seen: set[tuple[str, str]] = set()

    class Listening(DevBackend):
        def StartInstance(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            seen.update(("start", key) for key, value in context.invocation_metadata() if value == "webhooks")
            return super().StartInstance(request, context)

        def GetWorkItems(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            seen.update(("work", key) for key, _ in context.invocation_metadata())
            return super().GetWorkItems(request, context)

        def StreamInstanceHistory(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            seen.update(("history", key) for key, _ in context.invocation_metadata())
            return super().StreamInstanceHistory(request, context)

    backend = Listening()

    async def story() -> None:
        settings = {"ADDRESS": f"http://{backend.start()}", "TASK_HUB": "webhooks"}
        options = {f"FANIN_DURABLE_TASK_{name}": text for name, text in settings.items()}
        engine = await world.start(engine_options=options, regions=(EAST, WEST), timeout_ms=60_000)
        await engine.deliver(arrival(EAST))
        await world.state()
        await engine.deliver(arrival(WEST))
        await world.until(lambda: bool(world.attempts))
        await world.stop()

    try:
        world.play(story)
    finally:
        backend.stop(grace=0)
    hub = {(call, "taskhub") for call in ("start", "work", "history")}
    assert hub | {("work", "workerid")} <= seen


def test_a_backend_that_does_not_respond_is_one_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its address, after some time."""
    monkeypatch.setattr("fanin.aggregator.engines.durable_task.engine.START_S", 0.5)

    async def story() -> None:
        with pytest.raises(StoreUnusableError, match=r"no Durable Task backend: 127\.0\.0\.1:1: "):
            await world.start(engine_options={"FANIN_DURABLE_TASK_ADDRESS": "127.0.0.1:1"})

    world.play(story)


def test_replicas_that_start_together_share_one_local_backend(tmp_path: Path) -> None:
    """The second one finds what the first one has started."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: start_backend("durable-task", tmp_path), range(4)))

    addresses = {it.options["FANIN_DURABLE_TASK_ADDRESS"] for it in found if it is not None}
    for it in found:
        if it is not None:
            it.stop()
    assert len(addresses) == 1


# --- instance ids ---


def test_an_id_that_every_backend_takes_stays_as_it_is() -> None:
    """So that it can be found in a dashboard."""
    assert instance_id("5b7c1f0e-7a3b-4c7d-9d55-0c5b7c1f0e7a") == "5b7c1f0e-7a3b-4c7d-9d55-0c5b7c1f0e7a"


@pytest.mark.parametrize("id_", ["@entity", "a/b", "a#b", "a?b", "x" * 101, "ü", " ", "sha256-" + "0" * 64])
def test_any_other_id_becomes_a_digest_of_its_own(id_: str) -> None:
    """One that looks like a digest does, too: it must not be another operation's instance."""
    assert instance_id(id_) != id_
    assert len(instance_id(id_)) <= 100
    assert instance_id(id_) != instance_id(id_ + "x")


def test_an_operation_with_an_awkward_id_is_found_under_it(world: World) -> None:
    """Whatever the id of its instance is."""

    async def story() -> None:
        engine = await world.start()
        id_ = "push:demo.azurecr.io/team/app:1.0@sha256:11"
        await engine.deliver(arrival(EAST, id_))

        assert (await world.state(id_)).operation_id == id_

    world.play(story)


# --- calls ---


class Calls:
    """The calls of an engine to its backend, by name."""

    def __init__(self, engine: Any) -> None:
        self.made: Counter[str] = Counter()
        hub = engine._hub
        for name in ("start", "raise_event", "get"):
            setattr(hub, name, self._counted(name, getattr(hub, name)))

    def _counted(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        def counted(*arguments: Any) -> Awaitable[Any]:
            self.made[name] += 1
            return call(*arguments)

        return counted


def test_a_webhook_is_one_call(world: World) -> None:
    """The first starts the orchestration and is delivered with it; the others are events."""

    async def story() -> None:
        engine = await world.start(timeout_ms=60_000)
        calls = Calls(engine)
        for region in (EAST, NORTH, WEST):
            await engine.deliver(arrival(region))

        assert calls.made == {"start": 1, "raise_event": 2}

    world.play(story)


def test_an_operation_that_another_process_started_takes_one_more_call_once(world: World) -> None:
    """A process whose start is refused raises an event, and remembers the instance."""

    async def story() -> None:
        first = await world.start(timeout_ms=60_000)
        await first.deliver(arrival(EAST))
        second = world.another(world.notifier())
        await second.open()
        calls = Calls(second)
        try:
            await second.deliver(arrival(NORTH))
            await second.deliver(arrival(NORTH))
            state = await world.state(when=lambda it: it.duplicates == 1)
        finally:
            await second.close()

        assert calls.made == {"start": 1, "raise_event": 2}
        assert list(state.arrived) == [EAST, NORTH]

    world.play(story)


def test_an_instance_that_was_purged_meanwhile_is_started_again(world: World) -> None:
    """A remembered id that no longer exists loses nothing."""

    async def story() -> None:
        engine: Any = await world.start()
        engine._remember("op-1")
        await engine.deliver(arrival(EAST))

        assert list((await world.state()).arrived) == [EAST]

    world.play(story)


def test_the_number_of_remembered_instances_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory must not grow with them."""
    monkeypatch.setattr("fanin.aggregator.engines.durable_task.engine.KNOWN_MAX", 5)

    async def story() -> None:
        engine: Any = await world.start()
        arrival_results(await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(20))))

        assert len(engine._known) == 5

    world.play(story)


def test_an_orchestration_that_was_terminated_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It sends no notification, and that must not happen silently."""
    monkeypatch.setattr("fanin.aggregator.engines.durable_task.engine.PURGE_S", 0.5)

    async def story() -> None:
        engine: Any = await world.start()
        await engine.deliver(arrival(EAST))
        await world.state()
        await engine._hub._client.terminate_orchestration("op-1", output="by hand")
        await world.until(lambda: "orchestration-failed instance=op-1" in caplog.text)

    world.play(story)


def test_a_backend_that_goes_away_is_a_503(world: World) -> None:
    """It may be stored or not; the sender repeats it."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        assert world.backend is not None
        world.backend.stop()
        with pytest.raises(StoreError) as refusal:
            await engine.deliver(arrival(NORTH))

        assert (refusal.value.status, refusal.value.definite) == (503, False)

    world.play(story)
