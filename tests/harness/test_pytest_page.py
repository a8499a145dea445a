"""The page about the pytest plugin: its examples run as they are written."""

import re
from pathlib import Path

import pytest

# As in the tests of the plugin: what is imported anew inside pytester does not know itself again.
import fanin.aggregator.http.app
import fanin.harness.report.folder
import fanin.harness.world.play  # noqa: F401
import tests.harness.toy_aggregator  # noqa: F401
from fanin.simulator.pack import names
from tests.harness.test_pytest_plugin import APPLICATION, ARGUMENTS
from tests.paths import ROOT

pytest_plugins = ["pytester"]

PAGE = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
EXAMPLES: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
IMPORT = "from myapp.main import create_app\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The project that the page speaks of."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.syspath_prepend(pytester.path)
    package = pytester.mkpydir("myapp")
    (package / "main.py").write_text(APPLICATION, encoding="utf-8")
    scenarios = Path(pytester.mkdir("scenarios"))
    (scenarios / "mine.yaml").write_text("scenario: mine\ntitle: Mine\noperations: [{}]\n", encoding="utf-8")
    return pytester


def test_the_first_example_is_a_whole_test_file(project: pytest.Pytester) -> None:
    """It is copied as it stands."""
    project.makepyfile(EXAMPLES[0])

    project.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)


@pytest.mark.parametrize("example", [it for it in EXAMPLES if "def test_the_contract" in it])
def test_the_whole_pack_is_one_test_for_each_scenario(project: pytest.Pytester, example: str) -> None:
    """Named after it, so that one can be chosen, as the page says."""
    project.makepyfile(IMPORT + example)

    result = project.runpytest_inprocess(*ARGUMENTS, "-k", "resurrection")

    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 1
    assert outcomes["deselected"] > len(names()) - 3


def test_the_lines_that_stand_alone_are_right_inside_a_test(project: pytest.Pytester) -> None:
    """A scenario of one's own, and a closer look."""
    loose = [it for it in EXAMPLES if "def " not in it]
    own = 'fanin.check("scenarios/mine.yaml", app=create_app)'
    assert own in PAGE
    body = "".join(f"    {line}\n" for text in (*loose, own) for line in text.splitlines())
    project.makepyfile(f"{IMPORT}\ndef test_it(fanin):\n{body}")

    project.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)
