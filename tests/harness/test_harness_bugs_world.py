"""What the harness itself must never do wrong, second half: the world that it builds around an aggregator.

As in the first half, each check is made twice: with the harness as it is, and with the bug that it is about.
What really reached the aggregator is recorded by code that is no part of the harness: a layer around
the application, and one around its notifier.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
import simloop

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import Notification
from fanin.harness.history import AttemptEnded, AttemptSent, History, NotificationReceived, SinkResponded
from fanin.harness.mutants.matrix import scenario_of
from fanin.harness.mutants.variation import Send, vary
from fanin.harness.world import play as playing
from fanin.harness.world.asgi import AsgiApp, WebhookResponse
from fanin.harness.world.host_loop import HostLoop, RunawayError, elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import EPOCH_MS, play, play_foreign_app
from fanin.harness.world.process_state import ProcessState
from fanin.harness.world.registry_driver import RegistryDriver
from fanin.harness.world.sink import Sink
from fanin.harness.world.target import InProcessTarget
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.faults import apply
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.request import Malform, UnknownRegion
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses
from fanin.simulator.faults.transport import (
    DelayBy,
    Drop,
    Duplicate,
    LoseRequest,
    LoseResponse,
    Reorder,
    SlowClient,
)
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.shapes import Delay
from tests.harness.oracle.lies import Lie, Patch
from tests.paths import FOREIGN_APPS

NORTH, WEST = "northeurope", "westeurope"
LATENCY_MS = 1


@dataclass
class Observer:
    """Stands between harness and aggregator, and writes down what passes."""

    arrived: list[tuple[int, str, str]] = field(default_factory=list)  # when, region, payload id
    accepted: list[bool] = field(default_factory=list)  # each attempt at a notification: was it accepted?

    def around(self, app: AsgiApp) -> AsgiApp:
        async def observed(scope: Any, receive: Any, send: Any) -> None:
            body = b""

            async def reading() -> Any:
                nonlocal body
                message = await receive()
                body += message.get("body", b"")
                if message["type"] == "http.request" and not message["more_body"]:
                    self._arrived(scope, body)
                return message

            await app(scope, reading if scope["type"] == "http" else receive, send)

        return observed

    def _arrived(self, scope: Any, body: bytes) -> None:
        (region,) = parse_qs(scope["query_string"].decode()).get("region", [""])
        try:
            self.arrived.append((elapsed_ms(), region, json.loads(body)["id"]))
        except ValueError:
            self.arrived.append((elapsed_ms(), region, "unreadable"))

    def send(self, send: Send, _: Clock) -> Send:
        async def observed(notification: Notification) -> None:
            accepted = False
            try:
                await send(notification)
                accepted = True
            finally:  # it may also be given up from outside
                self.accepted.append(accepted)

        return observed


def world(*gone_wrong: Fault, **fields: Any) -> Scenario:
    """Two regions report a second apart; a minute's timeout, and a network that takes a millisecond."""
    return Scenario(
        "world", "By hand", regions=(NORTH, WEST), timeout=60_000, latency=Delay(fixed=LATENCY_MS),
        operations=(Operation(name="op1", reaches={NORTH: Delay(fixed=0), WEST: Delay(fixed=1_000)}),),
        faults=gone_wrong,
    ) if not fields else msgspec.structs.replace(world(*gone_wrong), **fields)  # fmt: skip


def observed(scenario: Scenario, seed: int = 0) -> tuple[Observer, History]:
    observer = Observer()
    factory = vary(middleware=observer.around, send=observer.send)
    return observer, play(scenario, seed=seed, factory=factory)


# --- a fault of probability 0 takes effect ---

KINDS: tuple[Callable[[float], DeliveryFault], ...] = (
    lambda chance: Drop(chance=chance),
    lambda chance: DelayBy(chance=chance, by=Delay(fixed=5_000)),
    lambda chance: Duplicate(chance=chance, after=(5_000,)),
    lambda chance: Reorder(chance=chance, within=5_000),
    lambda chance: LoseRequest(chance=chance),
    lambda chance: LoseResponse(chance=chance),
    lambda chance: SlowClient(chance=chance, over=5_000),
    lambda chance: Malform(chance=chance),
    lambda chance: UnknownRegion(chance=chance, url_region="mars"),
)


def a_fault_that_cannot_happen_changes_nothing() -> None:
    """Not one record, not one scheduling choice; and one that is certain changes something."""
    quiet = play(world()).entries
    for kind in KINDS:
        assert play(world(kind(0))).entries == quiet
        assert play(world(kind(1))).entries != quiet


def _nothing_said_means_always(patch: Patch) -> None:
    takes_effect = apply._takes_effect

    def careless(fault: DeliveryFault, source: Any) -> bool:
        return not fault.chance or takes_effect(fault, source)

    patch.setattr(apply, "_takes_effect", careless)


# --- the fault hits the wrong side ---

