"""The sandbox of a simulated world: real threads, sockets and processes are refused, with a reason.

simloop refuses what is asked of the event loop. What goes around the loop (a thread, a blocking HTTP client)
would run in real time, outside the seed, or never end; an audit hook sees it first, and names file and line.
"""

import platform
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from fanin.harness.world.places import place_here

_THREAD = ("a thread that is not started by threading", "threading.Thread and thread pools can be simulated")
_CLIENT = "an asynchronous client, such as httpx.AsyncClient, can be simulated"
PROCESS = "a process of its own"
# Audit events of the standard library: what each means to the reader of the error, and what works instead.
_REFUSED = {
    "_thread.start_new_thread": _THREAD,
    "_thread.start_joinable_thread": _THREAD,
    "socket.connect": ("a real socket (a blocking client?)", _CLIENT),
    "socket.getaddrinfo": ("real name resolution (a blocking client?)", _CLIENT),
    "subprocess.Popen": (PROCESS, ""),
    "os.system": (PROCESS, ""),
    "os.fork": (PROCESS, ""),
    "os.forkpty": (PROCESS, ""),
    "os.posix_spawn": (PROCESS, ""),
    "os.exec": ("another program in place of its own", ""),
}

_on_breach: list[Callable[[object], None]] = []  # empty while no sandbox is enforced
_installed = False
_exempt = False  # while the harness does something itself


class SandboxBreachError(RuntimeError):
    """An application used something that a simulated world does not have."""


def _audit(event: str, _args: tuple[Any, ...]) -> None:
    if event not in _REFUSED or not _on_breach or _exempt:
        return
    what, instead = _REFUSED[event]
    breach = SandboxBreachError(f"it uses {what}{place_here()}{f' ({instead})' if instead else ''}")
    _on_breach[-1](breach)
    raise breach


def refuse(why: str) -> NoReturn:
    """Refuse what an audit hook does not see; the place is added.

    Raises:
        SandboxBreachError: always.
    """
    breach = SandboxBreachError(f"{why}{place_here()}")
    if _on_breach:
        _on_breach[-1](breach)
    raise breach


def exempt(action: Callable[[], None]) -> None:
    """Do something for the harness itself."""
    with exempted():
        action()


@contextmanager
def exempted() -> Iterator[None]:
    """Nothing is refused inside."""
    global _exempt  # noqa: PLW0603 - an audit hook gets no other arguments
    before, _exempt = _exempt, True
    try:
        yield
    finally:
        _exempt = before


def _ask_for_what_is_kept() -> None:
    """Let the standard library ask other programs what it then keeps for good: of no simulation's concern."""
    platform.platform()
    uuid.getnode()


@contextmanager
def enforced(on_breach: Callable[[object], None]) -> Iterator[None]:
    """Refuse threads, sockets and processes inside the block; ``on_breach`` gets each error."""
    global _installed  # noqa: PLW0603 - an audit hook can never be removed, so it is installed once
    if not _installed:
        _ask_for_what_is_kept()
        sys.addaudithook(_audit)
        _installed = True
    _on_breach.append(on_breach)
    try:
        yield
    finally:
        _on_breach.pop()
