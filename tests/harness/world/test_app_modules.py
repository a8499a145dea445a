"""Each life imports an application's own modules anew; what is installed is shared, and nothing is left."""

import logging
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity, Verdict
from fanin.harness.world import entropy
from fanin.harness.world.app_errors import AppError
from fanin.harness.world.app_modules import AppModules
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import play_foreign_app
from fanin.harness.world.process_state import ProcessState
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

# A life that is killed closes nothing.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore:coroutine .* was never awaited",
)


def verdict_of(reference: str, scenario: str) -> Verdict:
    return judge(play_foreign_app(load(find(scenario)), find_app(reference, FOREIGN_APPS), name=reference))


@pytest.mark.parametrize("scenario", ["crash-after-ack", "restart-every-30s"])
def test_a_global_variable_does_not_survive(scenario: str) -> None:
    """It is as durable as its process."""
    verdict = verdict_of("module_level:forgetful", scenario)

    assert verdict.validity is Validity.INVALID


@pytest.mark.parametrize("scenario", ["slow-region", "crash-after-ack", "restart-every-30s"])
def test_an_application_at_the_level_of_its_module_is_judged_as_it_is(scenario: str) -> None:
    """Settings at import time are its life's own."""
    verdict = verdict_of("module_level:app", scenario)

    assert (verdict.validity, verdict.findings, verdict.doubts) == (Validity.VALID, (), ())


def test_replicas_find_their_own_modules() -> None:
    """Also in what they import within a function."""
    errors: list[AppError] = []
    app = find_app("module_level:app", FOREIGN_APPS)

    play_foreign_app(load(find("two-replicas")), app, name="app", on_error=errors.append)

    assert errors == []


def test_one_scenario_leaves_nothing_to_the_next() -> None:
    """The same ids come again, and are new."""
    for _ in range(2):
        assert verdict_of("module_level:forgetful", "slow-region").validity is Validity.VALID


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes files of a project that is on Python's path."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = dict(sys.modules)

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    yield write
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def imported(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def test_lives_that_run_at_the_same_time_have_modules_of_their_own(project: Callable[..., None]) -> None:
    """What is in ``sys.modules`` follows the code that runs."""
    project(shop__in__store="STATE = []", shop__in____init__="")
    outside = imported("shop.store")
    modules = AppModules("shop.store")

    with modules.installed():
        modules.begin("one")
        first = imported("shop.store")
        modules.begin("two")
        second = imported("shop.store")
        modules.follow("one")
        again = imported("shop.store")

    assert again is first
    assert len({id(it) for it in (outside, first, second)}) == 3
    assert sys.modules["shop.store"] is outside
    assert sys.modules["shop"].store is outside


def test_registries_of_installed_packages_are_as_new(project: Callable[..., None]) -> None:
    """A metric of an earlier life is no duplicate of this one's."""
    counter = "import prometheus_client\nPUSHES = prometheus_client.Counter('pushes_seen', 'Pushes')\n"
    project(metrics=counter + "PUSHES.inc()")
    modules = AppModules("metrics")

    with modules.installed():
        for life in ("one", "two"):
            modules.begin(life)
            value = imported("metrics").prometheus_client.REGISTRY.get_sample_value("pushes_seen_total")
            assert value == 1.0


def test_a_namespace_package_does_not_keep_an_old_module(project: Callable[..., None]) -> None:
    """`from package import module` asks the package first."""
    project(spread__in__part="VALUE = object()", spread__in__main="from spread import part")
    modules = AppModules("spread.main")
    with modules.installed():
        modules.begin("one")
        first = imported("spread.main").part
        modules.begin("two")
        second = imported("spread.main").part

    assert first is not second
    assert "spread.main" not in sys.modules


def test_what_is_installed_is_shared_and_imported_outside_the_world(
    project: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was installed into a folder that is called as the user likes."""
    vendor = tmp_path / "vendor"
    (vendor / "library-1.0.dist-info").mkdir(parents=True)
    (vendor / "library.py").write_text("import os\nDRAWN = os.urandom(4)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(vendor)
    project(main="import library, os\nOWN = os.urandom(4)")
    drawn = []

    modules = AppModules("main")
    with modules.installed():
        for life in ("one", "two"):
            modules.begin(life)
            with entropy.pinned(7):
                drawn.append(imported("main"))

    assert drawn[0] is not drawn[1]
    assert drawn[0].OWN == drawn[1].OWN != drawn[0].library.DRAWN
    assert drawn[0].library is drawn[1].library is sys.modules["library"]


def test_what_an_installed_package_sets_up_for_its_loggers_stays(
    project: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is imported once; what the application sets is its life's own."""
    vendor = tmp_path / "vendor"
    (vendor / "chatty-1.0.dist-info").mkdir(parents=True)
    quiet = "import logging\nlogging.getLogger('chatty').setLevel('WARNING')\n"
    (vendor / "chatty.py").write_text(quiet, encoding="utf-8")
    monkeypatch.syspath_prepend(vendor)
    project(main="import logging\nimport chatty\nlogging.getLogger('main').setLevel('ERROR')\n")
    state, levels = ProcessState(), []

    modules = AppModules("main")
    with modules.installed():
        for life in ("one", "two"):
            modules.begin(life)
            state.restore()
            before = logging.getLogger("main").level
            imported("main")
            levels.append((before, logging.getLogger("chatty").level))
    state.restore()

    assert levels == [(logging.NOTSET, logging.WARNING)] * 2


def test_a_compiled_module_is_loaded_once(project: Callable[..., None], tmp_path: Path) -> None:
    """Most can be loaded only once in a process; its package finds it all the same."""
    import _csv

    source = Path(getattr(_csv, "__file__", ""))
    if not source.name.endswith(tuple(EXTENSION_SUFFIXES)):
        pytest.skip("this Python has its extensions built in")
    project(fast__in____init__="import fast._csv\nREADER = fast._csv.reader", fast__in__main="import fast")
    (tmp_path / "fast" / source.name).symlink_to(source)
    modules = AppModules("fast.main")

    with modules.installed():
        found = []
        for life in ("one", "two"):
            modules.begin(life)
            found.append(imported("fast.main").fast)

    assert found[0] is not found[1]
    assert found[0]._csv is found[1]._csv


def test_tests_and_fanin_are_what_they_are() -> None:
    """A test compares what it has imported with what it gets."""
    modules = AppModules("tests.harness.toy_aggregator")
    before = sys.modules[__name__]

    with modules.installed():
        modules.begin("one")
        inside = sys.modules[__name__], sys.modules["fanin.harness.oracle.oracle"].judge

    assert inside == (before, judge)