type Seen = tuple[
    int, int | str | None, str
]  # requests that arrived from the west, how its sender fared, outcome
ON_DELIVERIES: tuple[tuple[Fault | None, Seen], ...] = (
    (None, (1, 202, "completed")),
    (Drop(region=WEST), (0, None, "timed_out")),
    (LoseRequest(region=WEST), (0, "lost", "timed_out")),
    (LoseResponse(region=WEST), (1, "reset", "completed")),
    (SlowClient(region=WEST, over=5_000), (1, 202, "completed")),
    (Malform(region=WEST), (1, 400, "timed_out")),
    (Crash(step="before-response", region=WEST, down_for=1_000), (1, "reset", "completed")),
    (Crash(at=1_000, down_for=1_000), (0, "refused", "timed_out")),
    (Duplicate(region=WEST, after=(10,)), (2, 202, "completed")),
)
# By the fault: what the sink answered to each notification that it has read, and what its sender made of it.
ON_THE_SINK: tuple[tuple[Fault, list[int | str], list[bool]], ...] = (
    (SinkRefuses(until=3_000), [503, 503, 200], [False, False, True]),
    (SinkLosesResponse(), ["reset", 200], [False, True]),
    (SinkDown(until=3_000), [200], [False, False, True]),
    (SinkHangs(until=3_000), ["hung", 200], [False, True]),
)


def a_fault_hits_what_it_names() -> None:
    """Seen from the other side: did the request arrive although its sender thinks not?"""
    for fault, expected in ON_DELIVERIES:
        observer, history = observed(world(*([fault] if fault else [])))
        arrived = sum(region == WEST for _, region, _ in observer.arrived)
        assert (arrived, _fate(history), _outcome(history)) == expected, fault
    for fault, replies, accepted in ON_THE_SINK:
        observer, history = observed(world(fault))
        answered = [it.error or it.status for it in history.entries if isinstance(it, SinkResponded)]
        assert (answered, observer.accepted) == (replies, accepted), fault


def _fate(history: History) -> int | str | None:
    """How the first attempt from the west ended for its sender."""
    sent = [it.attempt for it in history.entries if isinstance(it, AttemptSent) and it.region == WEST]
    answers = {it.attempt: it for it in history.entries if isinstance(it, AttemptEnded)}
    return (answers[sent[0]].error or answers[sent[0]].status) if sent else None


def _outcome(history: History) -> str:
    return next(
        str(it.body and it.body["outcome"]) for it in history.entries if isinstance(it, NotificationReceived)
    )


def _answers_are_lost_on_the_way_there(patch: Patch) -> None:
    exchange = RegistryDriver._exchange

    async def wrong(
        self: RegistryDriver, deliveries: Any, attempt: int, retry: int, replica: int
    ) -> tuple[int, str | None]:
        it = deliveries[0]
        if retry < it.lose_responses:
            self._record_fault(it.lose_responses_fault, it, attempt)
            raise ConnectionResetError
        return await exchange(self, deliveries, attempt, retry, replica)

    patch.setattr(RegistryDriver, "_exchange", wrong)


def _lost_answers_are_sent(patch: Patch) -> None:
    from fanin.harness.world.sink import Connection

    patch.setattr(Connection, "reset", lambda self, post: self.respond_to(post, 200))


# --- the clock skips, or does not ---


def everything_happens_at_its_time() -> None:
    """Webhooks leave when the plan says so, and a timeout is reported when it is due, also in a month."""
    for name in ("dropped-region", "thirty-days", "duplicate-after-done"):
        scenario = scenario_of(name)
        plan = FakeRegistry(scenario, seed=0, epoch_ms=EPOCH_MS).occurrences()
        due = sorted(it.due_ms for occurrence in plan for it in occurrence.deliveries)
        history = play(scenario)
        assert sorted(it.at for it in history.entries if isinstance(it, AttemptSent)) == due
    observer, history = observed(world(Drop(region=WEST)))
    notified = [it.at for it in history.entries if isinstance(it, NotificationReceived)]
    assert notified == [observer.arrived[0][0] + 60_000]


def foreign_apps_see_the_same_time() -> None:
    """`time.time()` in a foreign app is the scenario's time, at every request."""
    seen: list[tuple[float, int]] = []
    build = find_app("unmodified:create_app", FOREIGN_APPS)

    def watched() -> AsgiApp:
        app = build()

        async def looking(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                seen.append((round(time.time() * 1000), EPOCH_MS + elapsed_ms()))
            await app(scope, receive, send)

        return looking

    play_foreign_app(scenario_of("thirty-days"), watched, name="unmodified")

    assert len(seen) > 3
    assert [theirs - ours for theirs, ours in seen] == [0] * len(seen)


def _skips_too_far(patch: Patch) -> None:
    advance = HostLoop._advance_clock

    def further(self: Any) -> None:
        advance(self)
        if self._now > 1:
            self._now += 5.0

    patch.setattr(HostLoop, "_advance_clock", further)


def _leaves_the_wall_clock_behind(patch: Patch) -> None:
    patch.setattr(HostLoop, "_advance_clock", simloop.SimLoop._advance_clock)


def test_a_world_in_which_nothing_will_ever_happen_again_is_an_error() -> None:
    """Waiting for ever costs no virtual time, so it must not be done silently."""

    async def asleep() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RunawayError, match="nothing was left"):
        VirtualKernel(0).run(asleep())


