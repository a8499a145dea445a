"""What the server is told about our handlers, in the SDK's words. It is `endpoint` that calls them."""

from datetime import timedelta
from typing import Any, ClassVar

from restate import InvocationRetryPolicy, Service, VirtualObject
from restate.endpoint import Endpoint
from restate.serde import BytesSerde

# Counts the shapes of messages and the order of steps; a process that finds another one at the server says
# anew what it has. Two revisions must understand each other's messages while both run.
REVISION = "1"

# What an invocation did is of no use once it has ended; the server would keep it for a day.
_NOTHING_KEPT = timedelta(0)
# Also when no process of ours can be reached. The server gives up after 70 attempts, and leaves the call
# lying, unless it is told a number; this one lasts for sixty years.
_RETRIES = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    exponentiation_factor=2.0,
    max_interval=timedelta(seconds=2),
    max_attempts=1_000_000_000,
)


class Names:
    """Of the object of operations, of the service that tells outcomes, and of the object of letters."""

    ARRIVE, EXPIRE, FORGET, INSPECT = "arrive", "expire", "forget", "inspect"
    TELL: ClassVar[str] = "tell"
    KEEP, DROP, REVIVE = "keep", "drop", "revive"

    def __init__(self, name: str) -> None:
        self.operations, self.teller, self.letters = name, f"{name}Teller", f"{name}Letter"


async def _elsewhere(_: Any, message: bytes) -> bytes:
    raise NotImplementedError(f"called by the SDK with {len(message)} bytes")


def declare(names: Names) -> Endpoint:
    """All that has handlers."""
    operations = VirtualObject(names.operations, **_options())
    # Inspecting waits its turn as well: what was acknowledged before, is seen.
    for handler in (names.ARRIVE, names.EXPIRE, names.FORGET, names.INSPECT):
        _add(operations, handler, kind="exclusive")
    telling = Service(names.teller, ingress_private=True, **_options())
    _add(telling, names.TELL)
    letters = VirtualObject(names.letters, **_options())
    for handler in (names.KEEP, names.DROP, names.REVIVE):
        _add(letters, handler, kind="exclusive")
    declared: Endpoint = Endpoint().bind(operations, telling, letters)  # type: ignore[no-untyped-call]
    return declared


def _options() -> dict[str, Any]:
    return {
        "metadata": {"revision": REVISION},
        "journal_retention": _NOTHING_KEPT,
        "invocation_retry_policy": _RETRIES,
    }


def _add(service: VirtualObject | Service, handler: str, **options: Any) -> None:
    serde = BytesSerde()
    service.handler(handler, accept="*/*", input_serde=serde, output_serde=serde, **options)(_elsewhere)
