"""The scenario's own ``expect``: checked beside the contract, never instead of it."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.evidence import Post, fold
from fanin.harness.oracle.text import clock, listing, quoted
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule
from fanin.simulator.language.scenario import Expectation


def check_expectations(hearings: Sequence[Hearing]) -> Iterator[Charge]:
    """Judge every repetition of each operation that the scenario expects something of."""
    expectations = hearings[0].evidence.scenario.expect if hearings else ()
    if not expectations:
        return
    repeats: dict[str, list[tuple[Hearing, RegistryEvent]]] = {}  # by the scenario's name of the operation
    for hearing in hearings:
        for occurred in hearing.case.occurrences:
            repeats.setdefault(occurred.op.partition("/")[0], []).append((hearing, occurred))
    for expectation in expectations:
        for hearing, occurred in repeats.get(expectation.operation, []):
            # Instants are meant for the first repetition; the others are as much later as they occurred.
            shift = occurred.at - repeats[expectation.operation][0][1].at
            told = _told_of(hearing, occurred)
            if complaint := _complaint(expectation, told, shift):
                yield hearing.charge(
                    Rule.EXPECTATION,
                    f"{expectation.operation} is expected to be {expectation.outcome}",
                    complaint,
                    records=[] if told is None else [told.index],
                    told=told,
                )


def _told_of(hearing: Hearing, occurred: RegistryEvent) -> Post | None:
    """What came of this occurrence; nothing does of one whose key was taken already."""
    return next((it.posts[0] for it in hearing.generations if it.posts and it.opener == occurred.op), None)


def _complaint(expectation: Expectation, told: Post | None, shift: int) -> str:
    """What differs from the expectation, as the rest of a sentence; empty when nothing does."""
    if told is None:
        return (
            ""
            if expectation.outcome == "none"
            else f"was told nothing, though {expectation.outcome} is expected"
        )
    outcome = told.notice.outcome or quoted(told.notice.said_outcome)
    if outcome != expectation.outcome:
        return f"was told {outcome} at {clock(told.at)}, though {expectation.outcome} is expected"
    missing = sorted(map(fold, expectation.missing))
    if missing and missing != list(told.notice.missing or ()):
        named = listing(told.notice.missing) if told.notice.missing else "no region"
        return f"names {named} missing, though {listing(missing)} is expected"
    if expectation.at is not None:
        earliest = expectation.at + shift
        latest = earliest + expectation.within
        if not earliest <= told.at <= latest:
            when = f"{clock(earliest)} to {clock(latest)}"
            return f"was told {outcome} at {clock(told.at)}, though {when} is expected"
    return ""
