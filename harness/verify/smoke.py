"""``fanin verify --smoke``: a few scenarios that say within half a minute whether a change broke something.

Rules of this file: pure. The choice is for a command, which plays in real time: no fault of the sink, after
which an aggregator's own backoff would have to be waited for.
"""

from msgspec import structs

from fanin.harness.verify.config import TargetConfig

# Each is about another clause; together they catch most of what the whole pack catches.
SMOKE = (
    "slow-region",
    "dropped-region",
    "late-region",
    "duplicate-not-quorum",
    "photo-finish",
    "odd-regions",
    "crash-after-ack",
    "crash-at-the-finish",
    "rude-traffic",
    "wrong-key",
)
# Of a command: what every timeout becomes, and how long to wait for a notification after the last fault.
TIMEOUT_MS, REDELIVERY_GRACE_MS = 2_000, 3_000


def with_smoke(target: TargetConfig) -> TargetConfig:
    """The target with these scenarios, unless it names others, and for a command with short times."""
    target = structs.replace(target, scenarios=target.scenarios or SMOKE)
    if target.command is None:
        return target
    return structs.replace(
        target,
        timeout=TIMEOUT_MS if target.timeout is None else target.timeout,
        redelivery_grace=REDELIVERY_GRACE_MS if target.redelivery_grace is None else target.redelivery_grace,
    )
