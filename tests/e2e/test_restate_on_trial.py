"""Two services behind one address, judged from outside while one after the other is killed."""

import subprocess
import sys

from tests.heavy import needs_engine

pytestmark = needs_engine("restate")

LIMIT_S = 240


def test_two_replicas_that_die_in_turns_are_valid() -> None:
    """Traffic alternates between them; the one that answered is killed in mid-operation, and replaced."""
    pair = f"{sys.executable} -m tests.e2e.restate_pair kill"
    verify = [sys.executable, "-m", "harness", "verify", "--command", pair, "--timeout", "4s"]
    trial = [sys.executable, "-m", "aggregator.engines.restate.trial", "run", *verify]

    done = subprocess.run(  # noqa: S603 - our own modules
        [*trial, "--tolerance", "10s", "out-of-order"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 valid" in done.stdout
