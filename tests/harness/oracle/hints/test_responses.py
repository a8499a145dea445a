"""What it looks like that a delivery was refused, or not answered."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.simulator.faults.request import UpgradeH2c
from tests.harness.oracle.histories import DONE, EAST, WEST, Line, fault_applied, history, notified, sent


def refused(*lines: Line, status: int | None = 400, at: float = 60, **fields: object) -> History:
    """One delivery of an operation that is over."""
    return history(*lines, *DONE, sent(EAST, at, status=status, **fields))  # type: ignore[arg-type]


WRONG: dict[str, tuple[History, tuple[str, ...]]] = {
    "late": (history(sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 130, status=410)), ("B46",)),
    "a duplicate": (refused(), ()),
    "in an envelope": (refused(envelope=1), ("B62", "B63")),
    "a name in other letter case": (refused(url_region="EastUS"), ("B32",)),
    "not signed, and new": (refused(status=401), ()),
    "not signed, and old": (refused(status=401, at=301), ("B64",)),
    "not signed, and old, but it was refused before": (
        refused(sent(EAST, 50, status=401), status=401, at=301), (),
    ),
    "together with the first": (
        history(sent(EAST, 0), sent(WEST, 0.01, status=409), notified("timed_out", 120, WEST)), ("B04",),
    ),
    "together with the first, with an offer to upgrade": (
        history(
            sent(EAST, 0), sent(WEST, 0.01, status=409), fault_applied(0.01, attempt=2),
            notified("timed_out", 120, WEST), faults=(UpgradeH2c(region=WEST),),
        ), (),
    ),
    "no response": (refused(status=None, error="timeout", after=10_000), ("B24",)),
    "no response to a malformed body": (
        refused(status=None, error="timeout", after=10_000, invalid="malformed:not-json"), ("B69",),
    ),
    "cut off": (refused(status=None, error="reset"), ("B69",)),
    "refused a connection": (refused(status=None, error="refused"), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_response_looks_like_what_the_delivery_fits(name: str) -> None:
    """Where nothing fits, no bug is named."""
    played, looks_like = WRONG[name]

    last = judge(played).findings[-1]

    assert last.looks_like == looks_like
