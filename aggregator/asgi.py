"""The service for an ASGI server of yours: ``uvicorn --factory fanin.aggregator.asgi:create``.

`fanin serve` does the same and more, so this is for those who must use another server. Settings come from the
environment alone. It cannot know where that server listens, so it wants keys in any case.

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
from fanin.aggregator.settings import Settings

_ONE_PROCESS = (
    "; workers cannot share one: run a single one, without --workers (why one is enough: docs/deploy.md)"
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
    return _in_one_line(create_app(settings))


def _refuse(problem: str) -> NoReturn:
    _stop_supervisor()
    sys.exit(f"Error: {problem}")


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
