"""The sandbox of a simulated world: real threads, sockets and processes are refused, with a reason.

simloop refuses what is asked of the event loop. What goes around the loop (a thread pool, a blocking HTTP
client) would run in real time, outside the seed, or never end; an audit hook sees it first.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Audit events of the standard library, and what each means to the reader of the error.
_REFUSED = {
    "_thread.start_new_thread": "a thread of its own",
    "_thread.start_joinable_thread": "a thread of its own",
    "socket.connect": "a real socket (a blocking client?)",
    "socket.getaddrinfo": "real name resolution (a blocking client?)",
    "subprocess.Popen": "a process of its own",
    "os.system": "a process of its own",
}

_on_breach: list[Callable[[object], None]] = []  # empty while no sandbox is enforced
_installed = False


class SandboxBreachError(RuntimeError):
    """An application used something that a simulated world does not have."""


def _audit(event: str, _args: tuple[Any, ...]) -> None:
    if not _on_breach or event not in _REFUSED:
        return
    breach = SandboxBreachError(f"it uses {_REFUSED[event]}")
    _on_breach[-1](breach)
    raise breach


@contextmanager
def enforced(on_breach: Callable[[object], None]) -> Iterator[None]:
    """Refuse threads, sockets and processes inside the block; ``on_breach`` gets each error."""
    global _installed  # noqa: PLW0603 - an audit hook can never be removed, so it is installed once
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True
    _on_breach.append(on_breach)
    try:
        yield
    finally:
        _on_breach.pop()
