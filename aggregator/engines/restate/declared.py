"""What the server is told about our handlers, in the SDK's words. It is `endpoint` that calls them."""

from datetime import timedelta
from typing import Any

from restate import InvocationRetryPolicy, Service, VirtualObject
from restate.endpoint import Endpoint
from restate.serde import BytesSerde

from aggregator.engines.restate.operation import ARRIVE, EXPIRE, FORGET, INSPECT
from aggregator.engines.restate.telling import TELL

# Counts the shapes of messages and the order of steps; a process that finds another one at the server says
# anew what it has. Two revisions must understand each other's messages while both run.
REVISION = "1"

# What an invocation did is of no use once it has ended, and keeping it costs the server a tenth of its rate.
_NOTHING_KEPT = timedelta(0)
# A handler that crashes is a bug; until it is mended, nothing may be dropped or left lying.
_RETRIES = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    exponentiation_factor=2.0,
    max_interval=timedelta(seconds=10),
)
# How long an attempt may take before the server doubts it. Ours end by themselves, after 10 s at most.
_ATTEMPT = timedelta(minutes=1)


async def _elsewhere(_: Any, message: bytes) -> bytes:
    raise NotImplementedError(f"called by the SDK with {len(message)} bytes")


def declare(name: str, teller: str) -> Endpoint:
    """The object of operations, and the service that tells outcomes."""
    operations = VirtualObject(
        name,
        metadata={"revision": REVISION},
        journal_retention=_NOTHING_KEPT,
        invocation_retry_policy=_RETRIES,
        inactivity_timeout=_ATTEMPT,
    )
    for handler in (ARRIVE, EXPIRE, FORGET):
        _add(operations, handler, kind="exclusive")
    _add(operations, INSPECT, kind="shared")
    telling = Service(
        teller,
        metadata={"revision": REVISION},
        journal_retention=_NOTHING_KEPT,
        invocation_retry_policy=_RETRIES,
        inactivity_timeout=_ATTEMPT,
    )
    _add(telling, TELL, ingress_private=True)
    declared: Endpoint = Endpoint().bind(operations, telling)  # type: ignore[no-untyped-call]
    return declared


def _add(service: VirtualObject | Service, handler: str, **options: Any) -> None:
    serde = BytesSerde()
    service.handler(handler, accept="*/*", input_serde=serde, output_serde=serde, **options)(_elsewhere)
