"""The pytest plugin: judge your aggregator's ASGI application inside your own test suite.

    def test_slow_region(fanin):
        fanin.check("slow-region", app=create_app)

    def test_the_pack(fanin, fanin_scenario):
        fanin.check(fanin_scenario, app=create_app)

Rules of this file: pytest loads it in every test run of an environment with fanin, so nothing of the harness
is imported before a test uses it; a failure is a report, never a stack trace of ours.
"""

import asyncio
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fanin.harness.capabilities import Capability, OptionalCapability
    from fanin.harness.history import History
    from fanin.harness.results import Judged
    from fanin.harness.verdict import Verdict
    from fanin.harness.world.app_errors import AppError
    from fanin.harness.world.asgi import AsgiApp
    from fanin.simulator.language.scenario import Scenario

__all__ = ["Fanin", "fanin_pack"]

# The runs that were checked, each with the command that checks it again.
_RUNS = pytest.StashKey[list[tuple["Judged", str]]]()
# What a worker of pytest-xdist calls them when it ends.
_OUTPUT = "fanin_runs"


def fanin_pack() -> list[str]:
    """The names of the built-in scenarios, to parametrise a test with."""
    from fanin.simulator.pack import names

    return names()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("fanin").addoption(
        "--fanin-report",
        metavar="DIR",
        type=Path,
        help="write a page, the history and more for every scenario that fanin checks",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RUNS] = []
    directory: Path | None = config.getoption("--fanin-report")
    if directory is not None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise pytest.UsageError(f"--fanin-report {directory}: {exc.strerror}; it needs a folder") from exc


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise a test that takes ``fanin_scenario`` with every scenario of the pack."""
    if "fanin_scenario" not in metafunc.fixturenames:
        return
    marks = metafunc.definition.iter_markers("parametrize")
    if not any("fanin_scenario" in str(mark.args[:1]) for mark in marks):
        metafunc.parametrize("fanin_scenario", fanin_pack())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report of ``--fanin-report``; a worker of pytest-xdist hands its runs to the controller."""
    directory: Path | None = session.config.getoption("--fanin-report")
    runs = session.config.stash[_RUNS]
    if directory is None or not runs:
        return
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        import msgspec

        output[_OUTPUT] = msgspec.json.encode(runs)
        return
    from fanin.harness.report import folder
    from fanin.harness.results import Card

    runs.sort(key=lambda run: run[1])  # workers end in any order
    replays = {id(judged.history): replay for judged, replay in runs}
    card = Card("", [judged for judged, _ in runs])
    folder.write(directory, card, replay=lambda history: replays[id(history)])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the runs of a worker of pytest-xdist that ends. One that crashed has none to give."""
    del error
    encoded = getattr(node, "workeroutput", {}).get(_OUTPUT)
    if encoded is None:
        return
    import msgspec

    from fanin.harness.results import Judged

    runs: list[tuple[Judged, str]] = msgspec.json.decode(encoded, type=list[tuple[Judged, str]])
    node.config.stash[_RUNS] += runs


@pytest.fixture
def fanin(request: pytest.FixtureRequest) -> "Fanin":
    """Play scenarios against an ASGI application; fail the test when it breaks the contract."""
    return Fanin(request)


class Fanin:
    """The fixture `fanin`: checks applications in one test."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def check(
        self,
        scenario: str | Path,
        *,
        app: "Callable[[], AsgiApp] | AsgiApp | str",
        seed: int = 0,
        lacks: "Collection[Capability]" = (),
        has: "Collection[OptionalCapability]" = (),
    ) -> "Verdict":
        """Play a scenario in virtual time; fail unless it gets the verdict that it states.

        Before each start of the application, ``WebhookRegions``, ``WebhookTimeout``
        (``[d.]h:mm:ss[.fff]``), ``NOTIFY_URL``, ``DATA_DIR`` and their ``FANIN_`` twins are set in the
        environment, which is restored afterwards. ``unknown`` is a failure unless the scenario states it.

        Args:
            scenario: The name of a built-in scenario, or a file, in the current folder or beside the test.
            app: The application, its factory without arguments, or the name of either, ``module:name``. Each
                start imports their module anew, unless it is a test's.
            seed: Decides every random choice.
            lacks: Capabilities that it does not have; a scenario that needs one is skipped.
            has: Capabilities beyond the contract that it has; a scenario that needs another is skipped.

        Returns:
            The verdict.
        """
        __tracebackhide__ = True
        _check_arguments(scenario, seed, lacks, has)
        played = self._load(scenario)
        self._skip_unless_capable(played, lacks, has)
        return self._judge(*_play(played, app, seed))

    def _load(self, scenario: str | Path) -> "Scenario":
        __tracebackhide__ = True
        from fanin.simulator.language.load import ScenarioError, load
        from fanin.simulator.pack import find

        beside = self._request.path.parent / scenario
        is_file = isinstance(scenario, Path) or Path(scenario).suffix in {".yaml", ".yml"}
        name = str(beside) if is_file and not Path(scenario).exists() and beside.exists() else str(scenario)
        try:
            return load(find(name))
        except ScenarioError as exc:
            complaint = str(exc)
        pytest.fail(complaint, pytrace=False)

    def _skip_unless_capable(
        self, scenario: "Scenario", lacks: "Collection[Capability]", has: "Collection[OptionalCapability]"
    ) -> None:
        __tracebackhide__ = True
        from fanin.harness.capabilities import (
            CAPABILITIES,
            DEFAULT_CAPABILITIES,
            OPTIONAL_CAPABILITIES,
            missing_capabilities,
        )

        there: tuple[tuple[str, Collection[str], Collection[str]], ...] = (
            ("lacks", lacks, CAPABILITIES),
            ("has", has, OPTIONAL_CAPABILITIES),
        )
        for option, given, known in there:
            if unknown := [name for name in given if name not in known]:
                message = f"{option}={unknown[0]!r} is no capability; there are {', '.join(known)}"
                pytest.fail(message, pytrace=False)
        missing = missing_capabilities(scenario, (DEFAULT_CAPABILITIES | set(has)) - set(lacks))
        if missing:
            pytest.skip(f"{scenario.scenario} needs {', '.join(missing)}")

    def _judge(self, history: "History", errors: tuple[str, ...]) -> "Verdict":
        __tracebackhide__ = True
        from fanin.harness.oracle.oracle import judge
        from fanin.harness.results import Judged

        judged = Judged(history, judge(history), errors=errors)
        replay = f"pytest {shlex.quote(self._request.node.nodeid)}"
        config = self._request.config
        if config.getoption("--fanin-report") is not None:
            config.stash[_RUNS].append((judged, replay))
        if not judged.as_stated:
            pytest.fail(_report(judged, replay), pytrace=False)
        return judged.verdict


