"""Plays the registry's part: sends every webhook when it is due, and retries as its sender profile does."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from typing import Any

from msgspec import structs

from fanin.harness.dialect import PLAIN, Dialect
from fanin.harness.history import AttemptEnded, AttemptSent, FaultApplied, RegistryEvent, Unsent
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.request import Deliveries, request_of
from fanin.harness.world.target import Target
from fanin.simulator.delivery import Profile, next_attempt_after_ms, parse_retry_after, profile_of
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.plan import Delivery, Occurrence, UnsentDelivery
from fanin.simulator.rng import LazyRandom, RandomSource, sample_ms


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


class RegistryDriver:
    """Sends what the registry announces, over a network that takes its time."""

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
        dialect: Dialect = PLAIN,
        throttle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._scenario, self._registry = scenario, registry
        self._targets, self._nemesis, self._recorder = targets, nemesis, recorder
        self._wall_ms = wall_ms  # what senders' clocks show, in Unix milliseconds
        self._profile = profile or profile_of(scenario.sender)
        self._dialect = dialect
        self._throttle = throttle  # awaited before every request; what it takes is no part of the request
        self._seed = seed
        self._places = {region: place for place, region in enumerate(scenario.regions)}
        self._gathering: dict[str, list[Delivery]] = {}  # by region: what goes into its next envelope
        self._turns = {region: asyncio.Lock() for region in scenario.regions}  # of a sender that is serial
        self._due: list[tuple[int, int, Delivery | UnsentDelivery]] = []
        self._order = count()
        self._deliveries: dict[asyncio.Task[None], None] = {}  # a set that keeps its order
        self._defects: list[BaseException] = []  # of the harness itself
        self._op_by_id: dict[str, str] = {}  # by payload id
        self._op_by_image: dict[tuple[str | None, ...], str] = {}  # by action, repository, tag, digest

    async def run(self) -> None:
        """Play every operation. Ends when every delivery has succeeded or was given up."""
        occurrences = iter(self._registry.occurrences())
        upcoming = next(occurrences, None)
        while upcoming is not None or self._due:
            if upcoming is not None and (not self._due or upcoming.at_ms <= self._due[0][0]):
                await self._nemesis.until(upcoming.at_ms)
                self._occur(upcoming)
                upcoming = next(occurrences, None)
            else:
                due_ms, _, what = heapq.heappop(self._due)
                await self._nemesis.until(due_ms)
                self._act(what)
        if self._profile.attempts is not None:
            while self._deliveries:
                await asyncio.wait(self._deliveries)
        self._raise_defect()

    async def give_up(self) -> None:
        """End the deliveries of a sender that never gives up by itself."""
        deliveries = tuple(self._deliveries)
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)
        self._raise_defect()

    def _raise_defect(self) -> None:
        """A webhook that the harness failed to carry was never sent: no verdict may rest on it."""
        if self._defects:
            raise self._defects[0]

    def operation_of(self, body: dict[str, Any] | None) -> str | None:
        """The operation that a notification's body is about; None when no such operation has happened."""
        if body is None:
            return None
        image = (body.get("action"), body.get("repository"), body.get("tag"), body.get("digest"))
        return self._op_by_id.get(str(body.get("id"))) or self._op_by_image.get(tuple(map(_text, image)))

    def _occur(self, it: Occurrence) -> None:
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
            )
        )
        for payload_id in it.ids.values():
            self._op_by_id.setdefault(payload_id, it.op)
        self._op_by_image.setdefault((it.action, it.repository, it.tag, it.digest), it.op)
        coming: list[Delivery | UnsentDelivery] = [*it.deliveries, *it.unsent]
        for what in coming:
            heapq.heappush(self._due, (what.due_ms, next(self._order), what))

    def _act(self, what: Delivery | UnsentDelivery) -> None:
        if isinstance(what, UnsentDelivery):
            now = self._recorder.now_ms()
            if what.fault is not None:
                self._recorder.write(FaultApplied(now, what.fault, what.op, what.region))
            self._recorder.write(Unsent(now, what.op, what.region, what.why))
            return
        for index in what.faults:
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index, what.op, what.region))
        if self._scenario.sender.envelope is None:
            self._begin(self._deliver((what,)))
        elif what.region in self._gathering:
            self._gathering[what.region].append(what)
        else:
            self._gathering[what.region] = [what]
            self._begin(self._gather(what.region, self._scenario.sender.envelope))

    def _begin(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(delivery)
        self._deliveries[task] = None
        task.add_done_callback(self._over)

    def _over(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.pop(delivery, None)
        if not delivery.cancelled() and (defect := delivery.exception()) is not None:
            self._defects.append(defect)

    async def _gather(self, region: str, for_ms: int) -> None:
        """Wait for what else this region has to send, and send all of it as one."""
        await asyncio.sleep(for_ms / 1000)
        await self._deliver(tuple(self._gathering.pop(region)))

    async def _deliver(self, parcel: Deliveries) -> None:
        """Attempt one delivery until it succeeds or its sender gives up."""
        if self._profile.serial:
            async with self._turns[parcel[0].region]:
                await self._attempt_until_over(parcel)
        else:
            await self._attempt_until_over(parcel)

    async def _attempt_until_over(self, parcel: Deliveries) -> None:
        for retry in count():
            answer = await self._attempt(parcel, retry)
            wait_ms = next_attempt_after_ms(
                self._profile,
                retry + 1,
                status=answer.status,
                retry_after_ms=parse_retry_after(answer.retry_after),
            )
            if wait_ms is None:
                return
            await asyncio.sleep(wait_ms / 1000)

    async def _attempt(self, parcel: Deliveries, retry: int) -> AttemptEnded:
        if self._throttle is not None:
            await self._throttle()
        first, who = parcel[0], self._whose_turn(parcel[0], retry)
        attempts = self._leave(parcel, retry, who)
        try:
            async with asyncio.timeout(self._profile.timeout_ms / 1000):
                status, retry_after = await self._exchange(parcel, attempts[0], retry, who)
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], status, retry_after=retry_after)
        except TimeoutError:
            lost = retry < first.lose_requests
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="lost" if lost else "timeout")
        except ConnectionRefusedError:
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="refused")
        except ConnectionResetError:
            ended = AttemptEnded(self._recorder.now_ms(), attempts[0], error="reset")
        except asyncio.CancelledError:
            self._end(AttemptEnded(self._recorder.now_ms(), attempts[0], error="run-ended"), attempts)
            raise
        self._end(ended, attempts)
        if ended.status is not None:
            for it in parcel:
                self._nemesis.on_response_received(it.op, it.region, ended.status, who)
        return ended

    def _whose_turn(self, it: Delivery, retry: int) -> int:
        """Which replica takes it: regions take turns, and so do copies and retries."""
        return (self._places[it.region] + it.copy + retry) % len(self._targets)

    def _leave(self, parcel: Deliveries, retry: int, who: int) -> list[int]:
        """Write down that an attempt leaves; return its numbers, one for each delivery that it carries."""
        attempts = [self._recorder.next_attempt() for _ in parcel]
        envelope = 0 if self._scenario.sender.envelope is None else attempts[0]
        replica = 0 if len(self._targets) == 1 else who + 1
        for attempt, it in zip(attempts, parcel, strict=True):
            self._recorder.write(
                AttemptSent(
                    self._recorder.now_ms(),
                    attempt,
                    it.op,
                    it.region,
                    it.id,
                    it.request.claims,
                    copy=it.copy,
                    retry=retry,
                    invalid_because=it.invalid_because,
                    replica=replica,
                    envelope=envelope,
                )
            )
        return attempts

    def _end(self, ended: AttemptEnded, attempts: Sequence[int]) -> None:
        for attempt in attempts:
            self._recorder.write(structs.replace(ended, attempt=attempt))

    async def _exchange(
        self, parcel: Deliveries, attempt: int, retry: int, who: int
    ) -> tuple[int, str | None]:
        """One request and its answer on a network that may lose either."""
        it = parcel[0]
        if retry < it.lose_requests:
            self._bite(it.lose_requests_fault, it, attempt)
            await asyncio.get_running_loop().create_future()  # the sender's timeout ends the wait
        draws = LazyRandom(self._seed, "latency", it.op, it.region, it.copy, retry)
        await self._travel(draws)
        now_ms, wall_ms = self._recorder.now_ms(), self._wall_ms()
        answer = await self._targets[who].request(
            request_of(parcel, self._scenario, at_ms=now_ms, epoch_ms=wall_ms),
            body_over_ms=it.body_over_ms,
            on_response=lambda status: self._answering(parcel, self._dialect.status(status), who),
        )
        if retry < it.lose_answers:
            self._bite(it.lose_answers_fault, it, attempt)
            raise ConnectionResetError("the answer was lost")
        await self._travel(draws)
        return self._dialect.status(answer.status), answer.headers.get("retry-after")

    def _answering(self, parcel: Deliveries, status: int, who: int) -> bool:
        """The answer is about to leave; True: it never will."""
        struck = [self._nemesis.on_response(it.op, it.region, status, who) for it in parcel]
        return any(struck)

    async def _travel(self, draws: RandomSource) -> None:
        delay_ms = sample_ms(self._scenario.latency, draws)
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)

    def _bite(self, index: int | None, it: Delivery, attempt: int) -> None:
        if index is not None:
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index, it.op, it.region, attempt))
