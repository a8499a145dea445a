"""What is installed: one package, which gets in the way of no other one, whatever that is called."""

import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.real_time  # builds, installs and starts processes
PROJECT = ROOT / "tests" / "neighbour"  # has packages named harness, aggregator and simulator of its own
LEFT_OUT = (".*", "*.egg-info", "build", "node_modules", "__pycache__", "restate-data", "fanin-bench-*")


def run(*command: str | Path, cwd: Path) -> str:
    """Run to a successful end, in an environment without this repository; return what was printed."""
    done = subprocess.run(  # noqa: S603 - the test's own words
        [str(word) for word in command],
        cwd=cwd, env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository's files, links as links: building leaves traces in it."""
    folder = tmp_path_factory.mktemp("copy") / "fanin"
    copytree(ROOT, folder, symlinks=True, ignore=ignore_patterns(*LEFT_OUT))
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", "dist", ".", cwd=checkout)
    (built,) = (checkout / "dist").glob("*.whl")
    return built


def fresh(folder: Path, *install: str) -> Path:
    """A new environment with fanin in it; everything else it finds where this one has it.

    Returns:
        Its folder of programs.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Of a folder that a .pth file names, its own .pth files (an editable fanin) are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "-q", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--ignore-installed", *install, cwd=folder)
    return programs


def installed(programs: Path) -> Sequence[str]:
    """The first part of every path that belongs to fanin in the environment's site-packages."""
    ask = """
        from importlib.metadata import distribution
        parts = {file.parts[0] for file in distribution("fanin").files}
        print(*sorted(part for part in parts if not part.startswith((".", "__pycache__"))))
    """
    return run(programs / "python", "-c", textwrap.dedent(ask), cwd=programs).split()


def test_the_wheel_holds_one_package_and_all_of_it(wheel: Path) -> None:
    """Every file of the three folders, once; nothing else at the top."""
    held = set(zipfile.ZipFile(wheel).namelist())
    code = {
        f"fanin/{path.relative_to(ROOT)}"
        for part in ("simulator", "aggregator", "harness")
        for path in (ROOT / part).rglob("*")
        if path.suffix in {".py", ".yaml", ".j2", ".css", ".js"}
    }

    assert {name.partition("/")[0] for name in held} == {"fanin", "fanin-0.1.0.dist-info"}
    assert {"fanin/__init__.py", "fanin/py.typed", "fanin/pytest_plugin.py"} <= held
    assert len(code) > 300
    assert code - held == set()


def test_a_project_with_packages_of_the_same_names_is_not_disturbed(wheel: Path, tmp_path: Path) -> None:
    """Its tests run, the fixture judges its application, and so does the command."""
    programs = fresh(tmp_path, str(wheel))
    project = copytree(PROJECT, tmp_path / "project")
    app = ("--app", "harness.main:create_app")

    tests = run(programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    card = run(programs / "fanin", "verify", *app, "slow-region", cwd=project)

    assert "3 passed" in tests
    assert "VALID" in card
    assert installed(programs) == ["fanin", "fanin-0.1.0.dist-info"]


def test_an_editable_installation_adds_one_path_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    """Where the three folders are not importable by their own names."""
    programs = fresh(tmp_path, "-e", str(checkout))
    ask = (
        "import fanin.harness, fanin.simulator.fake_acr, importlib.util as it;"
        "print(fanin.harness.__file__, *map(it.find_spec, ('harness', 'aggregator', 'simulator')))"
    )

    where, *others = run(programs / "python", "-c", ask, cwd=tmp_path).split()

    assert Path(where) == checkout / "src" / "fanin" / "harness" / "__init__.py"
    assert others == ["None"] * 3
    assert installed(programs) == ["__editable__.fanin-0.1.0.pth", "fanin-0.1.0.dist-info"]
