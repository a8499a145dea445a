"""The service as an ASGI application for uvicorn, with the HTTP protocol of `fanin serve`.

``uvicorn --factory fanin.aggregator.asgi:create --http fanin.aggregator.http.protocol:HttpProtocol``

`fanin serve` does the same and more; this is for deployments that need an option of uvicorn's. Settings come
from the environment alone. The address of that server is not known here, so keys are required in any case.
Requests that another HTTP implementation has read are refused: it might be less strict, and unbounded.

``fanin verify --app fanin.aggregator.asgi:in_process`` judges the application alone, without a server.

Rules of this file: a failed start is reported in one line, and ends the whole server: a supervisor of workers
would otherwise restart the failing worker for ever.
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
from fanin.aggregator.http.exchange import EXTENSION, AsgiApp, Message, Receive, Send
from fanin.aggregator.http.protocol import OUR_HTTP, HttpProtocol
from fanin.aggregator.http.same_site import SameSite
from fanin.aggregator.settings import PRIVATE_UMASK, Settings

_ONE_PROCESS = (
    "; workers cannot share one: run a single one, without --workers (why one is enough: docs/deploy.md)"
)

_OTHER_HTTP = (
    "this server reads HTTP in its own way, which could take one sender's bytes for another's request; "
    f"start it as: uvicorn --factory fanin.aggregator.asgi:create --http {OUR_HTTP}"
)


def create() -> AsgiApp:
    """Build the application, or exit with one line."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as exc:
        _exit(str(exc))
    if not (settings.requires_credentials or settings.insecure_no_keys):
        _exit(
            "FANIN_KEYS: not set, and the addresses of this server are not known here; "
            "set it, or set FANIN_INSECURE_NO_KEYS=yes to accept webhooks without a key"
        )
    os.umask(PRIVATE_UMASK)
    log.configure(logging.INFO, settings.log_format)
    logging.getLogger("uvicorn.access").addFilter(_without_query)
    app: AsgiApp = create_app(settings)
    if not settings.requires_credentials:
        app = SameSite(app, loopback=False)
    return _require_our_http(_report_in_one_line(app))


def in_process() -> AsgiApp:
    """Build the application for a caller in the same process, such as a test harness: no server, no log.

    Raises:
        SettingsError: the environment has a setting that is wrong or missing.
    """
    return create_app(Settings.from_environment(os.environ))


def _exit(problem: str) -> NoReturn:
    _stop_supervisor()
    sys.exit(f"Error: {problem}")


def _require_our_http(app: AsgiApp) -> AsgiApp:
    """Refuse requests that `HttpProtocol` has not read."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # uvicorn's receive has its configuration; under other servers each request is checked.
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


def _report_in_one_line(app: AsgiApp) -> AsgiApp:
    """Report a failed start without the traceback that Starlette would send."""

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
    """Stop the process that would restart this one; return whether there is one."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return False
    os.kill(parent.pid, signal.SIGTERM)
    return True


def _without_query(record: logging.LogRecord) -> bool:
    """Keep function keys in the query out of uvicorn's access log."""
    if isinstance(record.args, tuple):
        record.args = tuple(it.partition("?")[0] if isinstance(it, str) else it for it in record.args)
    return True
