"""The engine on Restate, as the port sees it: webhooks go to the server, which calls our handlers.

Rules of this file: one request per webhook, acknowledged when the server has it for certain, whoever carries
it out and when; no state here, so that any number of processes may do the same; a server that is away is a
503, never a hang.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from urllib.parse import quote

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, OutboxPage, Page, Receipt
from fanin.aggregator.engines.restate import operation, outbox_object
from fanin.aggregator.engines.restate.admin import Admin, RefusedError, Stored, Table
from fanin.aggregator.engines.restate.endpoint import Endpoint, Handler
from fanin.aggregator.engines.restate.http import Client, NoAnswerError, Response, UnreachableError
from fanin.aggregator.engines.restate.notification import Telling
from fanin.aggregator.engines.restate.operation import Arrive, Operations, Reply
from fanin.aggregator.engines.restate.options import Options
from fanin.aggregator.engines.restate.services import REVISION, Names, declare
from fanin.aggregator.engines.work_queue import Pace
from fanin.aggregator.errors import (
    StoreBusyError,
    StoreError,
    StoreFailedError,
    StoreUnusableError,
    UnexpectedRegionError,
    UnknownRegionError,
)
from fanin.aggregator.fanin import FanIn, OperationId, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.target import OUTCOMES
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# Senders give up on an answer after about 10 s.
CALL_S = 8.0
# How many webhooks may be under way or wait for a connection. Beyond that a sender is told to come back.
CALLS_MAX = 10_000
# How long the start waits for the server before it serves without; the pauses between attempts to be known.
START_S = 5.0
REGISTER_PAUSE_S = 0.5
REGISTER_PAUSE_S_MAX = 5.0
STOP_S = 3.0
# Dead letters that are looked at together when some are sent again.
RETRY_CHUNK = 100
# After a handler's name: answered as soon as the server has the call for certain.
SEND = "/send"
# The call that proves that calls are taken. It clears what is not there.
PROBE = "fanin-probe"

_OK, _NOT_FOUND = range(200, 300), 404

_encode = msgspec.json.Encoder().encode
_reply = msgspec.json.Decoder(Reply).decode
_state = msgspec.json.Decoder(FanIn).decode


class RestateEngine:
    """See `fanin.aggregator.engine.Engine`, whose promises it keeps."""

    capabilities = Capabilities(survives_kill=True, exclusive=False, has_retention=True, lists_outbox=True)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._options = options = Options.read(settings.engine_options)
        self._ingress = Client(options.urls)
        self._admin_client = Client(options.admin_urls)
        self._admin = Admin(self._admin_client, options.name)
        self._names = Names(options.name)
        self._endpoint: Endpoint | None = None
        self._pace = Pace()
        self._under_way = 0
        self._calm = asyncio.Event()  # no webhook is under way
        self._calm.set()
        self._unknown = asyncio.Event()  # the server does not know our handlers
        self._known = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    # --- the port ---

    async def open(self) -> None:
        if self._options.listen is not None:
            uri = await self._serve(*self._options.listen)
            self._unknown.set()
            self._tasks = [asyncio.get_running_loop().create_task(self._register(uri))]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_S):
                    await self._known.wait()
        self._open = True

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._endpoint:
            # Webhooks that are under way need our own handlers to come to their end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._calm.wait()
            await self._endpoint.stop(STOP_S)
        self._ingress.close()
        self._admin_client.close()

    async def deliver(self, arrival: Arrival) -> Receipt | None:
        settings, notifier = self._settings, self._notifier
        message = Arrive(
            region=arrival.region,
            subject=arrival.subject,
            at_ms=self._clock.now_ms(),
            expected=tuple(settings.regions),
            timeout_ms=settings.timeout_ms,
            retention_ms=settings.retention_ms,
            completed=notifier.targets_for(Phase.COMPLETED) if notifier else (),
            timed_out=notifier.targets_for(Phase.TIMED_OUT) if notifier else (),
        )
        if arrival.region in message.expected:
            with self._pace.webhook():
                await self._operation(arrival.operation_id, Names.ARRIVE + SEND, _encode(message))
            return None
        # Only an operation that started under other settings can want it; that one has to be asked.
        asking = _encode(msgspec.structs.replace(message, asked=True))
        reply = _reply(await self._operation(arrival.operation_id, Names.ARRIVE, asking))
        if reply.state is None:
            raise UnknownRegionError(arrival.region, settings.regions)
        if reply.result is None:
            raise UnexpectedRegionError(arrival.operation_id, arrival.region, reply.state.expected)
        return Receipt(reply.state, reply.result)

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        found = await self._operation(operation_id, Names.INSPECT, b"{}")
        return _state(found) if found else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        async with self._translated():
            table = Table(self._names.operations, operation.STATE)
            letter = None if phase is None else operation.LETTERS[phase]
            stored = await self._admin.page(table, letter=letter, after=after, limit=limit)
        return Page([operation.load(value) for _, value in stored.rows], stored.next)

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        stored = await self._letters(dead=dead, after=after, limit=limit)
        return OutboxPage([outbox_object.letter(value) for _, value in stored.rows], stored.next)

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        ours = (
            {it for outcome in OUTCOMES for it in self._notifier.targets_for(outcome)}
            if self._notifier
            else ()
        )
        count, after = 0, None
        while True:
            stored = await self._letters(dead=True, after=after, limit=RETRY_CHUNK)
            for key, value in stored.rows:
                found = outbox_object.letter(value)
                wanted = target in (None, found.target) and operation in (None, found.operation_id)
                if wanted and found.target in ours:
                    said = await self._call(self._names.letters, key, self._names.REVIVE, b"{}")
                    count += said == b"true"
            after = stored.next
            if after is None:
                return count

    async def _letters(self, *, dead: bool | None, after: str | None, limit: int) -> Stored:
        async with self._translated():
            table = Table(self._names.letters, outbox_object.STATE)
            kind = None if dead is None else outbox_object.DEAD if dead else outbox_object.LIVE
            return await self._admin.page(table, letter=kind, after=after, limit=limit)

    async def check(self) -> None:
        await self._operation(PROBE, Names.FORGET + SEND, _encode(operation.Forget(0)))

    # --- calls ---

    async def _operation(self, key: OperationId, handler: str, body: bytes) -> bytes:
        return await self._call(self._names.operations, key, handler, body)

    async def _call(self, service: str, key: str, handler: str, body: bytes) -> bytes:
        """Call a handler of an object and wait for what it says.

        Raises:
            StoreBusyError: it was not called. StoreFailedError: perhaps it was.
        """
        if not self._open:
            raise StoreBusyError("the service is stopping")
        if self._under_way >= CALLS_MAX:
            raise StoreBusyError(f"{CALLS_MAX} webhooks are under way to Restate already")
        self._under_way += 1
        self._calm.clear()
        try:
            async with self._translated(), asyncio.timeout(CALL_S):
                answer = await self._ingress.post(f"/{service}/{quote(key, safe='')}/{handler}", body)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._calm.set()
        if answer.status not in _OK:
            raise self._refusal(answer)
        return answer.body

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except UnreachableError as exc:
            raise StoreBusyError(f"Restate is away: {exc}") from exc
        except NoAnswerError as exc:
            raise StoreFailedError(f"Restate went away: {exc}") from exc
        except TimeoutError as exc:
            raise StoreFailedError(f"Restate did not answer within {CALL_S:g} s") from exc
        except RefusedError as exc:
            raise StoreFailedError(f"Restate {exc}") from exc

    def _refusal(self, answer: Response) -> StoreError:
        if answer.status == _NOT_FOUND:
            self._unknown.set()
            return StoreBusyError("Restate does not know where our handlers are; it is being told")
        said = answer.body[:200].decode(errors="replace")
        return StoreFailedError(f"Restate answered {answer.status}: {said}")

    # --- our handlers ---

    async def _serve(self, host: str, port: int) -> str:
        """Let the server call us; return the address under which it does."""
        options = self._options
        names = self._names
        operations = Operations(names, self._clock, self._metrics, self._notifier)
        box = outbox_object.LetterBox(names)
        handlers: dict[tuple[str, str], Handler] = {
            (names.operations, names.ARRIVE): operations.arrive,
            (names.operations, names.EXPIRE): operations.expire,
            (names.operations, names.FORGET): operations.forget,
            (names.operations, names.INSPECT): operations.inspect,
            (names.letters, names.KEEP): box.keep,
            (names.letters, names.DROP): box.drop,
            (names.letters, names.REVIVE): box.revive,
        }
        if self._notifier is not None:
            telling = Telling(names, self._notifier, self._settings, self._clock, self._metrics)
            handlers[names.teller, names.TELL] = telling.tell
        listener = _listen(host, port)
        # Somebody waits for these: a subscriber, or whoever asks how an operation stands.
        first = {(names.teller, names.TELL), (names.operations, names.INSPECT)}
        self._endpoint = Endpoint(
            declare(names), handlers, options.identity_keys, pace=self._pace, first=first
        )
        await self._endpoint.start(listener)
        shown = f"[{host}]" if ":" in host else host
        return options.service_url or f"http://{shown}:{listener.getsockname()[1]}"

    async def _register(self, uri: str) -> None:
        """Whenever the server does not know our handlers, tell it."""
        pause_s = REGISTER_PAUSE_S
        while True:
            await self._unknown.wait()
            try:
                if not await self._admin.knows(uri, REVISION):
                    await self._admin.register(uri, force=True)
                    log.event(logging.INFO, "registered", revision=REVISION)
            except (RefusedError, UnreachableError, NoAnswerError, msgspec.MsgspecError) as exc:
                log.event(logging.WARNING, "not-registered", reason=exc, retry_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, REGISTER_PAUSE_S_MAX)
            else:
                self._unknown.clear()
                self._known.set()
                pause_s = REGISTER_PAUSE_S


def _listen(host: str, port: int) -> socket.socket:
    """Where the server calls us; several processes of one machine may share the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048, reuse_port=port != 0)
    except OSError as exc:
        raise StoreUnusableError(
            f"cannot listen on {host}:{port} for Restate: {exc.strerror}; choose another FANIN_RESTATE_LISTEN"
        ) from exc
