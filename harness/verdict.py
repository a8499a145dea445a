"""What the oracle says about a history: the shapes alone; `fanin.harness.oracle.oracle` derives them."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Literal

import msgspec

from fanin.simulator.durations import Millis


class Validity(StrEnum):
    """The contract was kept or broken in this run, or the run does not decide it."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


INTERRUPTED = 130  # 128 + SIGINT, as a shell counts


class Exit(IntEnum):
    """What ``fanin`` exits with. Click exits 2 on a usage error by itself, so ``unknown`` must not."""

    VALID = 0
    INVALID = 1
    USAGE = 2
    UNKNOWN = 3


class Rule(StrEnum):
    """A clause of the contract (``docs/contract.md``), by its number and name there."""

    IDENTITY = "1-identity"
    EXPECTED_REGIONS = "2-expected-regions"
    DEADLINE = "3-deadline"
    OUTCOME = "4-outcome"
    ACKNOWLEDGEMENT = "5-acknowledgement"
    LATE_AND_DUPLICATE = "6-late-and-duplicate"
    NOTIFICATION = "7-notification"
    ISOLATION = "8-isolation"
    CONTENT = "9-content"
    PING = "11-ping"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One broken rule with its evidence."""

    rule: Rule
    message: str  # one sentence
    op: str | None = None
    evidence: tuple[int, ...] = ()  # indices into the history's entries, in order
    by_region: tuple[str, ...] = ()  # one line per region: sent, acknowledged, counted, named
    looks_like: tuple[str, ...] = ()  # entries of docs/bugs.md that break the same way
    also: tuple[Rule, ...] = ()  # what else it shows broken, beside the clause that it is about
    # Whether it is about what notifications hold, which most runs of one aggregator show alike.
    form: bool = False


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the oracle derived for one correlation key: what was legal, and what came."""

    op: str  # the operation that first had the key
    legal: tuple[Literal["completed", "timed_out", "none"], ...]
    key: str = ""  # the correlation key; several operations may share one, and one may have several
    deadline_from: Millis | None = None  # the window in which the deadline lies; None when it never started
    deadline_until: Millis | None = None  # None when it has no end: perhaps nothing was ever committed
    outcome: str | None = None  # what the first notification said; None when there was none
    notified_at: Millis | None = None  # when the sink read the first notification


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """The oracle's answer. ``unknown`` says why in ``doubts``; ``invalid`` in ``findings``."""

    validity: Validity
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()  # one sentence each
    judgements: tuple[Judgement, ...] = ()  # in the order in which the operations happened
    notes: tuple[str, ...] = ()  # what the scenario expects, and the contract does not, that came otherwise


def main_finding(findings: Sequence[Finding]) -> Finding:
    """The one that says most of a run: the first that is not about the form of notifications, if any.

    Args:
        findings: Of one run, in the order in which rules were broken; not empty.
    """
    return next((finding for finding in findings if not finding.form), findings[0])
