"""``fanin serve`` with limits, a clock or name servers of its own: ``[OPTION VALUE] ... [ARGUMENT] ...``.

    --set MODULE.NAME=NUMBER  a limit
    --clock FILE              a clock
    --hanging-names DOMAIN    names in this domain have a name server that does not respond

Options of this launcher come first; everything else goes to the command as a user would type it.
A clock's file holds how many milliseconds the service's clock is ahead of the machine's, and is read at every
look: the aggregator asks for the time through one port (`aggregator.clock`), so this is the wall clock being
set, without a library that is loaded before everything else, and without touching the machine's clock.
"""

import importlib
import socket
import sys
import time
from pathlib import Path
from typing import Any

from fanin.aggregator.clock import SystemClock
from fanin.harness.cli.main import main


def set_constant(assignment: str) -> None:
    """Make a limit so short that a test can wait for it."""
    path, _, number = assignment.partition("=")
    module, _, name = path.rpartition(".")
    home = importlib.import_module(module)
    assert isinstance(getattr(home, name), int | float), path
    setattr(home, name, float(number))


def set_clock(file: Path) -> None:
    """Let the service live at another time, which can change while it runs."""
    truly = SystemClock.now_ms

    def now_ms(clock: SystemClock) -> int:
        return truly(clock) + int(file.read_text())

    setattr(SystemClock, SystemClock.now_ms.__name__, now_ms)


def hang_names(domain: str) -> None:
    """Let lookups in a domain block, as the system's resolver does while a name server does not respond."""
    truly = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).endswith(domain):
            time.sleep(120)
        return truly(host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo


OPTIONS = {
    "--set": set_constant,
    "--clock": lambda value: set_clock(Path(value)),
    "--hanging-names": hang_names,
}

if __name__ == "__main__":
    arguments = sys.argv[1:]
    while arguments and arguments[0] in OPTIONS:
        option, value, *arguments = arguments
        OPTIONS[option](value)
    sys.argv[1:] = ["serve", *arguments]
    main()