# --- one run disturbs the next ---


def a_run_leaves_nothing_behind() -> None:
    """Whatever was played in between, and whichever foreign app was judged."""
    answers_lost = scenario_of("sink-response-lost")
    before = play(answers_lost)
    environment, numbers = dict(os.environ), random.getstate()
    play(scenario_of("storm"), seed=3)
    play_foreign_app(answers_lost, find_app("unmodified:create_app", FOREIGN_APPS), name="unmodified")

    assert play(answers_lost).entries == before.entries
    assert (dict(os.environ), random.getstate()) == (environment, numbers)
    assert abs(time.time() - time.clock_gettime(time.CLOCK_REALTIME)) < 60


def _the_sink_keeps_count_for_all(patch: Patch) -> None:
    shared: dict[int, int] = {}
    begin = Sink.__init__

    def begin_with_it(self: Sink, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self._applied = shared

    patch.setattr(Sink, "__init__", begin_with_it)


def _foreign_apps_stay(patch: Patch) -> None:
    patch.setattr(os, "environ", {**os.environ})  # what they change is undone with the bug
    patch.setattr(playing, "seeded", nullcontext)
    patch.setattr(ProcessState, "restore", lambda _: None)


# --- the harness itself loses or reorders what it carries ---


def what_is_sent_arrives() -> None:
    """All of it, when it says; and what the notifier sends is read, all of it."""
    many = Operation(name="op", image="team/app:{n}", repeat=30, every=7)
    crowded = world(Duplicate(chance=0.5, after=(0, 3)), Reorder(within=20), operations=(many,))

    observer, history = observed(crowded, seed=4)
    sent = [
        (it.at + LATENCY_MS, it.url_region, it.id) for it in history.entries if isinstance(it, AttemptSent)
    ]
    assert len(sent) > 60
    assert sorted(observer.arrived) == sorted(sent)
    assert observer.accepted == [True] * 30

    observer, history = observed(scenario_of("poisoned-sink"))
    replies = [it.status == 200 for it in history.entries if isinstance(it, SinkResponded)]
    assert sorted(observer.accepted) == sorted(replies)


type Ask = Callable[..., Awaitable[WebhookResponse]]


def _relay(spoil: Callable[[int], Awaitable[None]]) -> Callable[[Patch], None]:
    """A target that does something to every request before it takes it."""

    def bug(patch: Patch) -> None:
        ask: Ask = InProcessTarget.request
        asked = 0

        async def request(*args: Any, **kwargs: Any) -> WebhookResponse:
            nonlocal asked
            asked += 1
            await spoil(asked)
            return await ask(*args, **kwargs)

        patch.setattr(InProcessTarget, "request", request)

    return bug


async def _lose_some(n: int) -> None:
    if n % 10 == 0:
        await asyncio.get_running_loop().create_future()


async def _hold_some_back(n: int) -> None:
    if n % 2:
        await asyncio.sleep(0.05)


LIES = {
    "H6 chance 0": Lie(a_fault_that_cannot_happen_changes_nothing, _nothing_said_means_always),
    "H7 the sender's side": Lie(a_fault_hits_what_it_names, _answers_are_lost_on_the_way_there),
    "H7 the sink's side": Lie(a_fault_hits_what_it_names, _lost_answers_are_sent),
    "H8 skips": Lie(everything_happens_at_its_time, _skips_too_far),
    "H8 two clocks": Lie(foreign_apps_see_the_same_time, _leaves_the_wall_clock_behind),
    "H9 shared state": Lie(a_run_leaves_nothing_behind, _the_sink_keeps_count_for_all),
    "H9 foreign apps": Lie(a_run_leaves_nothing_behind, _foreign_apps_stay),
    "H10 loses": Lie(what_is_sent_arrives, _relay(_lose_some)),
    "H10 reorders": Lie(what_is_sent_arrives, _relay(_hold_some_back)),
}


@pytest.mark.parametrize("check", dict.fromkeys(it.check for it in LIES.values()), ids=lambda it: it.__name__)
def test_the_harness_does_not_lie(check: Callable[[], None]) -> None:
    """Each check says in its own docstring what the harness must do."""
    check()


@pytest.mark.parametrize("name", LIES)
def test_a_harness_that_lies_so_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails while the bug is in."""
    LIES[name].must_be_noticed(monkeypatch)
