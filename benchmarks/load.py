"""The load: a closed loop; each of many connections sends its next webhook when it has its answer."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import LOAD_CORE, pinned

CONNECTIONS = 64
# A request that takes longer is an error; the slowest peers need seconds.
PATIENCE_S = 60
HERE = Path(__file__).parent
TOOL = "wrk" if shutil.which("wrk") else "benchmarks.generator"


@dataclass(frozen=True, slots=True)
class Load:
    """What the senders saw."""

    acknowledged: int
    rate: float  # per second
    p50_ms: float
    p99_ms: float


def run(port: int, seconds: float, salt: str, connections: int = CONNECTIONS) -> Load:
    """Three regions per id, one after the other; ids never repeat under different salts."""
    return (_wrk if TOOL == "wrk" else _generator)(port, seconds, salt, connections)


def _wrk(port: int, seconds: float, salt: str, connections: int) -> Load:
    """The load of choice: it costs next to nothing itself."""
    said = _output(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", f"--timeout={PATIENCE_S}s",
        "-s", str(HERE / "push.lua"), f"http://127.0.0.1:{port}", "--", salt,
    )  # fmt: skip
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    assert rate, said
    assert count, said
    return Load(int(count.group(1)), float(rate.group(1)), _latency_ms(said, "50%"), _latency_ms(said, "99%"))


def _generator(port: int, seconds: float, salt: str, connections: int) -> Load:
    """The load where there is no wrk (`benchmarks.generator`)."""
    words = (str(port), str(seconds), str(connections), salt)
    said = json.loads(_output(sys.executable, "-m", "benchmarks.generator", *words))
    assert said["refused"] == 0, said
    return Load(said["acknowledged"], said["rate"], said["p50_ms"], said["p99_ms"])


def _output(*command: str) -> str:
    """What a command on the load's core says."""
    return subprocess.run(pinned(LOAD_CORE, *command), check=True, capture_output=True, text=True).stdout


def _latency_ms(said: str, share: str) -> float:
    match = re.search(rf"\s{share}\s+([\d.]+)(us|ms|s|m)\b", said)
    assert match, said
    return float(match.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}[match.group(2)]
