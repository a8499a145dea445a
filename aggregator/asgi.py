"""The service for a uvicorn of yours, with the HTTP of `fanin serve`.

``uvicorn --factory fanin.aggregator.asgi:create --http fanin.aggregator.http.protocol:HttpProtocol``

`fanin serve` does the same and more, so this is for those who need an option of uvicorn's. Settings come from
the environment alone. It cannot know where that server listens, so it wants keys in any case. It serves no
request that another HTTP implementation has read: that one would have to be as strict, and as bounded.

Rules of this file: whatever prevents a start is one line, and ends the whole server: a supervisor of workers
would otherwise start the same failure again and again.
"""

import logging
import multiprocessing
import os
import signal
import sys
from typing import NoReturn

from fanin.aggregator import log
from fanin.aggregator.errors import AggregatorError, SettingsError, StoreOwnedError
from fanin.aggregator.http.app import create_app
from fanin.aggregator.http.exchange import AsgiApp, Message, Receive, Send
from fanin.aggregator.http.protocol import EXTENSION, HttpProtocol
from fanin.aggregator.settings import Settings

_ONE_PROCESS = (
    "; workers cannot share one: run a single one, without --workers (why one is enough: docs/deploy.md)"
)

_OTHER_HTTP = (
    "this server reads HTTP in its own way, which could take one sender's bytes for another's request; "
    "start it as: uvicorn --factory fanin.aggregator.asgi:create "
    f"--http {HttpProtocol.__module__}:{HttpProtocol.__qualname__}"
)


def create() -> AsgiApp:
    """Build the application, or end the process in one line."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as exc:
        _refuse(str(exc))
    if not (settings.locked or settings.insecure_no_keys):
        _refuse(
            "FANIN_KEYS: not set, and who else reaches this server is not known here; "
            "set it, or FANIN_INSECURE_NO_KEYS=yes to let anybody in"
        )
    log.configure(logging.INFO, settings.log_format)
    logging.getLogger("uvicorn.access").addFilter(_without_query)
    return _with_our_http(_in_one_line(create_app(settings)))


def _refuse(problem: str) -> NoReturn:
    _stop_supervisor()
    sys.exit(f"Error: {problem}")


def _with_our_http(app: AsgiApp) -> AsgiApp:
    """Serve what `HttpProtocol` has read, and nothing else."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # uvicorn's, which knows; under a server that does not say, requests are refused one by one.
            config = getattr(getattr(receive, "__self__", None), "config", None)
            chosen = getattr(config, "http_protocol_class", HttpProtocol)
            if not issubclass(chosen, HttpProtocol):
                _stop_supervisor()
                await send({"type": "lifespan.startup.failed", "message": _OTHER_HTTP})
                return
        elif EXTENSION not in scope.get("extensions", ()):
            log.event(logging.ERROR, "refused", reason=_OTHER_HTTP)
            raise RuntimeError(_OTHER_HTTP)
        await app(scope, receive, send)

    return serve


def _in_one_line(app: AsgiApp) -> AsgiApp:
    """Say why a start failed without a traceback, which Starlette would send."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        withheld: list[Message] = []

        async def withhold(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                withheld.append(message)
            else:
                await send(message)

        try:
            await app(scope, receive, withhold)
        except AggregatorError as exc:
            worker = _stop_supervisor()
            text = f"{exc}{_ONE_PROCESS if worker and isinstance(exc, StoreOwnedError) else ''}"
            await send({"type": "lifespan.startup.failed", "message": text})
        except BaseException:
            for message in withheld:
                await send(message)
            raise

    return serve


def _stop_supervisor() -> bool:
    """Ask the process that would start this one again to stop, if there is one; say whether there is."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return False
    os.kill(parent.pid, signal.SIGTERM)
    return True


def _without_query(record: logging.LogRecord) -> bool:
    """Keep function keys, which may stand in the query, out of uvicorn's access log."""
    if isinstance(record.args, tuple):
        record.args = tuple(it.partition("?")[0] if isinstance(it, str) else it for it in record.args)
    return True
