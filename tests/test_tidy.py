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


# What the field says, by the word that no module's, class's or function's name may contain.
BANNED = {
    "anatomy": "edit", "answer": "response", "audience": "notifier", "bequeath": "snapshot",
    "bites": "faults", "blame": "text", "bury": "dead_letter", "canary": "smoke_test",
    "courier": "http_client", "desk": "handler", "dice": "draw", "docket": "index", "door": "auth",
    "epitaph": "exit_note", "excuse": "allowance", "excuses": "allowances", "folded": "normalised",
    "forecast": "predict", "guest": "foreign_app", "hearing": "view", "heirs": "snapshots",
    "inmate": "mutant", "invent": "generate", "lateness": "lag", "letter": "outbox_entry",
    "letters": "outbox", "mischief": "faults", "mistake": "user_error", "moment": "event",
    "moments": "events", "nobody": "none", "parcel": "deliveries", "patience": "retry_policy",
    "settling": "repair", "sing": "push_once", "somebody": "user", "sparing": "without_capabilities",
    "spell": "period", "stranger": "foreign_app", "strangers": "foreign_apps", "switchboard": "router",
    "tell": "send", "telling": "sending", "tells": "sends", "told": "sent", "toothless": "ineffective",
    "weather": "faults", "whoever": "the subject's name", "witness": "evidence",
}  # fmt: skip
TERMS = ("dead_letter", "dead_letters", "letter_case")  # of the field, though a part of them is banned
# In prose, a riddle: a sentence names its subject.
RIDDLES = re.compile(r"\b(nobody|somebody|whoever|anybody)\b", re.IGNORECASE)

PYTHON = tracked("*.py")
PARTS = ("simulator", "aggregator", "harness", "src")
SOURCE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PARTS]
OURS = [path for path in PYTHON if ROOT / "tests" / "neighbour" not in path.parents]
PROSE = [path for path in tracked("*.md", "*.yaml") if path.name != "CHANGELOG.md"]


def words(name: str) -> list[str]:
    """The words of a name in either spelling, terms of the field left out."""
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    joined = "_".join(parts)
    for term in TERMS:
        joined = re.sub(rf"(^|_){term}(?=_|$)", "", joined)
    return joined.split("_")


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


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_fields_terms(path: Path) -> None:
    """One vocabulary: that of HTTP, queues, SQL, Durable Task, pytest and Jepsen."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    names = [path.stem, *(node.name for node in ast.walk(tree) if isinstance(node, kinds))]

    wrong = {f"{name}: say {BANNED[word]}" for name in names for word in words(name) if word in BANNED}

    assert wrong == set()


def test_a_class_name_means_one_thing_in_a_package() -> None:
    """An importer that has to rename a class reads two meanings."""
    places: dict[tuple[str, str], list[str]] = {}
    for path in SOURCE:
        where = path.relative_to(ROOT)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault((where.parts[0], node.name), []).append(str(where))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", [*SOURCE, *PROSE], ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_names_its_subject(path: Path) -> None:
    """Plain sentences, without riddles."""
    found = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if RIDDLES.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_name_the_installed_package(path: Path) -> None:
    """From the root of a checkout ``import harness`` works, and is another module than ``fanin.harness``."""
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [it.name for it in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }  # fmt: skip

    assert roots & {"simulator", "aggregator", "harness"} == set()
