"""The pytest plugin, in test suites of its own users."""

import json
import os
import tomllib
from importlib.metadata import entry_points

import pytest

# After each of its runs pytester forgets the modules that the run imported, and PyYAML's half in C is then
# imported twice and does not know itself again. So everything is imported before.
import fanin.aggregator.http.app
import fanin.harness.report.folder
import fanin.harness.world.play  # noqa: F401
import tests.harness.toy_aggregator  # noqa: F401
from tests.paths import ROOT

pytest_plugins = ["pytester"]

# Loaded by its entry point where fanin is installed with it; else by name.
INSTALLED = any(it.value == "fanin.pytest_plugin" for it in entry_points(group="pytest11"))
ARGUMENTS = ("-p", "no:cacheprovider", *(() if INSTALLED else ("-p", "fanin.pytest_plugin")))

# An application of a user's: all that it knows of fanin is in its environment.
APPLICATION = """
import os
from fanin.aggregator.http.app import create_app as build
from fanin.aggregator.settings import Settings

def create_app():
    return build(Settings.from_environment(os.environ))
"""
# One that is wrong: it forgets what it has decided.
WRONG = """
import os
from tests.harness.toy_aggregator import Toy

def forgetful():
    return Toy(os.environ, 0, "forgets").app()
"""
FILE = """
scenario: mine
title: A scenario of the user's own
regions: [here, there]
timeout: 90s
operations:
  - {image: "team/app:1", reaches: {here: 1s, there: 2s}}
expect:
  - {operation: op1, outcome: completed, at: 2s}
"""


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pytest says more, in other words, where it finds these; the inner runs are read by their words."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of a user's, with an application that is right and one that is wrong."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.syspath_prepend(pytester.path)
    monkeypatch.setenv("COLUMNS", "200")  # room for the reasons in pytest's summary
    pytester.makepyfile(right=APPLICATION, wrong=WRONG)
    return pytester


def test_the_plugin_comes_with_the_installation() -> None:
    """``pip install`` is all that it takes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"]["pytest11"] == {"fanin": "fanin.pytest_plugin"}


def test_a_right_application_passes(suite: pytest.Pytester) -> None:
    """One line, the user's own factory."""
    suite.makepyfile("""
        from right import create_app

        def test_slow_region(fanin):
            verdict = fanin.check("slow-region", app=create_app)
            assert [it.outcome for it in verdict.judgements] == ["completed"]
    """)

    suite.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)


def test_a_wrong_application_fails_with_the_report_and_no_stack_trace(suite: pytest.Pytester) -> None:
    """What to read is what happened, not how pytest got there."""
    suite.makepyfile("""
        from wrong import forgetful

        def test_resurrection(fanin):
            fanin.check("resurrection", app=forgetful, seed=3)
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "INVALID: 4-outcome: op1 was reported timed_out *",
            "*northeurope*westeurope*eastus*aggregator*timer*sink",
            'INVALID  resurrection  target="wrong:forgetful" time=virtual seed=3 trace=*',
            "*replay: pytest *::test_resurrection*",
            "FAILED *::test_resurrection - Failed: INVALID: 4-outcome: *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    result.stdout.no_fnmatch_line("*fanin.check*")


def test_what_proves_nothing_fails_unless_the_scenario_states_it(suite: pytest.Pytester) -> None:
    """Unknown is no success."""
    silent = FILE.replace("scenario: mine", "scenario: silent").replace(
        "expect:\n  - {operation: op1, outcome: completed, at: 2s}\n", "faults:\n  - {fault: lose-request}\n"
    )
    (suite.path / "silent.yaml").write_text(silent, encoding="utf-8")
    suite.makepyfile("""
        from right import create_app

        def test_stated(fanin):
            fanin.check("nothing-happened", app=create_app)

        def test_not_stated(fanin):
            fanin.check("silent.yaml", app=create_app)
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["UNKNOWN: *", "FAILED *::test_not_stated - *UNKNOWN*"])


def test_a_scenario_file_lies_beside_the_test_or_anywhere(suite: pytest.Pytester) -> None:
    """Wherever pytest was started."""
    folder = suite.mkdir("deep")
    (folder / "mine.yaml").write_text(FILE, encoding="utf-8")
    (folder / "test_mine.py").write_text(
        "from pathlib import Path\n"
        "from right import create_app\n"
        "def test_beside(fanin):\n    fanin.check('mine.yaml', app=create_app)\n"
        "def test_anywhere(fanin):\n    fanin.check(Path(__file__).with_name('mine.yaml'), app=create_app)\n",
        encoding="utf-8",
    )

    suite.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=2)


