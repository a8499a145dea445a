"""The function app: indexed by the SDK, its orchestrator driven with histories, its webhooks by a fake."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any, ClassVar

import pytest

from tests.deploy.durable_functions import BEGAN, Instance
from tests.heavy import needs
from tests.paths import ROOT

pytestmark = [
    needs(
        "Azure Functions SDK",
        there=find_spec("azure") is not None and find_spec("azure.durable_functions") is not None,
        get=".venv/bin/pip install -c constraints.txt -e '.[azure-functions]'",
    ),
    # Our shapes are checked by ourselves: a foreign event must not fail an orchestration in the SDK.
    pytest.mark.filterwarnings("ignore:azure.functions df_loads:DeprecationWarning"),
    # An event that comes while the orchestration waits for none is kept for its next wait.
    pytest.mark.filterwarnings("ignore:Potential duplicate Task completion:UserWarning"),
]

FOLDER = ROOT / "deploy" / "azure-functions"
BEGAN_MS = int(BEGAN.timestamp() * 1000)
REGIONS = ["eastus", "northeurope", "westus"]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as the Functions host would load it, with its app settings."""
    monkeypatch.setenv("WebhookRegions", ",".join(REGIONS))
    monkeypatch.setenv("WebhookTimeout", "0:01:20")
    spec = importlib.util.spec_from_file_location("function_app", FOLDER / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["function_app"] = module
    spec.loader.exec_module(module)
    module.indexed = {it.get_function_name(): it for it in module.app.get_functions()}  # type: ignore[attr-defined]
    yield module
    del sys.modules["function_app"]


def function(app: ModuleType, name: str) -> Any:
    """What the host calls."""
    return app.indexed[name].get_user_function()


def orchestration(app: ModuleType, **changes: Any) -> Instance:
    order = {
        "operation_id": "op-1",
        "subject": {"action": "push", "repository": "team/app", "tag": "1.0"},
        "region": "eastus",
        "at_ms": BEGAN_MS,
        "delivery": "first",
        "expected": REGIONS,
        "timeout_ms": 80_000,
        "retention_ms": 7 * 86_400_000,
        "targets": {"completed": ["default"], "timed_out": ["default"]},
    }
    return Instance(function(app, "WaitForAllRegions"), order | changes)


def stamp(instance: Instance, delivery: str) -> dict[str, Any]:
    return {"at_ms": int(instance.now.timestamp() * 1000), "delivery": delivery}


def test_the_originals_four_functions_are_found(app: ModuleType) -> None:
    """Under the original's names, with the triggers that the host must know of."""
    found = {
        name: sorted(json.loads(binding)["type"] for binding in it.get_raw_bindings())
        for name, it in app.indexed.items()
    }

    assert found == {
        "ImagePush": ["durableClient", "http", "httpTrigger"],
        "WaitForAllRegions": ["orchestrationTrigger"],
        "FirePushNotification": ["activityTrigger"],
        "FireTimeoutNotification": ["activityTrigger"],
    }


def test_the_hosts_files_are_json_and_protect_a_running_instance() -> None:
    """Only an instance that has finished, its retention included, may be started again."""
    host = json.loads((FOLDER / "host.json").read_text())
    local = json.loads((FOLDER / "local.settings.json.example").read_text())

    assert host["extensions"]["durableTask"]["overridableExistingInstanceStates"] == "NonRunningStates"
    assert local["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_all_regions_complete_it_and_one_activity_notifies(app: ModuleType) -> None:
    """The event of the first arrival follows its start, and is known again."""
    instance = orchestration(app)
    instance.raise_event("eastus", stamp(instance, "first"))
    instance.raise_event("northeurope", stamp(instance, "b"), after_s=2)
    assert instance.called() == []
    instance.raise_event("westus", stamp(instance, "c"), after_s=3)

    ((name, input_),) = instance.called()
    assert (name, input_["target"], input_["record"]) == ("FirePushNotification", "default", {})
    assert input_["notification"]["outcome"] == "completed"
    instance.complete(None)
    assert instance.status["state"]["arrived"].keys() == set(REGIONS)
    assert "duplicates" not in instance.status["state"]
    assert "outbox" not in instance.status
    assert not instance.is_done


def test_the_deadline_names_the_missing(app: ModuleType) -> None:
    """The timer is the start plus the timeout; a later webhook is late, and causes no notification."""
    instance = orchestration(app)
    instance.raise_event("westus", stamp(instance, "b"), after_s=2)
    instance.fire_next_timer()
    assert (instance.now - BEGAN).total_seconds() == 80
    instance.complete(None)
    instance.raise_event("northeurope", stamp(instance, "c"), after_s=5)
    instance.raise_event("northeurope", stamp(instance, "d"), after_s=5)

    ((name, input_),) = instance.called()
    assert (name, input_["notification"]["missing"]) == ("FireTimeoutNotification", ["northeurope"])
    state = instance.status["state"]
    assert (list(state["late"]), state["duplicates"]) == (["northeurope"], 1)


def test_an_arrival_stamped_after_the_deadline_is_late_even_before_the_timer(app: ModuleType) -> None:
    """The stamp decides, not who was first in the history."""
    instance = orchestration(app, expected=["eastus", "westus"])
    instance.raise_event("westus", {"at_ms": BEGAN_MS + 80_000}, after_s=80)

    assert [name for name, _ in instance.called()] == ["FireTimeoutNotification"]


def test_a_refused_notification_is_repeated_after_the_pause_it_was_given(app: ModuleType) -> None:
    """The pause is a durable timer; a crashed attempt gets one of our own."""
    instance = orchestration(app, expected=["eastus"])
    instance.complete({"error": "answered 503", "pause_ms": 1_500})
    assert len(instance.called()) == 1
    before = instance.now
    instance.fire_next_timer()
    assert (instance.now - before).total_seconds() == 1.5
    instance.complete(fails=True)
    instance.fire_next_timer()
    instance.complete(None)

    assert [input_["record"].get("attempts", 0) for _, input_ in instance.called()] == [0, 1, 2]
    assert len({json.dumps(input_["notification"]) for _, input_ in instance.called()}) == 1


def test_an_invalid_event_is_ignored(app: ModuleType) -> None:
    """A client with the system key can raise anything; it must not fail the orchestration."""
    instance = orchestration(app, expected=["eastus", "westus"])
    instance.raise_event("westus", "nonsense", after_s=1)
    instance.raise_event("westus", stamp(instance, "b"), after_s=1)
    instance.complete(None)

    assert [name for name, _ in instance.called()] == ["FirePushNotification"]


def test_a_dead_letter_is_listed_and_not_sent_again(app: ModuleType) -> None:
    """The decision is made where the attempt was made, and is in the history."""
    instance = orchestration(app, expected=["eastus"])
    instance.complete({"error": "answered 410", "pause_ms": 1_000, "dead": True})
    instance.raise_event("eastus", stamp(instance, "late"), after_s=60)

    assert len(instance.called()) == 1
    (entry,) = instance.status["outbox"]
    assert (entry["error"], entry["dead_ms"]) == ("answered 410", BEGAN_MS)


def test_a_dead_letter_is_sent_again_by_an_event(app: ModuleType) -> None:
    """By its target's name, under the key that it had, and from the beginning; nonsense changes nothing."""
    instance = orchestration(app, expected=["eastus"])
    instance.complete({"error": "answered 410", "pause_ms": 1_000, "dead": True})
    for nonsense in ("another target", {"a": 1}, None):
        instance.raise_event("fanin-retry", nonsense, after_s=60)
    ((_, first),) = instance.called()

    instance.raise_event("fanin-retry", first["target"], after_s=60)
    _, (_, second) = instance.called()
    instance.complete(None)

    assert (second["notification"], second["record"]) == (first["notification"], {})
    assert "outbox" not in instance.status


def test_it_ends_when_the_retention_is_over(app: ModuleType) -> None:
    """A week later, which takes several timers: none of them may be longer than six days."""
    instance = orchestration(app, expected=["eastus"])
    instance.complete(None)
    while not instance.is_done:
        instance.fire_next_timer()

    assert (instance.now - BEGAN).days == 7
    assert instance.last["output"] == {"outcome": "completed"}


def test_a_hundred_duplicates_begin_a_new_history_with_the_state_so_far(app: ModuleType) -> None:
    """Histories are replayed as a whole, so they must not grow for ever."""
    instance = orchestration(app, expected=["eastus"])
    instance.complete(None)
    for n in range(120):
        instance.raise_event("eastus", stamp(instance, f"copy-{n}"), after_s=1)
        if instance.is_done:
            break

    carried = json.loads(next(it["input"] for it in instance._actions if it["actionType"] == 4))["carried"]
    assert carried["state"]["duplicates"] == n + 1
    again = orchestration(app, expected=["eastus"], carried=carried)
    again.raise_event("eastus", stamp(again, "another"), after_s=1)
    assert again.status["state"]["duplicates"] == n + 2
    assert again.called() == []


def test_it_can_be_stepped_with_the_sdks_own_helper(app: ModuleType) -> None:
    """`orchestrator_generator_wrapper` feeds each task's result back, as a replay does."""
    from azure.durable_functions.testing import orchestrator_generator_wrapper

    context = app.FunctionsContext(_Context())
    input_ = app.msgspec.convert(orchestration(app, expected=["eastus"])._input, app.OrchestrationInput)
    routine = app.wait_for_all_regions(context, input_)
    waits = orchestrator_generator_wrapper(routine)

    assert next(waits).names == ["FirePushNotification", "eastus", "fanin-retry", "timer"]


class _Task:
    """A task that never ends."""

    is_completed, result, id = False, None, 0

    def __init__(self, *names: str) -> None:
        self.names = list(names)


class _Context:
    """As much of a context as one turn needs."""

    current_utc_datetime, is_replaying = BEGAN, False
    deferred_tasks: ClassVar[dict[str, Any]] = {}

    def wait_for_external_event(self, name: str) -> _Task:
        return _Task(name)

    def create_timer(self, _: Any) -> _Task:
        return _Task("timer")

    def call_activity(self, name: str, _: Any) -> _Task:
        return _Task(name)

    def task_any(self, tasks: list[_Task]) -> _Task:
        return _Task(*(name for task in tasks for name in task.names))

    def set_custom_status(self, _: Any) -> None:
        """No test reads it."""


# --- webhooks ---


class Client:
    """A durable client whose storage lets two starts through, as some do."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.known: set[str] = set()

    async def raise_event(self, instance: str, name: str, data: Any) -> None:
        self.calls.append(("event", (name, data)))
        if instance not in self.known:
            raise Exception(f"No instance with ID {instance} found.")  # noqa: TRY002 - the SDK raises that

    async def start_new(self, _: str, instance: str, order: Any) -> str:
        self.calls.append(("start", order))
        self.known.add(instance)
        return instance

    def create_check_status_response(self, _: Any, instance: str) -> Any:
        import azure.functions as func

        return func.HttpResponse(json.dumps({"id": instance}), status_code=202)


def push(app: ModuleType, client: Client, region: str, body: Any = None) -> tuple[int, Any]:
    import azure.functions as func

    payload = {"id": "op-1", "action": "push", "target": {"repository": "team/app"}} if body is None else body
    request = func.HttpRequest(
        "POST", "http://x/api/ImagePush", params={"region": region}, body=json.dumps(payload).encode()
    )
    response = asyncio.run(function(app, "ImagePush").client_function(request, client))
    return response.status_code, json.loads(response.get_body())


def test_the_first_webhook_starts_and_delivers_the_others_deliver(app: ModuleType) -> None:
    """The event follows its start under the same name, so the process that won the start counts it once."""
    client = Client()

    assert push(app, client, "EastUS")[0] == 202
    assert push(app, client, "westus")[0] == 202
    kinds = [kind for kind, _ in client.calls]
    assert kinds == ["event", "start", "event", "event"]
    order, (name, event) = client.calls[1][1], client.calls[2][1]
    assert (name, order["region"], event["delivery"]) == ("eastus", "eastus", order["delivery"])
    assert order["timeout_ms"] == 80_000


def test_a_loser_of_the_start_delivers_to_the_winner(app: ModuleType) -> None:
    """Its start may be refused or swallowed; its event is raised all the same."""
    client = Client()

    async def refuse(_: str, instance: str, order: Any) -> str:
        client.calls.append(("start", order))
        client.known.add(instance)  # another process started it
        raise Exception("conflict")  # noqa: TRY002 - the SDK raises that

    client.start_new = refuse  # type: ignore[method-assign]

    assert push(app, client, "eastus")[0] == 202
    assert [kind for kind, _ in client.calls] == ["event", "start", "event"]


@pytest.mark.parametrize(
    ("region", "body", "status"),
    [
        ("mars", None, 400),
        ("", None, 400),
        ("eastus", {"action": "push"}, 400),
        ("eastus", {"action": "ping"}, 200),
    ],
)
def test_what_is_no_arrival_starts_nothing(app: ModuleType, region: str, body: Any, status: int) -> None:
    """Refused, or answered and ignored; never stored."""
    client = Client()

    assert push(app, client, region, body)[0] == status
    assert client.calls == []


def test_storage_that_takes_nothing_is_a_503(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is told to come back."""
    monkeypatch.setattr(app, "PAUSE_S", 0)
    client = Client()

    async def forget(_: str, instance: str, order: Any) -> str:
        client.calls.append((instance, order))
        raise Exception("storage is away")  # noqa: TRY002 - the SDK raises that

    client.start_new = forget  # type: ignore[method-assign]

    status, body = push(app, client, "eastus")
    assert (status, body["error"]) == (503, "store-busy")
