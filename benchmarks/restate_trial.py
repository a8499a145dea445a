"""The engine on Restate with a server of its own, to be judged and measured.

``python -m benchmarks.restate_trial run COMMAND…`` starts a server, runs the command with the settings that
lead to it, and stops the server. ``serve`` is `fanin serve` on that server, for one folder of data: at every
start in that folder it has the same name at the server, and the same address at which the server calls it.

So `fanin verify --command` can judge it: the service is killed and started again, the server is not.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fanin.aggregator.cli.serve import serve
from fanin.aggregator.engines.restate.dev_backend import RestateServer, free_ports

USAGE = "usage: python -m benchmarks.restate_trial run COMMAND… | serve [OPTION…]"


def run(command: list[str]) -> int:
    """Run a command beside a server, and return its exit status. A signal that stops this stops both."""
    with tempfile.TemporaryDirectory(prefix="fanin-restate-", ignore_cleanup_errors=True) as folder:
        # In our own session: the scheduler shares cores out by sessions, and this is used for measuring.
        server = RestateServer(Path(folder))
        server.start()
        try:
            process = subprocess.Popen(command, env=os.environ | server.options())
            for signum in (signal.SIGINT, signal.SIGTERM):
                signal.signal(signum, lambda *_: process.terminate())
            return process.wait()
        finally:
            server.kill()


def serve_folder(arguments: list[str]) -> None:
    """Serve until killed, at the address that belongs to the folder of data."""
    folder = Path(os.environ["DATA_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    port = folder / "port"
    if not port.exists():
        port.write_text(str(free_ports(1)[0]))
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=6).hexdigest()
    os.environ |= {
        "FANIN_ENGINE": "restate",
        "FANIN_RESTATE_NAME": f"Trial-{digest}-",
        "FANIN_RESTATE_LISTEN": f"127.0.0.1:{port.read_text()}",
    }
    serve.main(arguments, prog_name="fanin serve")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", _, *_]:
            sys.exit(run(sys.argv[2:]))
        case ["serve", *options]:
            serve_folder(options)
        case _:
            sys.exit(USAGE)
