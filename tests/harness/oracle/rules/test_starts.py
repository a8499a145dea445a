"""The oracle on starts: again on the data that was left, and before long."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from tests.harness.oracle.histories import DONE, Line, both, crash, down, history, notified, up


def after_done(*lines: Line) -> History:
    """Something more, after an operation that went well."""
    return history(*DONE, *lines)


RIGHT = {
    "the first start took long": history(
        up(200, took=200_000), both(200), notified("completed", 200.1), boot=False
    ),
    "a start took as long as it may": after_done(down(5), up(66, took=60_000)),
    "it started again in the end": after_done(crash(5, 6), down(7), down(8, "failed", "locked"), up(9)),
    "each of its starts was quick": after_done(down(5), down(50, "failed", "locked"), up(110, took=60_000)),
}
# By case: what happened, and what the finding says.
WRONG = {
    "it did not start again": (
        after_done(down(5), down(6, "failed", "database is locked")),
        "the aggregator did not start again at +6s: database is locked",
    ),
    "it did not start again, and gave no reason": (
        after_done(down(5), down(6, "failed", "")),
        "the aggregator did not start again at +6s: it gave no reason",
    ),
    "it did not start again, and said much": (
        after_done(
            down(5), down(6, "failed", "'x' exited with 1: KeyError; its last output:\n  a\n  KeyError")
        ),
        "the aggregator did not start again at +6s: 'x' exited with 1: KeyError",
    ),
    "it did not start the second time": (
        after_done(crash(5, 6), down(7), down(8, "failed", "locked")),
        "the aggregator did not start again at +8s: locked",
    ),
    "a start took too long": (
        after_done(down(5), up(66.001, took=60_001)),
        "the aggregator took 1m0.001s to start again, until +1m06.001s; a start may take 1m",
    ),
    "a start took too long, after one that failed": (
        after_done(down(5), down(6, "failed", "locked"), up(67, took=60_001)),
        "the aggregator took 1m0.001s to start again, until +1m07s; a start may take 1m",
    ),
    "one of two replicas did not start": (
        history(up(0, replica=1), down(0, "failed", "in use", replica=2), *DONE, boot=False),
        "replica 2 did not start at +0s: in use",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_start_before_long_is_valid(name: str) -> None:
    """How long the first one takes is not said; then there is no data."""
    verdict = judge(RIGHT[name])

    assert (verdict.validity, verdict.findings, verdict.doubts) == (Validity.VALID, (), ())


@pytest.mark.parametrize("name", WRONG)
def test_a_start_that_fails_or_takes_long_breaks_its_rule(name: str) -> None:
    """It is a finding of no operation."""
    played, message = WRONG[name]

    (finding,) = judge(played).findings

    assert (finding.rule, finding.op, finding.message) == (Rule.ACKNOWLEDGEMENT, None, message)


def test_an_aggregator_that_was_never_up_did_not_start_again() -> None:
    """Then nothing can be judged."""
    assert judge(history(down(0, "failed", "in use"), boot=False)).findings == ()
