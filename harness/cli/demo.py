"""``fanin demo``: the live demo in a browser.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import contextlib
import socket
import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import OneOfEachCommand, check_name, examples, pack

if TYPE_CHECKING:
    from fanin.harness.demo.app import Demo

_FIRST = "slow-region"


@click.command(
    cls=OneOfEachCommand,
    short_help="Play, step and break a run in a browser, on this machine.",
    epilog=examples(
        "fanin demo",
        "fanin demo sink-down",
        "fanin demo my-scenario.yaml --app myapp.main:create_app",
        "fanin demo --bug counts-deliveries",
    ),
)
@click.argument("name", metavar="[NAME|FILE]", required=False)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0: one that is free."
)
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser. [--open]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every random choice."
)
@click.option("--app", metavar="MODULE:APP", default="", help="Play an application of yours.")
@click.option(
    "--app-dir", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="--app: the folder of the module. [the current one]",
)  # fmt: skip
@click.option(
    "--bug", metavar="NAME", default="", help="Play an aggregator of the zoo; `fanin bug` lists them."
)
def demo(
    *, name: str | None, port: int, opens: bool, seed: int, app: str, app_dir: Path | None, bug: str
) -> None:
    """Play a scenario in a browser: step by step, back and forth, and break it.

    NAME is one of `fanin scenarios`, FILE one of your own. The page is for this machine alone: it listens on
    loopback, and its address holds a token. Ctrl-C ends it.
    """
    made = _demo(name, seed=seed, app=app, app_dir=app_dir, bug=bug)
    listener = _listener(port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/{made.token}/"
    click.echo(f"fanin demo: {address}")
    click.echo("It is for this machine alone. Ctrl-C ends it.", err=True)
    if opens:
        # Some browsers are waited for; the page must be served meanwhile.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    _serve(made, listener)


def _demo(name: str | None, *, seed: int, app: str, app_dir: Path | None, bug: str) -> "Demo":
    from fanin.harness.demo.app import Demo, new_token
    from fanin.harness.demo.plays import OURS, Plays
    from fanin.harness.demo.worker import PlayWorker

    if app and bug:
        raise click.UsageError("--app and --bug: one aggregator at a time")
    if app_dir and not app:
        raise click.UsageError("--app-dir is the folder of --app, which is not given")
    if app:
        _check_app(app, app_dir)
    chosen = f"bug:{bug}" if bug else "app" if app else OURS
    first_of_bug = _scenario_of_bug(bug) if bug else _FIRST
    first = first_of_bug if name is None else name
    live = offered(first, seed=seed, target=chosen, app=app)
    return Demo(live, PlayWorker(partial(Plays, app=app, app_dir=app_dir)), new_token())


def offered(first: str, *, seed: int, target: str, app: str) -> dict[str, Any]:
    """What the page offers. JSON: ``{first, seed, target, app, scenarios, bugs, lessons}``."""
    from fanin.harness.demo.targets import catalogue, course
    from fanin.simulator.language.load import ScenarioError, load
    from fanin.simulator.pack import find

    check_name(first)
    try:
        name = load(find(first)).scenario
        given = {"name": name, "yaml": find(first).read_text(encoding="utf-8")}
    except ScenarioError as exc:
        raise UserError(str(exc)) from exc
    scenarios = [
        {"name": it, "title": load(find(it)).title, "yaml": find(it).read_text(encoding="utf-8")}
        for it in pack()
    ]
    return {
        "first": given, "seed": seed, "target": target, "app": app, "scenarios": scenarios,
        "bugs": catalogue(), "lessons": course(),
    }  # fmt: skip


def _check_app(app: str, app_dir: Path | None) -> None:
    """Play one push: whether an application can be imported shows only in a world."""
    from fanin.harness.targets.first_push import FIRST_PUSH
    from fanin.harness.world.asgi import AppLoadError
    from fanin.harness.world.named_app import find_app
    from fanin.harness.world.play import UnsimulatedError, play_foreign_app

    try:
        play_foreign_app(FIRST_PUSH, find_app(app, app_dir), name=app)
    except (AppLoadError, UnsimulatedError) as exc:
        raise UserError(f"--app {app}: {exc}") from exc


def _scenario_of_bug(name: str) -> str:
    from fanin.harness.mutants.registry import MUTANTS
    from fanin.simulator.text import hint

    if name not in MUTANTS:
        message = f"there is no bug {name!r}; `fanin bug` lists them{hint(name, MUTANTS)}"
        raise click.BadParameter(message, param_hint="--bug")
    return MUTANTS[name].scenario


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # a browser that is faster than the server waits
    except OSError as exc:
        listener.close()
        raise UserError(f"--port {port}: {exc.strerror}; 0 takes one that is free") from exc
    return listener


def _serve(made: "Demo", listener: socket.socket) -> None:
    import uvicorn

    from fanin.harness.demo.app import create_app

    config = uvicorn.Config(
        create_app(made), log_level="warning", timeout_graceful_shutdown=1, server_header=False
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