def test_a_project_may_have_packages_that_are_called_like_ours(suite: pytest.Pytester) -> None:
    """All of ours are below ``fanin``: a project's ``harness`` is neither shadowed nor mixed up with them."""
    for name in ("harness", "aggregator", "simulator"):
        package = suite.mkpydir(name)
        (package / "main.py").write_text(
            f"from right import create_app\nOWNER = {name!r}\n", encoding="utf-8"
        )
    suite.makepyfile("""
        import aggregator.main, harness.main, simulator.main

        def test_it(fanin):
            assert [it.main.OWNER for it in (aggregator, harness, simulator)] == [
                "aggregator", "harness", "simulator"
            ]
            fanin.check("slow-region", app=harness.main.create_app)
    """)

    suite.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)


def test_a_mistake_is_one_sentence(suite: pytest.Pytester) -> None:
    """A misspelt name, no factory, an unknown capability, a coroutine: what is wrong, what would be right."""
    suite.makepyfile("""
        import asyncio
        from right import create_app

        def test_name(fanin):
            fanin.check("slow-regoin", app=create_app)

        def test_app(fanin):
            fanin.check("slow-region", app="nowhere:create_app")

        def test_factory(fanin):
            fanin.check("slow-region", app=lambda settings: create_app())

        def test_capability(fanin):
            fanin.check("slow-region", app=create_app, lacks=["keys"])

        def test_coroutine(fanin):
            async def inside():
                fanin.check("slow-region", app=create_app)
            asyncio.run(inside())
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS)

    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(
        [
            "slow-regoin: neither a built-in scenario nor a file; *slow-region*",
            "app='nowhere:create_app': cannot import 'nowhere': there is no such module",
            "app=*lambda* is neither an ASGI application nor a factory: missing a *: 'settings'; a factory*",
            "lacks='keys' is no capability; there are *function-keys*",
            "fanin.check runs an event loop of its own, *: call it from a plain test function, *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_the_application_raised_is_part_of_the_report(suite: pytest.Pytester) -> None:
    """Its own traceback, which names its own file."""
    suite.makepyfile(
        raising="""
        async def app(scope, receive, send):
            if scope["type"] == "http":
                raise KeyError("no such region")

        def create_app():
            return app
        """,
        test_it="""
        from raising import create_app

        def test_app(fanin):
            fanin.check("slow-region", app=create_app)
        """,
    )

    result = suite.runpytest(*ARGUMENTS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  raised in life 1, at +0*: KeyError: 'no such region' (raising.py:*"])


def test_an_application_that_cannot_start_is_reported_as_such(suite: pytest.Pytester) -> None:
    """Its own words are in the report."""
    suite.makepyfile("""
        def broken():
            raise RuntimeError("no such table: operations")

        def test_it(fanin):
            fanin.check("slow-region", app=broken)
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["UNKNOWN: *no such table: operations*"])


def test_an_application_that_leaves_the_simulated_world_is_told_what_to_do(suite: pytest.Pytester) -> None:
    """Processes cannot follow virtual time; a real process can be judged all the same."""
    suite.makepyfile("""
        import os

        def shelling_out():
            os.system("true")

        def test_it(fanin):
            fanin.check("slow-region", app=shelling_out)
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*shelling_out cannot run in virtual time: *--command*"])


def test_each_start_has_its_settings_and_the_environment_is_as_it_was(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's names and ours, set before each start; afterwards not a trace."""
    monkeypatch.setenv("WebhookRegions", "mine")
    monkeypatch.delenv("NOTIFY_URL", raising=False)
    suite.makepyfile("""
        import os
        from pathlib import Path
        import right

        starts = []

        def create_app():
            starts.append(dict(os.environ))
            assert Path(os.environ["DATA_DIR"]).is_dir()
            os.environ["LEFT_BEHIND"] = "by the application"
            return right.create_app()

        def test_it(fanin):
            before = dict(os.environ)
            fanin.check("restart-every-30s", app=create_app)
            assert dict(os.environ) == before
            assert len(starts) == 5
            for it in starts:
                assert it["WebhookRegions"] == it["FANIN_REGIONS"] == "northeurope,westeurope,eastus"
                assert it["WebhookTimeout"] == "0:02:00" and it["FANIN_TIMEOUT"] == "2m"
                assert it["NOTIFY_URL"] == it["FANIN_NOTIFY_URL"]
                assert it["DATA_DIR"] == it["FANIN_DATA_DIR"]
    """)
    before = dict(os.environ)

    suite.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)

    after = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    assert after == {name: value for name, value in before.items() if name != "PYTEST_CURRENT_TEST"}


