"""The connection to a task hub: the few calls that the aggregator makes, and what their failures mean.

Rules of this file: a call that gets no response in time has failed, and may have happened; nothing here waits
for an instance, so ten thousand that wait cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as protocol
from google.protobuf import timestamp_pb2, wrappers_pb2

from fanin.aggregator.engines.durable_task.options import DurableTaskOptions
from fanin.aggregator.engines.durable_task.orchestration import ORCHESTRATOR, OrchestrationInput
from fanin.aggregator.engines.durable_task.sdk import credential_of, make_client, open_channel
from fanin.aggregator.errors import StoreBusyError, StoreError, StoreFailedError

# Registries give up on a response after about 10 s.
CALL_S = 8.0
CALLS_MAX = 10_000
_encoder = msgspec.json.Encoder()

_REFUSED = {
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}


@dataclass(frozen=True, slots=True)
class InstancePage:
    """A page of instances, and where the next one begins."""

    states: list[protocol.OrchestrationState]
    next: str | None


class TaskHubClient:
    """A task hub: starts instances, raises events, reads states; and opens streams of work for a worker."""

    def __init__(self, options: DurableTaskOptions) -> None:
        self._options = options
        self._channel = None if options.scheduler else open_channel(options)
        self._credential = credential_of(options)  # one for all, so that it asks for one token
        self._client = make_client(options, self._channel, self._credential)
        self._streams: list[WorkStream] = []
        self._calls = 0
        self._idle = asyncio.Event()  # no call is under way
        self._idle.set()

    @property
    def address(self) -> str:
        """The backend's address, for messages."""
        return self._options.address

    async def close(self) -> None:
        """Close the connections, once the calls that are under way have ended; no other may begin."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CALL_S):
                while self._calls:  # one that has ended may be followed by another at once
                    await self._idle.wait()
        await self._client.close()
        for stream in self._streams:
            await stream.client.close()
        if self._channel is not None:
            await self._channel.close()
        if self._credential is not None:
            await self._credential.close()

    async def start(self, instance_id: str, input_: OrchestrationInput) -> bool:
        """Start an orchestration. False when there is one of that id, in whatever state."""
        request = protocol.CreateInstanceRequest(
            name=ORCHESTRATOR, instanceId=instance_id, input=_text(_encoder.encode(input_))
        )
        return await self._unless(grpc.StatusCode.ALREADY_EXISTS, lambda stub: stub.StartInstance(request))

    async def raise_event(self, instance_id: str, name: str, value: Any) -> bool:
        """Raise an event. False when there is no such orchestration."""
        request = protocol.RaiseEventRequest(
            instanceId=instance_id, name=name, input=_text(_encoder.encode(value))
        )
        return await self._unless(grpc.StatusCode.NOT_FOUND, lambda stub: stub.RaiseEvent(request))

    async def get(self, instance_id: str) -> protocol.OrchestrationState | None:
        """An orchestration's state, with its input and its custom status."""
        request = protocol.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        response = await self._call(lambda stub: stub.GetInstance(request))
        return response.orchestrationState if response.exists else None

    async def raised_events(self, instance_id: str) -> list[tuple[str, Any]]:
        """The events that an orchestration's history holds: their names and values, in order."""
        request = protocol.StreamInstanceHistoryRequest(instanceId=instance_id)

        async def read(stub: Any) -> list[tuple[str, Any]]:
            found: list[tuple[str, Any]] = []
            async for chunk in stub.StreamInstanceHistory(request):
                for event in chunk.events:
                    if event.HasField("eventRaised"):
                        with suppress(msgspec.MsgspecError):  # not an event of ours
                            value = msgspec.json.decode(event.eventRaised.input.value)
                            found.append((event.eventRaised.name, value))
            return found

        found: list[tuple[str, Any]] = await self._call(read)
        return found

    async def page(
        self,
        *,
        after: str | None,
        limit: int,
        statuses: tuple[OrchestrationStatus, ...] = (),
        created_ms: int | None = None,
    ) -> InstancePage:
        """A page of orchestrations, the older ones first; with ``created_ms``, those that began since then.

        The SDK's own query reads page after page to the very end.
        """
        since = timestamp_pb2.Timestamp()
        since.FromMilliseconds(created_ms or 0)
        query = protocol.InstanceQuery(
            runtimeStatus=[status.value for status in statuses],
            maxInstanceCount=limit,
            fetchInputsAndOutputs=True,
            createdTimeFrom=None if created_ms is None else since,
            continuationToken=None if after is None else wrappers_pb2.StringValue(value=after),
        )
        request = protocol.QueryInstancesRequest(query=query)
        response = await self._call(lambda stub: stub.QueryInstances(request))
        token = response.continuationToken.value
        return InstancePage(list(response.orchestrationState), token or None)

    async def purge(self, instance_id: str) -> None:
        """Delete a finished orchestration."""
        request = protocol.PurgeInstancesRequest(instanceId=instance_id)
        await self._call(lambda stub: stub.PurgeInstances(request))

    # --- for a worker ---

    def open_stream(self) -> "WorkStream":
        """Open one more stream of work items."""
        client = make_client(self._options, self._channel, self._credential, worker=True)
        stream = WorkStream(client, self.address)
        self._streams.append(stream)
        return stream

    # --- calls ---

    async def _unless(self, code: grpc.StatusCode, call: Callable[[Any], Awaitable[Any]]) -> bool:
        """Whether it was done; False for one refusal that has a meaning."""
        try:
            await self._call(call)
        except BackendRefusedError as exc:
            if exc.refusal is code:
                return False
            raise
        return True

    async def _call(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """Make one call.

        Raises:
            StoreError: it was refused, or failed and may have happened.
        """
        if self._calls >= CALLS_MAX:
            raise StoreBusyError(f"{CALLS_MAX} requests wait for {self.address} already")
        self._calls += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(CALL_S):
                # The client opens its connection with the first call, and hands out its stub nowhere else.
                return await call(self._client._get_stub())  # noqa: SLF001
        except TimeoutError as exc:
            raise StoreFailedError(f"{self.address} did not answer within {CALL_S:g} s") from exc
        except grpc.aio.AioRpcError as exc:
            raise _refusal(exc, self.address) from exc
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()


class WorkStream:
    """One worker, as the backend sees it: a stream of work items, and their results."""

    def __init__(self, client: AsyncTaskHubGrpcClient, address: str) -> None:
        self.client, self._address = client, address

    async def items(
        self, orchestrations_max: int, activities_max: int, silence_s: float
    ) -> AsyncIterator[protocol.WorkItem]:
        """Work items as they come, until the backend ends the stream.

        Raises:
            StoreError: the connection broke, or nothing came for ``silence_s``.
        """
        request = protocol.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=orchestrations_max,
            maxConcurrentActivityWorkItems=activities_max,
        )
        stream = self._stub().GetWorkItems(request)
        try:
            while True:
                async with asyncio.timeout(silence_s):
                    item = await stream.read()
                if item is grpc.aio.EOF:
                    return
                yield item
        except TimeoutError as exc:
            raise StoreFailedError(f"nothing came from {self._address} for {silence_s:g} s") from exc
        except grpc.aio.AioRpcError as exc:
            raise _refusal(exc, self._address) from exc
        finally:
            stream.cancel()

    async def complete_orchestration(self, response: protocol.OrchestratorResponse) -> None:
        """Report what an orchestration asks for after a replay.

        Without a time limit: a backend may take the same result twice for two, so it is not reported again,
        and an item that is neither completed nor lost with the connection is never handed out again.

        Raises:
            StoreError: it was refused, or the connection broke.
        """
        await self._completed(self._stub().CompleteOrchestratorTask(response))

    async def complete_activity(self, response: protocol.ActivityResponse) -> None:
        """Report an activity's result.

        Raises:
            StoreError: as `complete_orchestration`.
        """
        await self._completed(self._stub().CompleteActivityTask(response))

    async def _completed(self, call: Awaitable[Any]) -> None:
        try:
            await call
        except grpc.aio.AioRpcError as exc:
            raise _refusal(exc, self._address) from exc

    def _stub(self) -> Any:
        return self.client._get_stub()  # noqa: SLF001 - as in `TaskHubClient._call`


class BackendRefusedError(StoreFailedError):
    """The backend answered with an error, of which ``refusal`` is the code."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.refusal = code


def _refusal(exc: grpc.aio.AioRpcError, address: str) -> StoreError:
    code = exc.code()
    message = f"{address}: {code.name.lower().replace('_', ' ')}: {exc.details()}"
    if code in _REFUSED:
        return StoreBusyError(message)
    return BackendRefusedError(message, code)


def _text(encoded: bytes) -> wrappers_pb2.StringValue:
    return wrappers_pb2.StringValue(value=encoded.decode())
