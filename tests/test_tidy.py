"""Style that matters is executed: sizes, names, and words that do not belong in the project."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 450
HOMELESS = re.compile(r"(^|_)(utils?|helpers?|common|base|manager)$")
# Addresses of package registries and folders of one machine: neither belongs in a project for everybody.
FORBIDDEN = re.compile(
    r"registry\.npmjs|files\.pythonhosted|pypi\.org|deb\.debian\.org|(?<![\w.~$}-])/(?:work|root)/"
)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(  # noqa: S603 - fixed words
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],  # noqa: S607 - git is on PATH
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).is_file()]


PYTHON = tracked("*.py")


def test_there_is_something_to_check() -> None:
    """A glob that matches nothing would make every other test here pass."""
    assert len(PYTHON) > 20


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_fit_a_screen_and_files_fit_a_mind(path: Path) -> None:
    """No function over 70 lines, no file over 450."""
    text = path.read_text(encoding="utf-8")
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    long = [f"{node.name} {(node.end_lineno or 0) - node.lineno + 1}" for node in functions]
    long = [entry for entry in long if int(entry.split()[1]) > FUNCTION_LINES_MAX]

    assert long == []
    assert text.count("\n") <= FILE_LINES_MAX


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_a_concept_in_its_name(path: Path) -> None:
    """What lives in `utils` has a concept with no name yet."""
    assert not HOMELESS.search(path.stem)


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    """The project speaks of itself alone."""
    offenders = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path != Path(__file__)
        and (match := FORBIDDEN.search(path.read_text(encoding="utf-8", errors="replace")))
    ]

    assert offenders == []
