"""Style that matters is executed: sizes, names, and words that do not belong in the project."""

import ast
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 450
HOMELESS = re.compile(r"(^|_)(utils?|helpers?|common|base|manager)$")
# Addresses of package registries and folders of one machine: neither belongs in a public project.
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
# In prose and in the names of tests, a riddle: a sentence names its subject.
RIDDLES = re.compile(r"(?<![a-z])(?:(?:no|some|any|every)body|whoever|someone)s?(?![a-z])", re.IGNORECASE)

PYTHON = tracked("*.py")
PARTS = ("simulator", "aggregator", "harness", "src")
SOURCE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PARTS]
OURS = [path for path in PYTHON if ROOT / "tests" / "neighbour" not in path.parents]
PROSE = [path for path in tracked("*.md", "*.yaml") if path.name != "CHANGELOG.md"]
READ = [path for path in (*OURS, *PROSE) if path != Path(__file__)]  # this file holds the words


@dataclass
class Names:
    """What a module defines and imports, and how many lines each of its functions has."""

    classes: list[str] = field(default_factory=list)  # those of the module itself
    defined: list[str] = field(default_factory=list)
    function_lines: list[tuple[str, int]] = field(default_factory=list)
    imported: set[str] = field(default_factory=set)  # the first parts of absolute imports


@cache
def names_in(path: Path) -> Names:
    """Keeps the names and not the tree: all trees together are large."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    names = Names(classes=[node.name for node in module.body if isinstance(node, ast.ClassDef)])
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            names.defined.append(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.defined.append(node.name)
            names.function_lines.append((node.name, (node.end_lineno or 0) - node.lineno + 1))
        elif isinstance(node, ast.Import):
            names.imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.imported.add((node.module or "").split(".")[0])
    return names


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def words(name: str) -> list[str]:
    """The words of a name in either spelling, terms of the field left out."""
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    joined = "_".join(parts)
    for term in TERMS:
        joined = re.sub(rf"(^|_){term}(?=_|$)", "", joined)
    return joined.split("_")


def test_each_package_has_one_version() -> None:
    """A package that is listed twice is changed once."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.partition("==")[0].lower() for line in lines if "==" in line]

    assert [name for name in pinned if pinned.count(name) > 1] == []


def test_there_is_something_to_check() -> None:
    """A glob that matches nothing would make every other test here pass."""
    assert len(PYTHON) > 20


def test_functions_fit_a_screen_and_files_fit_a_mind() -> None:
    """No function over 70 lines, no file over 450."""
    functions = [
        (named(path), name, lines) for path in PYTHON for name, lines in names_in(path).function_lines
    ]
    files = [(named(path), path.read_text(encoding="utf-8").count("\n")) for path in PYTHON]

    assert [function for function in functions if function[-1] > FUNCTION_LINES_MAX] == []
    assert [file for file in files if file[-1] > FILE_LINES_MAX] == []


def test_a_file_has_a_concept_in_its_name() -> None:
    """What lives in `utils` has a concept with no name yet."""
    assert [named(path) for path in PYTHON if HOMELESS.search(path.stem)] == []


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    """The project speaks of itself alone."""
    offenders = [
        f"{named(path)}: {match.group()}"
        for path in tracked()
        if path != Path(__file__)
        and (match := FORBIDDEN.search(path.read_text(encoding="utf-8", errors="replace")))
    ]

    assert offenders == []


def test_names_are_the_fields_terms() -> None:
    """One vocabulary: that of HTTP, queues, SQL, Durable Task, pytest and Jepsen."""
    wrong = {
        f"{named(path)}: {name}: say {BANNED[word]}"
        for path in SOURCE
        for name in (path.stem, *names_in(path).defined)
        for word in words(name)
        if word in BANNED
    }

    assert wrong == set()


def test_a_class_name_means_one_thing_in_a_package() -> None:
    """An importer that has to rename a class reads two meanings."""
    places: dict[tuple[str, str], list[str]] = {}
    for path in SOURCE:
        for name in names_in(path).classes:
            places.setdefault((path.relative_to(ROOT).parts[0], name), []).append(named(path))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_prose_names_its_subject() -> None:
    """Docstrings, comments, messages, pages and the names of tests say who does what."""
    found = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in READ
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if RIDDLES.search(line)
    ]

    assert found == []


def test_imports_name_the_installed_package() -> None:
    """From the root of a checkout ``import harness`` works, and is another module than ``fanin.harness``."""
    ours = {named(path): names_in(path).imported & {"simulator", "aggregator", "harness"} for path in OURS}

    assert {name: found for name, found in ours.items() if found} == {}
