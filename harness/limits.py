"""How late one target may act, where that is not as usual: it says so, or its capabilities do.

Rules of this file: the limits of a run stand in its header (`fanin.harness.history.Run`), and nowhere else.
"""

from collections.abc import Collection
from typing import NamedTuple

from msgspec.structs import replace

from fanin.harness.capabilities import Capability
from fanin.harness.history import FAILOVER_GRACE_MS, Run


class Limits(NamedTuple):
    """In ms; None: as usual."""

    tolerance: int | None = None
    start_grace: int | None = None
    redelivery_grace: int | None = None

    def applied(self, run: Run) -> Run:
        """The header with these limits."""
        return replace(run, **{name: ms for name, ms in self._asdict().items() if ms is not None})


USUAL = Limits()


def limits_of(
    capabilities: Collection[Capability], *, tolerance: int | None = None, redelivery_grace: int | None = None
) -> Limits:
    """Those of an application in virtual time.

    One that may have replicas does not know that it is alone: what it had claimed stays claimed.
    """
    has_replicas = "replicas" in capabilities
    return Limits(tolerance, FAILOVER_GRACE_MS if has_replicas else None, redelivery_grace)
