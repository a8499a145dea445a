"""Two services behind one address, judged from outside; the judge knows when one of them is killed."""

import subprocess
import sys

from tests.heavy import needs_engine

pytestmark = needs_engine("restate")

LIMIT_S = 240
SCENARIOS = ("two-replicas", "replica-lost")


def test_two_replicas_of_which_one_is_killed_are_valid() -> None:
    """Traffic alternates between them; one is killed in mid-operation, and no outcome changes."""
    trial = [sys.executable, "-m", "fanin.aggregator.engines.restate.trial"]
    life = " ".join([*trial, "life"])
    verify = [sys.executable, "-m", "fanin.harness", "verify", "--capability", "replicas", "--command", life]

    done = subprocess.run(  # noqa: S603 - our own modules
        [*trial, "run", *verify, "--tolerance", "10s", *SCENARIOS],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SCENARIOS)} valid" in done.stdout
