"""The engine on Restate: webhooks go to the server, which calls our handlers.

Rules of this file: one request per webhook, acknowledged when the server has it for certain, whichever
process executes it and when; no state here, so that any number of processes may do the same; a server that
does not respond is a 503, never a hang.
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
from fanin.aggregator.engines.restate.admin import AdminClient, RefusedError, StatePage, StateTable
from fanin.aggregator.engines.restate.endpoint import Endpoint, Handler
from fanin.aggregator.engines.restate.http import (
    NoResponseError,
    RestateClient,
    ServerResponse,
    UnreachableError,
)
from fanin.aggregator.engines.restate.notification import SendHandler
from fanin.aggregator.engines.restate.operation import ArriveRequest, ArriveResponse, Operations
from fanin.aggregator.engines.restate.options import RestateOptions
from fanin.aggregator.engines.restate.services import REVISION, ServiceNames, services
from fanin.aggregator.engines.work_queue import WorkQueue
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
from fanin.aggregator.notify.target import MESSAGES
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# Senders give up on a response after about 10 s.
CALL_S = 8.0
# How many webhooks may be under way or wait for a connection. Beyond that, senders are answered 503.
CALLS_MAX = 10_000
# How long the start waits for the registration before it serves without it; the pauses between attempts.
START_S = 5.0
REGISTER_PAUSE_S = 0.5
REGISTER_PAUSE_S_MAX = 5.0
STOP_S = 3.0
# How many dead letters are read at once when some are sent again.
RETRY_CHUNK = 100
# After a handler's name: the server responds as soon as it has the call for certain.
ONE_WAY = "/send"
# The object of the call that proves that calls are taken. It does not exist, so it is cleared in vain.
PROBE = "fanin-probe"

_OK, _NOT_FOUND = range(200, 300), 404

_encode = msgspec.json.Encoder().encode
_arrive_response = msgspec.json.Decoder(ArriveResponse).decode
_state = msgspec.json.Decoder(FanIn).decode


class RestateEngine:
    """See `fanin.aggregator.engine.Engine`, whose promises it keeps."""

    capabilities = Capabilities(survives_kill=True, exclusive=False, has_retention=True, lists_outbox=True)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._options = options = RestateOptions.read(settings.engine_options)
        self._ingress = RestateClient(options.urls)
        self._admin_client = RestateClient(options.admin_urls)
        self._admin = AdminClient(self._admin_client, options.name)
        self._names = ServiceNames(options.name)
        self._endpoint: Endpoint | None = None
        self._queue = WorkQueue()
        self._under_way = 0
        self._idle = asyncio.Event()  # no webhook is under way
        self._idle.set()
        self._must_register = asyncio.Event()  # the server does not know our handlers
        self._registered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    # --- the port ---

    async def open(self) -> None:
        if self._options.listen is not None:
            uri = await self._serve(*self._options.listen)
            self._must_register.set()
            self._tasks = [asyncio.get_running_loop().create_task(self._register(uri))]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_S):
                    await self._registered.wait()
        self._open = True

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._endpoint:
            # Webhooks that are under way may need our own handlers to get their response.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._idle.wait()
            await self._endpoint.stop(STOP_S)
        await self._ingress.close()
        await self._admin_client.close()

    async def deliver(self, arrival: Arrival) -> Receipt | None:
        settings, notifier = self._settings, self._notifier
        message = ArriveRequest(
            region=arrival.region,
            subject=arrival.subject,
            event_id=arrival.event_id,
            at_ms=self._clock.now_ms(),
            expected=tuple(settings.regions),
            timeout_ms=settings.timeout_ms,
            retention_ms=settings.retention_ms,
            completed=notifier.targets_for(Phase.COMPLETED, arrival.subject) if notifier else (),
            timed_out=notifier.targets_for(Phase.TIMED_OUT, arrival.subject) if notifier else (),
            completed_late=notifier.targets_for(Phase.COMPLETED_LATE, arrival.subject) if notifier else (),
        )
        if arrival.region in message.expected:
            with self._queue.webhook():
                await self._operation(arrival.operation_id, ServiceNames.ARRIVE + ONE_WAY, _encode(message))
            return None
        # Only an operation that started with other settings can expect the region; the response says so.
        asking = _encode(msgspec.structs.replace(message, wants_response=True))
        response = _arrive_response(await self._operation(arrival.operation_id, ServiceNames.ARRIVE, asking))
        if response.state is None:
            raise UnknownRegionError(arrival.region, settings.regions)
        if response.result is None:
            raise UnexpectedRegionError(arrival.operation_id, arrival.region, response.state.expected)
        return Receipt(response.state, response.result)

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        found = await self._operation(operation_id, ServiceNames.INSPECT, b"{}")
        return _state(found) if found else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        async with self._translated():
            table = StateTable(self._names.operations, operation.STATE)
            kind = None if phase is None else operation.KINDS[phase]
            stored = await self._admin.page(table, kind=kind, after=after, limit=limit)
        return Page([operation.load(value) for _, value in stored.rows], stored.next)

    async def latest(self, *, limit: int) -> list[FanIn]:
        async with self._translated():
            table = StateTable(self._names.operations, operation.STATE)
            stored = await self._admin.newest(table, first=operation.DECIDED, limit=limit)
        return [operation.load(value) for value in stored]

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        stored = await self._outbox(dead=dead, after=after, limit=limit)
        return OutboxPage([outbox_object.load(value) for _, value in stored.rows], stored.next)

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        ours = (
            {it for outcome in MESSAGES for it in self._notifier.targets_for(outcome)}
            if self._notifier
            else ()
        )
        count, after = 0, None
        while True:
            stored = await self._outbox(dead=True, after=after, limit=RETRY_CHUNK)
            for key, value in stored.rows:
                found = outbox_object.load(value)
                wanted = target in (None, found.target) and operation in (None, found.operation_id)
                if wanted and found.target in ours:
                    requeued = await self._call(self._names.outbox, key, self._names.REQUEUE, b"{}")
                    count += requeued == b"true"
            after = stored.next
            if after is None:
                return count

    async def _outbox(self, *, dead: bool | None, after: str | None, limit: int) -> StatePage:
        async with self._translated():
            table = StateTable(self._names.outbox, outbox_object.STATE)
            kind = None if dead is None else outbox_object.DEAD if dead else outbox_object.PENDING
            return await self._admin.page(table, kind=kind, after=after, limit=limit)

    async def check(self) -> None:
        await self._operation(PROBE, ServiceNames.PURGE + ONE_WAY, _encode(operation.PurgeRequest(0)))

    # --- calls ---

    async def _operation(self, key: OperationId, handler: str, body: bytes) -> bytes:
        return await self._call(self._names.operations, key, handler, body)

    async def _call(self, service: str, key: str, handler: str, body: bytes) -> bytes:
        """Call a handler of an object, and return its output.

        Raises:
            StoreBusyError: it was not called. StoreFailedError: perhaps it was.
        """
        if not self._open:
            raise StoreBusyError("the service is stopping")
        if self._under_way >= CALLS_MAX:
            raise StoreBusyError(f"{CALLS_MAX} webhooks are under way to Restate already")
        self._under_way += 1
        self._idle.clear()
        try:
            async with self._translated(), asyncio.timeout(CALL_S):
                response = await self._ingress.post(f"/{service}/{quote(key, safe='')}/{handler}", body)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        if response.status not in _OK:
            raise self._refusal(response)
        return response.body

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except UnreachableError as exc:
            raise StoreBusyError(f"Restate cannot be reached: {exc}") from exc
        except NoResponseError as exc:
            raise StoreFailedError(f"Restate did not respond: {exc}") from exc
        except TimeoutError as exc:
            raise StoreFailedError(f"Restate did not respond within {CALL_S:g} s") from exc
        except RefusedError as exc:
            raise StoreFailedError(f"Restate {exc}") from exc

    def _refusal(self, response: ServerResponse) -> StoreError:
        if response.status == _NOT_FOUND:
            self._must_register.set()
            return StoreBusyError("our handlers are not registered at Restate; they are being registered")
        text = response.body[:200].decode(errors="replace")
        return StoreFailedError(f"Restate answered {response.status}: {text}")

    # --- our handlers ---

    async def _serve(self, host: str, port: int) -> str:
        """Serve our handlers; return the address at which the server calls them."""
        options = self._options
        names = self._names
        operations = Operations(names, self._clock, self._metrics, self._notifier)
        outbox = outbox_object.OutboxObject(names)
        handlers: dict[tuple[str, str], Handler] = {
            (names.operations, names.ARRIVE): operations.arrive,
            (names.operations, names.EXPIRE): operations.expire,
            (names.operations, names.PURGE): operations.purge,
            (names.operations, names.INSPECT): operations.inspect,
            (names.outbox, names.STORE): outbox.store,
            (names.outbox, names.DELETE): outbox.delete,
            (names.outbox, names.REQUEUE): outbox.requeue,
        }
        if self._notifier is not None:
            sender = SendHandler(names, self._notifier, self._settings, self._clock, self._metrics)
            handlers[names.sender, names.SEND] = sender.send
        listener = _listen(host, port)
        # A target waits for the one, and a client for the other.
        urgent = {(names.sender, names.SEND), (names.operations, names.INSPECT)}
        self._endpoint = Endpoint(
            services(names), handlers, options.identity_keys, queue=self._queue, urgent=urgent
        )
        await self._endpoint.start(listener)
        shown = f"[{host}]" if ":" in host else host
        return options.service_url or f"http://{shown}:{listener.getsockname()[1]}"

    async def _register(self, uri: str) -> None:
        """Register our handlers whenever the server does not know them. Ends when it is cancelled."""
        pause_s = REGISTER_PAUSE_S
        while True:
            await self._must_register.wait()
            try:
                if not await self._admin.has_registered(uri, REVISION):
                    await self._admin.register(uri, force=True)
                    log.event(logging.INFO, "registered", revision=REVISION)
            except (RefusedError, UnreachableError, NoResponseError, msgspec.MsgspecError) as exc:
                log.event(logging.WARNING, "not-registered", reason=exc, retry_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, REGISTER_PAUSE_S_MAX)
            else:
                self._must_register.clear()
                self._registered.set()
                pause_s = REGISTER_PAUSE_S


def _listen(host: str, port: int) -> socket.socket:
    """The socket at which the server calls us; several processes of one machine may share the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048, reuse_port=port != 0)
    except OSError as exc:
        raise StoreUnusableError(
            f"cannot listen on {host}:{port} for Restate: {exc.strerror}; choose another FANIN_RESTATE_LISTEN"
        ) from exc
