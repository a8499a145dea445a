"""What is made of the SDK's classes: its clients, its worker, its converter and its log."""

import logging
import os
import socket
import uuid
from typing import Any

import grpc
import msgspec
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions
from durabletask.internal.grpc_interceptor import DefaultAsyncClientInterceptorImpl
from durabletask.serialization import DataConverter
from durabletask.worker import TaskHubGrpcWorker

from fanin.aggregator.engines.durable_task.options import DurableTaskOptions
from fanin.aggregator.errors import StoreBusyError, StoreUnusableError

# The SDK logs every call, and that we closed a stream; only what goes wrong is of interest.
LOGGER = logging.getLogger("fanin.durabletask")
LOGGER.setLevel(logging.WARNING)
LOGGER.addFilter(lambda record: "Locally cancelled" not in record.getMessage())

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class JsonConverter(DataConverter):
    """Payloads as JSON, by msgspec: every replay reads its whole history, so decoding must be cheap.

    It does what the SDK's own converter does to plain values; shapes are checked by the caller.
    """

    def serialize(self, value: Any) -> str | None:
        return None if value is None else _encoder.encode(value).decode()

    def deserialize(self, data: str | None, target_type: type | None = None) -> Any:  # noqa: ARG002 - its contract
        return _decoder.decode(data) if data else None

    def coerce(self, value: Any, target_type: type | None = None) -> Any:  # noqa: ARG002 - its contract
        return value


def make_replayer(options: DurableTaskOptions) -> TaskHubGrpcWorker:
    """The SDK's worker, to replay orchestrations; it is never started."""
    timers: dict[str, Any] = {}
    if options.scheduler:
        timers["maximum_timer_interval"] = None  # the Scheduler's timers may be as long as they like
    return TaskHubGrpcWorker(logger=LOGGER, data_converter=JsonConverter(), emit_trace_spans=False, **timers)


# The keep-alive notices within a minute that a sleeping machine or a silent network has lost the connection.
_CHANNEL = GrpcChannelOptions()


def open_channel(options: DurableTaskOptions) -> grpc.aio.Channel:
    """A connection without the SDK's interceptors, which cost much of a call's time; it reconnects itself."""
    address = options.address
    for scheme in ("http://", "grpc://"):
        address = address.removeprefix(scheme)
    return grpc.aio.insecure_channel(address)


def make_client(
    options: DurableTaskOptions, channel: grpc.aio.Channel | None, credential: Any, *, worker: bool = False
) -> AsyncTaskHubGrpcClient:
    """The SDK's client.

    Args:
        options: The backend.
        channel: The connection to it; None for the Scheduler, whose client opens its own.
        credential: From `credential_of`.
        worker: Whether it is a worker's, with a name of its own.

    Raises:
        StoreUnusableError: the Scheduler's client is not installed.
    """
    if not options.scheduler:
        return AsyncTaskHubGrpcClient(channel=channel, logger=LOGGER, emit_trace_spans=False)
    try:
        from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
    except ImportError as exc:
        raise _no_scheduler() from exc

    # The Scheduler tells workers apart by that. [SDK, durabletask.azuremanaged.worker]
    name = ("workerid", f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4()}")
    client = AsyncDurableTaskSchedulerClient(
        host_address=options.address,
        taskhub=options.task_hub or "default",
        token_credential=credential,
        secure_channel=options.tls,
        channel_options=_CHANNEL,
        interceptors=[DefaultAsyncClientInterceptorImpl([name])] if worker else None,
        logger=LOGGER,
    )
    # The first call makes the channel from this list; it uses an interceptor that can do both for calls only.
    on_all: list[Any] = client._interceptors  # noqa: SLF001 - the SDK's own lack streams
    on_all += [_OnStreams(it) for it in on_all if isinstance(it, grpc.aio.UnaryStreamClientInterceptor)]
    return client


class _OnStreams(grpc.aio.UnaryStreamClientInterceptor):
    """Does on streams what the SDK's interceptor does on calls: names the task hub, proves who we are."""

    def __init__(self, interceptor: grpc.aio.UnaryStreamClientInterceptor) -> None:
        self._interceptor = interceptor

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await self._interceptor.intercept_unary_stream(continuation, details, request)


def credential_of(options: DurableTaskOptions) -> Any:
    """The Azure SDK's credential; it asks for a token when it is used.

    Raises:
        StoreUnusableError: the Azure SDK is not installed.
    """
    if options.credential == "none":
        return None
    try:
        from azure.identity import aio as identity
    except ImportError as exc:
        raise _no_scheduler() from exc

    if options.credential == "managed-identity":
        return _Credential(identity.ManagedIdentityCredential(client_id=options.client_id))
    return _Credential(identity.DefaultAzureCredential())


class _Credential:
    """A credential of the Azure SDK's, for whose failures a caller is prepared: they pass, like a backend's.

    An identity that was made a minute ago, as a deployment does it, gets no token yet.
    """

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **how: Any) -> Any:
        """Return a token.

        Raises:
            StoreBusyError: there is none now.
        """
        from azure.core.exceptions import AzureError

        try:
            return await self._credential.get_token(*scopes, **how)
        except (AzureError, ValueError) as exc:  # ValueError: the environment names half an identity
            # A line for each credential that was tried, in one line.
            raise StoreBusyError(f"no token for the Scheduler: {' '.join(str(exc).split())}") from exc

    async def close(self) -> None:
        await self._credential.close()


def _no_scheduler() -> StoreUnusableError:
    return StoreUnusableError(
        "the Scheduler needs the Python package durabletask-azuremanaged, which is not installed; "
        "in a checkout, pip install -c constraints.txt -e '.[durable-task]' installs it"
    )
