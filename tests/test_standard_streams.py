"""Standard streams that are closed when a program starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.real_time

FANIN = (sys.executable, "-m", "fanin.harness")
# Prints what each of the three descriptors is, for a process that it starts as well, into a file.
PROGRAM = """
import os, subprocess, sys
from fanin.standard_streams import open_closed
open_closed()
opened = os.open(sys.argv[1], os.O_WRONLY)
assert opened > 2
print("unread"); print("unread", file=sys.stderr); sys.stdin.isatty()
paths = "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"
os.set_inheritable(opened, True)
look = "import os, sys; os.write(int(sys.argv[1]), b'%d' % sum(map(os.path.exists, sys.argv[2:])))"
subprocess.run([sys.executable, "-c", look, str(opened), *paths], close_fds=False, check=True)
"""


def run_without(closed: str, *command: str) -> int:
    """Run a command without these descriptors; return its exit code."""
    script = 'exec "$@" ' + " ".join(f"{it}>&-" for it in closed)
    return subprocess.run(["/bin/sh", "-c", script, "sh", *command], cwd=ROOT, check=False).returncode  # noqa: S603 - our own


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors cannot be listed here")
@pytest.mark.parametrize("closed", ["", "0", "1", "2", "12", "012", "02"])
def test_what_is_opened_later_is_no_standard_stream(tmp_path: Path, closed: str) -> None:
    """All three are there, in Python and for a process that is started."""
    (tmp_path / "found").touch()

    assert run_without(closed, sys.executable, "-c", PROGRAM, str(tmp_path / "found")) == 0
    assert (tmp_path / "found").read_text() == "3"


@pytest.mark.parametrize("closed", ["1", "2", "12", "012"])
@pytest.mark.parametrize(
    ("arguments", "code"), [("run slow-region", 0), ("run nosuch", 2), ("--help", 0), ("scenarios", 0)]
)
def test_a_command_without_streams_exits_with_its_code(closed: str, arguments: str, code: int) -> None:
    """What it would have said is lost; what it found is not."""
    assert run_without(closed, *FANIN, *arguments.split()) == code


@pytest.mark.parametrize("module", ["fanin.harness serve", "fanin.aggregator"])
def test_a_service_without_streams_ends_in_order(tmp_path: Path, module: str) -> None:
    """Its sockets are not taken for stdout, which the event loop must not close."""
    name, *command = module.split()
    serve = [sys.executable, "-m", name, *command, "--regions", "eastus", "--port", "0"]
    # The service is a job of the shell, which ends it when its file is there.
    script = (
        '"$@" 0<&- 1>&- 2>&- & until [ -e "$FANIN_DATA_DIR/fanin.db" ]; do sleep 0.05; done; sleep 0.5;'
        "kill -TERM $!; wait $!"
    )
    ended = subprocess.run(  # noqa: S603 - our own
        ["/bin/sh", "-c", script, "sh", *serve],
        env={**os.environ, "FANIN_DATA_DIR": str(tmp_path)},
        check=False,
        timeout=60,
    )

    assert ended.returncode == 0
