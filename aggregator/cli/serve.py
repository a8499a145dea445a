"""``fanin serve``: runs the service under uvicorn until a signal stops it."""

import asyncio
import gc
import ipaddress
import logging
import math
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fanin.aggregator import log
from fanin.aggregator.cli.options import examples
from fanin.aggregator.durations import format_duration
from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.errors import AggregatorError, SettingsError
from fanin.aggregator.settings import PRIVATE_UMASK, Settings

if TYPE_CHECKING:
    from fanin.aggregator.engine import EngineFactory
    from fanin.aggregator.http.exchange import AsgiApp

# How long requests and notifications in progress may take to end after SIGTERM. Supervisors kill after 10 s.
DRAIN_S = 5
# uvloop accepts one connection per listening socket in each iteration of the event loop, so a webhook behind
# a crowd of new connections waits for as many iterations; with more handles of the socket, it accepts more.
ACCEPTS_PER_ITERATION = 16
ANY_IPV6 = "::"
# sd_listen_fds(3): the first socket that systemd passes.
SYSTEMD_FD = 3

_EXAMPLES = examples(
    "fanin serve --regions eastus,westeurope --notify-url https://example.org/",
    "fanin serve --regions eastus,westeurope --keys-file keys --host 0.0.0.0",
    "fanin serve --check --regions eastus,westeurope",
    "fanin instances --state waiting    lists what a running service waits for",
)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--regions",
    metavar="NAMES",
    help="Regions to wait for, separated by commas; or azure:RESOURCE_ID. [FANIN_REGIONS]",
)
@click.option("--timeout", metavar="DURATION", help="How long to wait for all regions: 80s, 2h, 3d. [2m]")
@click.option(
    "--notify-url", metavar="URL", help="URL of the target that is notified. [none: outcomes are logged]"
)
@click.option("--notify-file", metavar="FILE", help="YAML file of targets, each with its own format.")
@click.option("--data-dir", metavar="FOLDER", help="Folder of the data. [./fanin-data]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on. [127.0.0.1]")
@click.option("--port", metavar="PORT", help="Port to listen on; 0 chooses a free one. [8080]")
@click.option("--keep-alive", metavar="DURATION", help="How long an idle connection stays open. [2m30s]")
@click.option("--public-url", metavar="URL", help="URL of the service, for status addresses. [as requested]")
@click.option(
    "--keys-file", metavar="FILE", help="File of function keys, one per line; reloaded when it changes."
)
@click.option(
    "--insecure-no-keys", is_flag=True, help="Accept webhooks without a key on addresses other than loopback."
)
@click.option(
    "--correlation", metavar="KEY", help="What webhooks of one operation have in common: event-id or image."
)
@click.option("--actions", metavar="NAMES", help="Actions to wait for; others are ignored. [all]")
@click.option(
    "--repositories", metavar="GLOBS", help="Repositories to wait for: 'team/*,!team/scratch'. [all]"
)
@click.option("--tags", metavar="GLOBS", help="Tags to wait for: 'v*,latest'. [all, and pushes by digest]")
@click.option("--tagged-only", is_flag=True, help="Ignore pushes by digest, as of an index's platforms.")
@click.option("--skip-attachments", is_flag=True, help="Ignore signatures, attestations and SBOMs.")
@click.option(
    "--retention", metavar="DURATION", help="How long operations are kept after their outcome. [7d]"
)
@click.option(
    "--engine", metavar="NAME", help="Engine that keeps operations: sqlite, durable-task, restate. [sqlite]"
)
@click.option(
    "--local-backend", is_flag=True, help="Start the engine's backend on this machine, for a trial."
)
@click.option("--log-format", metavar="FORMAT", help="Format of the log: text or json. [text]")
@click.option("--verbose", is_flag=True, help="Log every arrival, not only outcomes.")
@click.option("--check", is_flag=True, help="Check settings and data, report them, and exit.")
def serve(
    *,
    insecure_no_keys: bool,
    tagged_only: bool,
    skip_attachments: bool,
    verbose: bool,
    check: bool,
    local_backend: bool,
    **flags: str | None,
) -> None:
    """Wait for one webhook per region, then send one notification.

    Webhooks are sent to POST /api/ImagePush?region=NAME, or POST /webhooks/NAME. After a 2xx the webhook is
    on disk. When all regions have sent one, or the timeout has passed, the outcome is POSTed to the notify
    URL until that accepts it.

    Options can be set as environment variables: FANIN_REGIONS, FANIN_TIMEOUT, FANIN_NOTIFY_URL,
    FANIN_NOTIFY_FILE, FANIN_DATA_DIR, FANIN_HOST, FANIN_PORT, FANIN_KEEP_ALIVE, FANIN_PUBLIC_URL,
    FANIN_KEYS_FILE, FANIN_CORRELATION, FANIN_ACTIONS, FANIN_REPOSITORIES, FANIN_TAGS,
    FANIN_TAGGED_ONLY, FANIN_SKIP_ATTACHMENTS, FANIN_RETENTION, FANIN_ENGINE, FANIN_LOG_FORMAT; also
    NOTIFY_URL, DATA_DIR, PORT, and the original's WebhookRegions and WebhookTimeout (0:01:20). An option wins
    over the environment.

    Secrets are set in the environment or in a file: FANIN_KEYS (function keys, separated by commas; sent as
    ?code=, x-functions-key or Authorization: Bearer), FANIN_HEADER_SECRET ('Name: value', a header that every
    webhook must have), FANIN_SIGNING_SECRETS (of Standard Webhooks, each for all regions, or for one as
    REGION=whsec_…).
    """
    fields = {_FIELDS.get(name, name): text for name, text in flags.items()}
    fields["insecure_no_keys"] = "yes" if insecure_no_keys else None
    fields["tagged_only"] = "yes" if tagged_only else None
    fields["skip_attachments"] = "yes" if skip_attachments else None
    try:
        settings = Settings.from_environment(os.environ, fields)
        _require_credentials(settings, settings.host)
        if local_backend:
            _require_backend(settings.engine)
    except SettingsError as exc:
        raise click.UsageError(str(exc)) from exc
    os.umask(PRIVATE_UMASK)
    log.configure(logging.DEBUG if verbose else logging.INFO, settings.log_format)
    _raise_file_limit()
    try:
        if check:
            from fanin.aggregator.cli.check import checked

            # Another port, because the check may run beside the service.
            listen(replace(settings, port=0)).close()
            click.echo(checked(settings))
            return
        if local_backend:
            settings = _with_local_backend(settings)
        listener = listen(settings)
        _require_credentials(settings, listener.getsockname()[0])  # systemd may have chosen another address
        run(settings, listener)
    except SettingsError as exc:
        raise click.UsageError(str(exc)) from exc
    except AggregatorError as exc:
        raise click.ClickException(str(exc)) from exc


