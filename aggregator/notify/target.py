"""A notification target, as configured."""

from dataclasses import dataclass, field

from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.retry_policy import RetryPolicy

# The target of FANIN_NOTIFY_URL, and of notifications from before targets had names.
DEFAULT_NAME = "default"
OUTCOMES = (Phase.COMPLETED, Phase.TIMED_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target: its URL, the format and the outcomes of its notifications, and how long it is tried."""

    name: str = DEFAULT_NAME
    address: Address
    format: str = "json"  # a name in `fanin.aggregator.notify.formats.FORMATS`
    source: str | None = None  # of the events, in formats that name one; None for the format's default
    on: tuple[Phase, ...] = OUTCOMES
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)  # Standard Webhooks: ``whsec_…``
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold secrets
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
