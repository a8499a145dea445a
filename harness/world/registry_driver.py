"""Plays the registry: sends every webhook when it is due, and retries as its sender profile does.

A request carries one delivery; several where the sender gathers events in envelopes. It is signed when it is
sent, each attempt anew.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from typing import Any

from msgspec import structs

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import AttemptEnded, AttemptSent, FaultApplied, RegistryEvent, Unsent
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.target import Target
from fanin.simulator.delivery import Profile, next_attempt_after_ms, parse_retry_after, profile_of
from fanin.simulator.event_grid import event_grid_request
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.plan import Delivery, Occurrence, UnsentDelivery
from fanin.simulator.rng import LazyRandom, RandomSource, sample_ms
from fanin.simulator.signing import FOREIGN_SECRET, message_id, secret_at, signed
from fanin.simulator.wire import WebhookRequest, envelope_request, with_body

type Deliveries = tuple[Delivery, ...]  # of one request, at least one; of one region, but for Event Grid


class RegistryDriver:
    """Sends the deliveries of a registry's plan, over a network with latency.

    Args:
        scenario: Says how the sender behaves, and how its network does.
        registry: Plans what is delivered when.
        targets: The aggregator, or its replicas.
        nemesis: Called at every step of a request at which a fault may happen.
        recorder: Records every attempt.
        seed: Of the network's latency.
        wall_ms: The clock of the senders, Unix milliseconds.
        profile: How the sender retries; by default as the scenario says.
        dialect: How the target's responses are to be understood.
        throttle: Awaited before every request; the time that it takes is no part of the request.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        registry: FakeRegistry,
        targets: Sequence[Target],
        nemesis: Nemesis,
        recorder: Recorder,
        seed: int,
        wall_ms: Callable[[], int],
        profile: Profile | None = None,
        dialect: Dialect = CONTRACT,
        throttle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._scenario, self._registry = scenario, registry
        self._targets, self._nemesis, self._recorder = targets, nemesis, recorder
        self._wall_ms, self._seed = wall_ms, seed
        self._profile = profile or profile_of(scenario.sender)
        self._dialect, self._throttle = dialect, throttle
        self._region_index = {region: index for index, region in enumerate(scenario.regions)}
        self._envelopes: dict[str, list[Delivery]] = {}  # by region, or "": those that still gather events
        self._serial = {region: asyncio.Lock() for region in scenario.regions}  # for serial senders
        self._due: list[tuple[int, int, Delivery | UnsentDelivery]] = []  # a heap, by time and order
        self._order = count()
        self._tasks: dict[asyncio.Task[None], None] = {}  # a set that keeps its order
        self._defects: list[BaseException] = []  # of the harness itself
        self._operation_by_id: dict[str, str] = {}  # by payload id
        self._operation_by_image: dict[tuple[str | None, ...], str] = {}  # action, repository, tag, digest

    async def run(self) -> None:
        """Send everything. Ends when every delivery has succeeded, or its sender has given up."""
        occurrences = iter(self._registry.occurrences())
        upcoming = next(occurrences, None)
        while upcoming is not None or self._due:
            if upcoming is not None and (not self._due or upcoming.at_ms <= self._due[0][0]):
                await self._nemesis.wait_until(upcoming.at_ms)
                self._publish(upcoming)
                upcoming = next(occurrences, None)
            else:
                due_ms, _, delivery = heapq.heappop(self._due)
                await self._nemesis.wait_until(due_ms)
                self._dispatch(delivery)
        if self._profile.attempts is not None:
            while self._tasks:
                await asyncio.wait(self._tasks)
        self._raise_defect()

    async def cancel(self) -> None:
        """End the deliveries of a sender that never gives up by itself."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._raise_defect()

    def operation_of(self, body: dict[str, Any] | None) -> str | None:
        """The operation that a notification's body is about; None when no such operation has happened."""
        if body is None:
            return None
        image = (body.get("action"), body.get("repository"), body.get("tag"), body.get("digest"))
        by_image = self._operation_by_image.get(tuple(map(_text, image)))
        return self._operation_by_id.get(str(body.get("id"))) or by_image

    def _raise_defect(self) -> None:
        """A delivery that failed within the harness was never sent; no verdict may rest on it."""
        if self._defects:
            raise self._defects[0]

    def _publish(self, it: Occurrence) -> None:
        self._recorder.write(
            RegistryEvent(
                self._recorder.now_ms(),
                it.op,
                it.action,
                it.host,
                it.repository,
                it.tag,
                it.digest,
                dict(it.ids),
                it.details,
            )
        )
        for payload_id in it.ids.values():
            self._operation_by_id.setdefault(payload_id, it.op)
        # An image that is pushed again is the latest push's.
        self._operation_by_image[it.action, it.repository, it.tag, it.digest] = it.op
        deliveries: list[Delivery | UnsentDelivery] = [*it.deliveries, *it.unsent]
        for delivery in deliveries:
            heapq.heappush(self._due, (delivery.due_ms, next(self._order), delivery))

    def _dispatch(self, it: Delivery | UnsentDelivery) -> None:
        """Begin to send a delivery that is due, or put it into its region's envelope."""
        if isinstance(it, UnsentDelivery):
            self._record_fault(it.fault, it)
            self._recorder.write(Unsent(self._recorder.now_ms(), it.op, it.region, it.why))
            return
        for index in it.faults:
            self._record_fault(index, it)
        sender = self._scenario.sender
        # Event Grid has one subscription for all regions, each of which has a webhook of its own.
        gathered = "" if sender.profile == "event-grid" else it.region
        if sender.envelope is None:
            self._start(self._deliver((it,)))
        elif gathered in self._envelopes:
            self._envelopes[gathered].append(it)
        else:
            self._envelopes[gathered] = [it]
            self._start(self._deliver_envelope(gathered, sender.envelope))

    def _start(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks[task] = None
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._defects.append(defect)

    async def _deliver_envelope(self, gathered: str, gather_ms: int) -> None:
        """Gather events, of a region or of all, for a while, then deliver them as one request."""
        await asyncio.sleep(gather_ms / 1000)
        await self._deliver(tuple(self._envelopes.pop(gathered)))

    async def _deliver(self, deliveries: Deliveries) -> None:
        """Attempt one request until it succeeds or its sender gives up."""
        if self._profile.serial:
            async with self._serial[deliveries[0].region]:
                await self._attempt_until_done(deliveries)
        else:
            await self._attempt_until_done(deliveries)

    async def _attempt_until_done(self, deliveries: Deliveries) -> None:
        began_ms = self._recorder.now_ms()
        for retry in count():
            ended = await self._attempt(deliveries, retry)
            wait_ms = next_attempt_after_ms(
                self._profile,
                retry + 1,
                status=ended.status,
                retry_after_ms=parse_retry_after(ended.retry_after),
                age_ms=self._recorder.now_ms() - began_ms,
            )
            if wait_ms is None:
                return
            await asyncio.sleep(wait_ms / 1000)

    async def _attempt(self, deliveries: Deliveries, retry: int) -> AttemptEnded:
        if self._throttle is not None:
            await self._throttle()
        first, replica = deliveries[0], self._replica_for(deliveries[0], retry)
        attempts = self._record_sent(deliveries, retry, replica)
        try:
            # It begins to wait for a response when it has sent all of the request.
            async with asyncio.timeout((self._profile.timeout_ms + first.body_over_ms) / 1000):
                status, retry_after = await self._exchange(deliveries, attempts[0], retry, replica)
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], status, retry_after=retry_after)
        except TimeoutError:
            lost = retry < first.lose_requests
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="lost" if lost else "timeout")
        except ConnectionRefusedError:
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="refused")
        except ConnectionResetError:
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="reset")
        except asyncio.CancelledError:
            run_ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="run-ended")
            self._record_ended(run_ended, attempts)
            raise
        self._record_ended(ended, attempts)
        if ended.status is not None:
            for it in deliveries:
                self._nemesis.on_response_received(it.op, it.region, ended.status, replica)
        return ended

    async def _exchange(
        self, deliveries: Deliveries, attempt: int, retry: int, replica: int
    ) -> tuple[int, str | None]:
        """One request and its response, on a network that may lose either.

        Returns:
            The status in the contract's terms, and the ``Retry-After`` header.

        Raises:
            ConnectionRefusedError: the aggregator is down.
            ConnectionResetError: the connection broke, or the response was lost.
        """
        first = deliveries[0]
        if retry < first.lose_requests:
            self._record_fault(first.lose_requests_fault, first, attempt)
            await asyncio.get_running_loop().create_future()  # the sender's timeout ends the wait
        rng = LazyRandom(self._seed, "latency", first.op, first.region, first.copy, retry)
        await self._travel(rng)
        request = build_request(
            deliveries, self._scenario, at_ms=self._recorder.now_ms(), epoch_ms=self._wall_ms()
        )
        response = await self._targets[replica].request(
            self._dialect.request(request),
            body_over_ms=first.body_over_ms,
            on_response=lambda status: self._is_killed_by(deliveries, self._dialect.status(status), replica),
        )
        if retry < first.lose_responses:
            self._record_fault(first.lose_responses_fault, first, attempt)
            raise ConnectionResetError("the response was lost")
        await self._travel(rng)
        return self._dialect.status(response.status), response.headers.get("retry-after")

    def _is_killed_by(self, deliveries: Deliveries, status: int, replica: int) -> bool:
        """Whether the aggregator is killed now that its response is ready, before it leaves."""
        kills = [self._nemesis.on_response(it.op, it.region, status, replica) for it in deliveries]
        return any(kills)

    async def _travel(self, rng: RandomSource) -> None:
        delay_ms = sample_ms(self._scenario.latency, rng)
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)

    def _replica_for(self, it: Delivery, retry: int) -> int:
        """The replica that takes an attempt: regions take turns, and so do copies and retries."""
        return (self._region_index[it.region] + it.copy + retry) % len(self._targets)

    def _record_sent(self, deliveries: Deliveries, retry: int, replica: int) -> list[int]:
        """Record that an attempt is sent; return the number of each delivery's attempt."""
        attempts = [self._recorder.next_attempt() for _ in deliveries]
        for attempt, it in zip(attempts, deliveries, strict=True):
            self._recorder.write(
                AttemptSent(
                    self._recorder.now_ms(),
                    attempt,
                    it.op,
                    it.region,
                    it.id,
                    it.request.url_region,
                    copy=it.copy,
                    retry=retry,
                    invalid_because=it.invalid_because,
                    replica=0 if len(self._targets) == 1 else replica + 1,
                    envelope=0 if self._scenario.sender.envelope is None else attempts[0],
                )
            )
        return attempts

    def _record_ended(self, ended: AttemptEnded, attempts: Sequence[int]) -> None:
        for attempt in attempts:
            self._recorder.write(structs.replace(ended, attempt=attempt))

    def _record_fault(
        self, index: int | None, it: Delivery | UnsentDelivery, attempt: int | None = None
    ) -> None:
        if index is not None:
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index, it.op, it.region, attempt))


def build_request(deliveries: Deliveries, scenario: Scenario, *, at_ms: int, epoch_ms: int) -> WebhookRequest:
    """The request of one attempt.

    Args:
        deliveries: What it carries.
        scenario: Says whether there are envelopes and signatures, and whether Event Grid sends it.
        at_ms: When it is sent, from the scenario's start.
        epoch_ms: The same in Unix milliseconds.
    """
    first = deliveries[0]
    request = first.request
    if scenario.sender.profile == "event-grid":
        request = event_grid_request([it.request for it in deliveries], scenario.sender.schema)
    elif scenario.sender.envelope is not None:
        request = envelope_request([it.request for it in deliveries])
    signing = scenario.signing
    if not signing.secrets or first.forged == "unsigned":
        return request
    own_secret = secret_at(signing.secrets, at_ms, rotates_ms=signing.rotates)
    secret = FOREIGN_SECRET if first.forged == "wrong-secret" else own_secret
    id_ = message_id(first.id, first.region)
    result = signed(request, secret, id_, epoch_ms=epoch_ms - first.signed_earlier_ms)
    # Still the same JSON, but no longer the bytes that were signed.
    return with_body(result, result.body + b"\n") if first.forged == "altered" else result


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
