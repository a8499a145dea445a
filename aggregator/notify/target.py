"""A notification target, as configured."""

from dataclasses import dataclass, field
from typing import NamedTuple

from fanin.aggregator.fanin import Phase
from fanin.aggregator.filters import ALL, Filter
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.trust import TlsFiles

# The target of FANIN_NOTIFY_URL, and of notifications from before targets had names.
DEFAULT_NAME = "default"
OUTCOMES = (Phase.COMPLETED, Phase.TIMED_OUT)
# What a target can be notified of; the last is for those alone that ask for it.
MESSAGES = (*OUTCOMES, Phase.COMPLETED_LATE)
# How long an attempt may take: longer than receivers that do their work before they respond mostly need.
TIMEOUT_MS = 30_000
# An attempt holds a slot; and a Restate server may take what says nothing for longer for dead.
TIMEOUT_MS_MIN, TIMEOUT_MS_MAX = 1_000, 120_000


class Template(NamedTuple):
    """The body of a target's notifications, in formats that leave it to the settings."""

    text: str
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target: its URL, the format and the outcomes of its notifications, and how long it is tried."""

    name: str = DEFAULT_NAME
    address: Address
    format: str = "json"  # a name in `fanin.aggregator.notify.formats.FORMATS`
    source: str | None = None  # of the events, in formats that name one; None for the format's default
    template: Template | None = field(default=None, repr=False)  # for formats that have one
    on: tuple[Phase, ...] = OUTCOMES
    only: Filter = ALL  # the operations that it is notified of
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)  # Standard Webhooks: ``whsec_…``
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold secrets
    timeout_ms: int = TIMEOUT_MS  # of an attempt, from the look-up to the head of the response
    proxy: Address | None = None  # through which it is reached
    tls_files: TlsFiles = field(default_factory=TlsFiles)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