# Flags whose names differ from the settings' fields.
_FIELDS = {
    "timeout": "timeout_ms",
    "retention": "retention_ms",
    "keep_alive": "keep_alive_ms",
    "notify_url": "targets",
}


def _raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit: each connection is one, and shells set 1024."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports unlimited, and refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _require_backend(engine: str) -> None:
    """Refuse to start the backend of an engine that has none."""
    if ENGINES[engine].dev_backend is None:
        raise SettingsError("--local-backend", f"the engine {engine} needs no backend")


def _with_local_backend(settings: Settings) -> Settings:
    """Start the engine's backend on this machine; return the settings that use it."""
    from fanin.aggregator.engines import start_backend

    backend = start_backend(settings.engine, settings.data_dir)
    options = {} if backend is None else backend.options
    return replace(settings, engine_options={**settings.engine_options, **options})


def _require_credentials(settings: Settings, host: str) -> None:
    if settings.requires_credentials or settings.insecure_no_keys or _is_loopback(host):
        return
    raise SettingsError(
        "FANIN_KEYS",
        f"not set, so anyone who can reach {host} could send webhooks; set it, listen on 127.0.0.1, "
        "or pass --insecure-no-keys",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket, or take the one that systemd passes.

    A socket of systemd's survives restarts: connections that arrive meanwhile wait instead of being refused.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        held = socket.socket(fileno=SYSTEMD_FD)
        if held.family not in (socket.AF_INET, socket.AF_INET6):
            held.close()
            raise click.ClickException(
                "the socket of systemd is not a TCP socket; set ListenStream to a port"
            )
        return held
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=family,
            backlog=2_048,
            # "::" means every address of the machine, those of IPv4 too.
            dualstack_ipv6=settings.host == ANY_IPV6 and socket.has_dualstack_ipv6(),
        )
    except OSError as exc:
        where = f"{settings.host}:{settings.port}"
        # The error's own text repeats the address. A name that cannot be resolved has a negative number.
        reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        raise click.ClickException(
            f"cannot listen on {where}: {reason}; choose another address with --host and --port"
        ) from exc


def run(settings: Settings, listener: socket.socket, *, engine: "EngineFactory | None" = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: The service's settings.
        listener: The socket to serve on.
        engine: An engine in place of the one that the settings name, for comparisons.
    """
    import uvicorn

    from fanin.aggregator.http.app import create_app
    from fanin.aggregator.http.protocol import OUR_HTTP
    from fanin.aggregator.http.same_site import SameSite

    app = create_app(settings, engine=engine)
    served: AsgiApp = app
    if not settings.requires_credentials:
        loopback = _is_loopback(listener.getsockname()[0]) and not settings.insecure_no_keys
        served = SameSite(app, loopback=loopback)
    config = uvicorn.Config(
        served,
        http=OUR_HTTP,
        lifespan="off",  # run here, where a failed start is reported in one line instead of a traceback
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `http.origin` reads them
        timeout_keep_alive=math.ceil(settings.keep_alive_ms / 1_000),
        timeout_graceful_shutdown=DRAIN_S,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _tune_garbage_collection()
                with suppress(OSError):  # a full disk, or nothing that reads it
                    click.echo(_start_message(settings, listener))

    server = Server(config)

    async def main() -> None:
        async with app.router.lifespan_context(app):
            handles = [listener, *(listener.dup() for _ in range(ACCEPTS_PER_ITERATION - 1))]
            await server.serve(sockets=handles)

    def stop(*_: object) -> None:
        # While uvicorn serves, it handles signals, and raises them again after an orderly stop, which is no
        # failure. Before it serves, there is nothing to drain.
        if not server.should_exit:
            raise SystemExit

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _tune_garbage_collection() -> None:
    """Exempt what is loaded by now, which is never freed; scanning it took 8 % of a busy server's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


def _start_message(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    # An engine with a backend keeps its data there.
    store = settings.data_dir if ENGINES[settings.engine].dev_backend is None else settings.engine
    hint = "" if settings.targets else "; no notify URL, so outcomes are only logged"
    return (
        f"fanin listens on http://{f'[{host}]' if ':' in host else host}:{port}, "
        f"waits up to {format_duration(settings.timeout_ms)} for {', '.join(settings.regions)}, "
        f"keeps its data in {store}{hint}"
    )