def _check_arguments(scenario: Any, seed: Any, lacks: Any, has: Any) -> None:
    """Fail for a value of the wrong type, by the argument's name."""
    __tracebackhide__ = True
    if not isinstance(scenario, str | Path) or not str(scenario).strip():
        complaint = f"{scenario!r} is no scenario; give the name of a built-in one, or a file"
    elif not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        complaint = f"seed={seed!r} is no seed; give a whole number from 0 on"
    elif wrong := next((it for it in (("lacks", lacks), ("has", has)) if not _is_collection(it[1])), None):
        name, value = wrong
        example = value if isinstance(value, str) else "replicas"
        complaint = f"{name}={value!r} is no list of names; write {name}=[{example!r}]"
    elif both := [name for name in has if name in lacks]:
        complaint = f"{both[0]!r} is in lacks and in has; the application has it or lacks it"
    else:
        return
    pytest.fail(complaint, pytrace=False)


def _is_collection(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str)


def _play(scenario: "Scenario", app: Any, seed: int) -> "tuple[History, tuple[str, ...]]":
    """The history, and the first exception that escaped the application in each of its lives."""
    __tracebackhide__ = True
    from fanin.harness.world.asgi import AppLoadError
    from fanin.harness.world.play import UnsimulatedError, play_foreign_app

    found = _found(app)
    if _in_a_loop():
        pytest.fail(
            "fanin.check runs an event loop of its own, in virtual time: call it from a plain test function, "
            "not from a coroutine",
            pytrace=False,
        )
    try:
        errors: list[AppError] = []
        history = play_foreign_app(scenario, found, seed=seed, name=_name(found), on_error=errors.append)
        return history, tuple(error.text for error in errors)
    except (AppLoadError, UnsimulatedError) as exc:
        complaint = str(exc)
    pytest.fail(complaint, pytrace=False)


def _found(app: Any) -> "Callable[[], AsgiApp]":
    """What builds the application: by its name, if it has one outside the tests."""
    __tracebackhide__ = True
    from fanin.harness.world.asgi import AppLoadError
    from fanin.harness.world.named_app import argument_error, is_application, name_of, on_path

    if isinstance(app, str):
        try:
            return on_path(app)
        except AppLoadError as exc:
            complaint = f"app={app!r}: {exc}"
        pytest.fail(complaint, pytrace=False)
    if not callable(app):
        pytest.fail(f"app={app!r} cannot be called; a factory returns the ASGI application", pytrace=False)
    named = name_of(app)
    if is_application(app):
        if named is None:
            complaint = (
                "is one application for all starts; give its factory, or its name, app='myapp.main:app'"
            )
            pytest.fail(f"app={_name(app)} {complaint}", pytrace=False)
    elif why := argument_error(app):
        pytest.fail(f"app={_name(app)} {why}", pytrace=False)
    return named or app


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _name(app: Any) -> str:
    """``module:factory``, as ``fanin verify --app`` calls it."""
    name = f"{getattr(app, '__module__', '?')}:{getattr(app, '__qualname__', type(app).__name__)}"
    return str(getattr(app, "reference", name))


def _report(judged: "Judged", replay: str) -> str:
    """What broke in one line, for pytest's summary, then the whole report."""
    from fanin.harness.report.line import line, paint
    from fanin.harness.report.text import report

    first = f"{judged.verdict.validity.upper()}: {judged.summary}"
    rows = report(judged.history, judged.verdict, replay=replay, errors=judged.errors)
    return paint([line(first), line(""), *rows], colour=False)