def test_the_whole_pack_is_one_parametrised_test(suite: pytest.Pytester) -> None:
    """By fixture or by hand, each scenario a test of its own name."""
    suite.makepyfile("""
        import pytest
        from fanin.pytest_plugin import fanin_pack
        from right import create_app

        def test_pack(fanin, fanin_scenario):
            fanin.check(fanin_scenario, app=create_app)

        @pytest.mark.parametrize("scenario", fanin_pack())
        def test_by_hand(fanin, scenario):
            fanin.check(scenario, app=create_app)

        @pytest.mark.parametrize("fanin_scenario", ["one-region"])
        def test_some(fanin, fanin_scenario):
            fanin.check(fanin_scenario, app=create_app)
    """)

    few = suite.runpytest_inprocess(*ARGUMENTS, "-v", "-k", "slow-region or dropped-region or test_some")

    few.assert_outcomes(passed=5, deselected=few.parseoutcomes()["deselected"])
    few.stdout.fnmatch_lines(["*::test_pack?slow-region? PASSED*", "*::test_by_hand?slow-region? PASSED*"])
    assert few.parseoutcomes()["deselected"] >= 2 * 20


def test_what_the_application_does_not_have_is_skipped(suite: pytest.Pytester) -> None:
    """By the capability's name, and nothing else is."""
    suite.makepyfile("""
        import pytest
        from right import create_app

        @pytest.mark.parametrize("scenario", ["wrong-key", "one-region"])
        def test_it(fanin, scenario):
            fanin.check(scenario, app=create_app, lacks=["function-keys"])
    """)

    result = suite.runpytest_inprocess(*ARGUMENTS, "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * wrong-key needs function-keys"])


def test_a_report_of_everything_that_was_checked(suite: pytest.Pytester) -> None:
    """Also of what failed, each with the command that checks it again."""
    suite.makepyfile("""
        from right import create_app
        from wrong import forgetful

        def test_right(fanin):
            fanin.check("one-region", app=create_app)

        def test_wrong(fanin):
            fanin.check("resurrection", app=forgetful)
    """)

    suite.runpytest_inprocess(*ARGUMENTS, "--fanin-report", "out/report").assert_outcomes(passed=1, failed=1)

    said = json.loads((suite.path / "out" / "report" / "report.json").read_bytes())
    assert [run["verdict"] for run in said["runs"]] == ["valid", "invalid"]
    assert said["runs"][1]["replay"].endswith("::test_wrong")
    assert (suite.path / "out" / "report" / "index.html").is_file()


def test_a_report_that_cannot_be_written_is_said_before_anything_is_played(suite: pytest.Pytester) -> None:
    """Not after the whole pack."""
    (suite.path / "taken").write_text("a file", encoding="utf-8")
    suite.makepyfile("def test_it(): pass")

    result = suite.runpytest_inprocess(*ARGUMENTS, "--fanin-report", "taken")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --fanin-report taken: *; it needs a folder"])


def test_a_test_run_that_does_not_use_it_pays_nothing(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded in every test run of an environment, so it imports nothing before a test asks for it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what others import is not ours
    suite.makepyfile("""
        import sys

        def test_it():
            costly = ("msgspec", "starlette", "jinja2", "click", "fanin.simulator", "fanin.harness")
            assert "fanin.pytest_plugin" in sys.modules
            assert not [name for name in sys.modules if name.startswith(costly)]
    """)

    run = suite.runpytest_subprocess("-p", "no:cacheprovider", "-p", "fanin.pytest_plugin")

    run.assert_outcomes(passed=1)


@pytest.mark.real_time
def test_the_workers_of_xdist_write_one_report(suite: pytest.Pytester) -> None:
    """Of all that they checked, in the order of the tests' names."""
    suite.makepyfile("""
        import pytest
        from right import create_app

        @pytest.mark.parametrize("name", ["one-region", "slow-region", "dropped-region", "late-region"])
        def test_right(fanin, name):
            fanin.check(name, app=create_app)
    """)

    result = suite.runpytest_subprocess(*ARGUMENTS, "-n", "2", "--fanin-report", "report")

    result.assert_outcomes(passed=4)
    said = json.loads((suite.path / "report" / "report.json").read_bytes())
    assert [run["scenario"] for run in said["runs"]] == [
        "dropped-region",
        "late-region",
        "one-region",
        "slow-region",
    ]
    assert sorted(it.name for it in (suite.path / "report").iterdir()) == [
        "histories", "index.html", "junit.xml", "report.json", "runs",
    ]  # fmt: skip
