"""Sender profiles: how often a delivery is attempted, how long each attempt waits, and when it is given up.

Rules of this file: pure, without a clock and without random choices. A gap counts from the moment when the
attempt before it failed (a bad answer, a broken connection, no answer in time), as Svix defines it. Jitter,
which Svix and Standard Webhooks have, is left out, so that a reader knows when the next attempt comes.

What real senders do; the sources of the figures stand beside them below:

    profile             attempts  success   after a 4xx             Retry-After
    acr                 1         2xx       nothing more            ignored
    retry               8         2xx       goes on                 429, 503: waits longer, by 2 h at most
    standard-webhooks   10        2xx       goes on; 410 ends it    any failure: waits longer
    cncf-distribution   no limit  2xx, 3xx  goes on                 ignored
    event-grid          30, 24 h  200-204   400, 401, 403, 413 end  ignored
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from fanin.simulator.language.scenario import Sender

_S, _M, _H = 1_000, 60_000, 3_600_000

# A simulated world must end even where a real sender would not: CNCF Distribution gets there in 2 h 47 min.
ATTEMPTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of sender."""

    name: str
    attempts: int | None  # the first one included; None: until it succeeds, `ATTEMPTS_MAX` at most
    timeout_ms: int  # how long one attempt waits for its answer
    gaps_ms: tuple[int, ...]  # before the second attempt, the third, …; the last one repeats
    succeeds: Container[int] = range(
        200, 300
    )  # statuses that end the delivery well; redirects are not followed
    gives_up_on: Container[int] = ()  # statuses that end it badly
    heeds_retry_after: Container[
        int
    ] = ()  # statuses whose Retry-After may lengthen the gap, never shorten it
    retry_after_ms_max: int | None = None  # by how much at most; None: by any time
    gaps_ms_min: Mapping[int | None, int] = field(default_factory=dict)  # by status; None: without an answer
    expires_ms: int | None = None  # an attempt that would come later than so long after the first is not made
    serial: bool = (
        False  # each region's webhook sends one delivery at a time, the next only when this one is over
    )


# One attempt: the maintainers closed a request for retries without contradicting it (Azure/acr issue 681).
# Its timeout is documented nowhere; 10 s is a guess. The gap is for scenarios that ask for more attempts.
_ACR = Profile(name="acr", attempts=1, timeout_ms=10 * _S, gaps_ms=(5 * _S,))

# Svix, "Retry Schedule" (docs.svix.com/retries): at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h; 15 s for
# an answer; 3xx is a failure, and no 4xx is special. Retry-After counts on 429 and 503, to 2 h past the gap
# (svix/svix-webhooks pull request 2203). Its server's 60 s after a 429 or a timeout are left out.
_RETRY = Profile(
    name="retry",
    attempts=8,
    timeout_ms=15 * _S,
    gaps_ms=(5 * _S, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 10 * _H),
    heeds_retry_after=frozenset({429, 503}),
    retry_after_ms_max=2 * _H,
)

# Standard Webhooks 1.0.0, "Deliverability and reliability" and after: the example schedule; 410 means never
# again; Retry-After is to be considered. It recommends 15 to 30 s for an answer: 15 s here, because what is
# right at the strict end is right at the lenient one, too.
_STANDARD_WEBHOOKS = Profile(
    name="standard-webhooks",
    attempts=10,
    timeout_ms=15 * _S,
    gaps_ms=(5 * _S, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H),
    gives_up_on=frozenset({410}),
    heeds_retry_after=range(300, 600),
)

# CNCF Distribution, "Work with notifications", and the defaults of its EndpointConfig: timeout 1 s, threshold
# 10, backoff 1 s; any 2xx or 3xx is success; all else is tried again at once, and from the tenth failure in a
# row on after 1 s (docker/go-events, RetryingSink and Breaker), until it succeeds. One serial queue each.
_CNCF_DISTRIBUTION = Profile(
    name="cncf-distribution",
    attempts=None,
    timeout_ms=1 * _S,
    gaps_ms=(*(0,) * 9, 1 * _S),
    succeeds=range(200, 400),
    serial=True,
)

# Azure, "Event Grid message delivery and retry": an answer within 30 s; only 200 to 204 are success; the
# schedule, "every 12 hours up to 24 hours" at its end; 30 attempts and 24 h by default, and that an event has
# expired is found out when its next attempt is due; which codes are never repeated, and which wait longer.
# Its jitter, its probation of endpoints that fail, and attempts that it skips are left out.
_EVENT_GRID = Profile(
    name="event-grid",
    attempts=30,
    timeout_ms=30 * _S,
    gaps_ms=(10 * _S, 30 * _S, 1 * _M, 5 * _M, 10 * _M, 30 * _M, 1 * _H, 3 * _H, 6 * _H, 12 * _H),
    succeeds=range(200, 205),
    gives_up_on=frozenset({400, 401, 403, 413}),
    gaps_ms_min={408: 2 * _M, 503: 30 * _S},
    expires_ms=24 * _H,
)

PROFILES = {
    profile.name: profile for profile in (_ACR, _RETRY, _STANDARD_WEBHOOKS, _CNCF_DISTRIBUTION, _EVENT_GRID)
}


def profile_of(sender: Sender) -> Profile:
    """The sender's profile with the scenario's overrides. Further attempts repeat a schedule's last gap."""
    profile = PROFILES[sender.profile]
    return replace(
        profile,
        attempts=profile.attempts if sender.attempts is None else sender.attempts,
        timeout_ms=profile.timeout_ms if sender.timeout is None else sender.timeout,
    )


def next_attempt_after_ms(
    profile: Profile,
    attempts_made: int,
    *,
    status: int | None,
    retry_after_ms: int | None = None,
    age_ms: int = 0,
) -> int | None:
    """How long after the end of an attempt the next one starts; None after a success or when giving up.

    Args:
        profile: The sender's.
        attempts_made: How many attempts this delivery has had, the one that just ended included; at least 1.
        status: What it was answered; None without an answer (refused, broken, timed out).
        retry_after_ms: What the answer asked for (`parse_retry_after`); None when it asked for nothing.
        age_ms: How long ago the first attempt started; counts for senders whose deliveries expire.
    """
    if status in profile.succeeds or status in profile.gives_up_on:
        return None
    if attempts_made >= (ATTEMPTS_MAX if profile.attempts is None else profile.attempts):
        return None
    gap_ms = profile.gaps_ms[min(attempts_made, len(profile.gaps_ms)) - 1]
    gap_ms = max(gap_ms, profile.gaps_ms_min.get(status, 0))
    if profile.expires_ms is not None and age_ms + gap_ms > profile.expires_ms:
        return None
    if retry_after_ms is None or status not in profile.heeds_retry_after:
        return gap_ms
    if profile.retry_after_ms_max is not None:
        retry_after_ms = min(retry_after_ms, gap_ms + profile.retry_after_ms_max)
    return max(gap_ms, retry_after_ms)


_DIGITS_MAX = 18


def parse_retry_after(value: str | None) -> int | None:
    """The delay that a ``Retry-After`` in seconds asks for; None for any other value, and for a date."""
    text = (value or "").strip()
    # Python refuses to read thousands of digits, and no sender waits for so long.
    return int(text) * _S if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else None
