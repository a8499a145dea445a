"""``kill -9`` under load, again and again: nothing acknowledged is lost, nothing is decided twice."""

import asyncio
from pathlib import Path

from benchmarks.soak import Seen, judge, soak

KILLS = 10


def test_ten_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The short form of `benchmarks.soak`: senders' answers and the sink's posts agree in every operation."""
    seen, wrong = asyncio.run(soak(tmp_path, kills=KILLS, seed=1))

    assert wrong == []
    assert len(seen.owed()) > KILLS
    assert seen.counts["refused by the sink"] > 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_reckoning_notices_what_is_lost_doubled_or_wrong() -> None:
    """A soak that could not fail would prove nothing."""
    full = {"eastus": ["counted"], "northeurope": ["counted"], "westus": ["counted"]}
    seen = Seen()
    seen.answers.update(
        {
            "silent": full,
            "refused": full,
            "twice": full,
            "two-keys": full,
            "short": full,
            "late": full | {"westus": ["late"]},
            "right": full | {"westus": ["unanswered", "duplicate"]},
        }
    )
    seen.posts.update(
        {
            "refused": [("k", "completed", (), False)],
            "twice": [("k", "completed", (), True), ("k", "timed_out", ("westus",), True)],
            "two-keys": [("k", "completed", (), True), ("l", "completed", (), True)],
            "short": [("k", "timed_out", ("eastus",), True)],
            "late": [("k", "completed", (), True)],
            "right": [("k", "completed", (), accepted) for accepted in (False, True, True)],
            "stranger": [("k", "completed", (), True)],
        }
    )  # fmt: skip

    wrong = judge(seen)

    assert {line.split(":")[0] for line in wrong} == {
        "silent", "refused", "twice", "two-keys", "short", "late", "stranger",
    }  # fmt: skip
