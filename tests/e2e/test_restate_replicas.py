"""Two services behind one address, judged from outside; the judge knows when one of them is killed."""

import subprocess
import sys
from pathlib import Path

from tests.heavy import needs_engine

pytestmark = needs_engine("restate")

LIMIT_S = 240
ROOT = Path(__file__).parents[2]
SCENARIOS = ("two-replicas", "replica-lost")


def test_two_replicas_of_which_one_is_killed_are_valid() -> None:
    """Traffic alternates between them; one is killed in mid-operation, and no outcome changes."""
    trial = [sys.executable, "-m", "benchmarks.restate_trial"]
    serve = " ".join([*trial, "serve"])
    verify = [sys.executable, "-m", "fanin.harness", "verify", "--capability", "replicas", "--command", serve]

    done = subprocess.run(  # noqa: S603 - our own modules
        [*trial, "run", *verify, "--tolerance", "10s", *SCENARIOS],
        cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SCENARIOS)} valid" in done.stdout
