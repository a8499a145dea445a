"""Our services as the server learns of them, in the SDK's words. It is `endpoint` that calls the handlers."""

from datetime import timedelta
from typing import Any, ClassVar

from restate import InvocationRetryPolicy, Service, VirtualObject
from restate.endpoint import Endpoint
from restate.serde import BytesSerde

# Counts the shapes of messages and the order of steps; a process that finds another revision at the server
# registers its own. Two revisions must understand each other's messages while both run.
REVISION = "2"

# The journal of an invocation that has ended is of no use; the server would keep it for a day.
_NO_RETENTION = timedelta(0)
# Also when no process of ours can be reached. The server gives up after 70 attempts, and leaves the call
# lying, unless it is told a number; this one lasts for sixty years.
_RETRIES = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    exponentiation_factor=2.0,
    max_interval=timedelta(seconds=2),
    max_attempts=1_000_000_000,
)


class ServiceNames:
    """Names of the object of operations, of the service that sends, and of the outbox's object."""

    ARRIVE, EXPIRE, PURGE, INSPECT = "arrive", "expire", "purge", "inspect"
    SEND: ClassVar[str] = "send"
    STORE, DELETE, REQUEUE = "store", "delete", "requeue"

    def __init__(self, name: str) -> None:
        self.operations, self.sender, self.outbox = name, f"{name}Sender", f"{name}Outbox"


async def _unused(_: Any, message: bytes) -> bytes:
    raise NotImplementedError(f"called by the SDK with {len(message)} bytes")


def services(names: ServiceNames) -> Endpoint:
    """The SDK's description of everything that has handlers."""
    operations = VirtualObject(names.operations, **_options())
    # Inspecting waits its turn as well: it shows everything that was acknowledged before.
    for handler in (names.ARRIVE, names.EXPIRE, names.PURGE, names.INSPECT):
        _add(operations, handler, kind="exclusive")
    sender = Service(names.sender, ingress_private=True, **_options())
    _add(sender, names.SEND)
    outbox = VirtualObject(names.outbox, **_options())
    for handler in (names.STORE, names.DELETE, names.REQUEUE):
        _add(outbox, handler, kind="exclusive")
    described: Endpoint = Endpoint().bind(operations, sender, outbox)  # type: ignore[no-untyped-call]
    return described


def _options() -> dict[str, Any]:
    return {
        "metadata": {"revision": REVISION},
        "journal_retention": _NO_RETENTION,
        "invocation_retry_policy": _RETRIES,
    }


def _add(service: VirtualObject | Service, handler: str, **options: Any) -> None:
    serde = BytesSerde()
    service.handler(handler, accept="*/*", input_serde=serde, output_serde=serde, **options)(_unused)
