"""Durable Task with its in-memory backend: ``python -m benchmarks.peers.durable_task``. Nothing is durable.

The plain way: one orchestration per operation that waits for one external event per region or for a timer,
and an activity that notifies. Started by id, "exists already" being success, and only then the event: looking
first and starting then, as the 2018 sample does, loses most operations whose regions come together.
"""

import http.client
import multiprocessing
import socket
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import grpc
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.testing import create_test_backend
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from benchmarks.peers.front import application, notification, serve, world

WORLD = world()
_HOST, _PATH = urlsplit(WORLD.notify_url).netloc, urlsplit(WORLD.notify_url).path
_threads = threading.local()


def fan_in(ctx: task.OrchestrationContext, subject: dict[str, Any]) -> Generator[Any, Any, Any]:
    """Wait for every region, or for the deadline; then notify."""
    events = {region: ctx.wait_for_external_event(region) for region in WORLD.regions}
    deadline = ctx.create_timer(ctx.current_utc_datetime + timedelta(seconds=WORLD.timeout_s))
    yield task.when_any([task.when_all(list(events.values())), deadline])
    arrived = [region for region, event in events.items() if event.is_complete]
    policy = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=1_000)
    outcome = [ctx.instance_id, arrived, subject]
    yield ctx.call_activity(notify, input=outcome, retry_policy=policy)


def notify(_: task.ActivityContext, outcome: list[Any]) -> None:
    """One attempt, over this worker thread's own connection: the leanest client that a thread can have."""
    operation, arrived, subject = outcome
    body = notification(operation, arrived, WORLD.regions, subject)
    headers = {"content-type": "application/json", "webhook-id": operation}
    connection = getattr(_threads, "connection", None)
    if connection is None:
        connection = _threads.connection = http.client.HTTPConnection(_HOST, timeout=10)
    try:
        connection.request("POST", _PATH, body, headers)
        answer = connection.getresponse()
        answer.read()
    except OSError:
        connection.close()  # the next attempt connects again
        raise
    if answer.status not in range(200, 300):
        raise RuntimeError(f"answered {answer.status}")


def backend(port: int) -> None:
    """The backend, in a process of its own as a sidecar is."""
    create_test_backend(port=port)
    threading.Event().wait()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=backend, args=(port,), daemon=True)
    process.start()
    address = f"localhost:{port}"
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
    worker = TaskHubGrpcWorker(
        host_address=address,
        concurrency_options=ConcurrencyOptions(maximum_thread_pool_workers=32),
    )
    worker.add_orchestrator(fan_in)
    worker.add_activity(notify)
    worker.start()
    try:
        async with AsyncTaskHubGrpcClient(host_address=address) as client:
            app.state.client = client
            yield
    finally:
        worker.stop()
        process.kill()


async def deliver(operation: str, region: str, subject: dict[str, Any]) -> None:
    client: AsyncTaskHubGrpcClient = APP.state.client
    try:
        await client.schedule_new_orchestration(fan_in, input=subject, instance_id=operation)
    except grpc.RpcError as exc:
        if exc.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
    await client.raise_orchestration_event(operation, region)


APP = application(deliver, WORLD.regions, lifespan)

if __name__ == "__main__":
    serve(APP)
