# ruff: noqa: E501 - a row of the table is one line, whatever its length
"""Files and YAML: what cannot be read, what is YAML and is refused all the same, and limits."""

import sys
from pathlib import Path

import pytest
import yaml

from fanin.simulator.language import yaml_nodes
from fanin.simulator.language.load import SIZE_MAX, ScenarioError, load, loads

HEAD = "scenario: example\ntitle: An example\n"  # rows begin on line 3

WRONG = {
    # YAML itself
    "a key twice": ("timeout: 1m\ntimeout: 2m", "4:1: 'timeout' is given twice, first on line 3"),
    "a tag that python would execute": (
        "key: !!python/name:os.system abc",
        "3:6: tag '!!python/name:os.system'; tags are not accepted, write text in quotes instead",
    ),
    "a tag of yaml's own": (
        "key: !!str 123",
        "3:6: tag '!!str'; tags are not accepted, write text in quotes instead",
    ),
    "a tag of ones own": (
        "key: !secret abc",
        "3:6: tag '!secret'; tags are not accepted, write text in quotes instead",
    ),
    "a merge key": (
        "sender: {<<: {profile: acr}}",
        "3:10: merge key <<; write the fields out, or use an alias for a whole value",
    ),
    "a list as a name": ("? [a, b]\n: 3", "3:3: a list or mapping as a name; a name is text"),
    "an alias to nothing": ("key: *nothing", "3:6: no anchor &nothing before this alias, or it is inside it"),
    "an alias to itself": (
        "regions: &all [eastus, *all]",
        "3:24: no anchor &all before this alias, or it is inside it",
    ),
    "a second document": (
        "---\nscenario: second",
        "3:1: a second document begins here; a file holds one scenario",
    ),
    "a bell": ('description: "a\\ab"', "3:14: control character U+0007; leave it out"),
}


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of PyYAML's two parsers reads; libyaml's is used where it is there."""
    if request.param == "python":
        monkeypatch.setattr(yaml_nodes, "_Loader", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML was built without libyaml")
    return str(request.param)


def problems(text: str) -> str:
    """What `loads` has to say about a text that it refuses."""
    with pytest.raises(ScenarioError) as caught:
        loads(text, "example.yaml")
    return str(caught.value)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_yaml_beyond_plain_data_is_refused_where_it_stands(text: str, message: str) -> None:
    """Nothing is constructed, nothing merged, nothing overwritten silently."""
    assert problems(HEAD + text) == f"example.yaml:{message}"


def test_a_tag_executes_nothing(tmp_path: Path) -> None:
    """Loading a hostile file touches nothing."""
    target = tmp_path / "touched"

    problems(
        f'{HEAD}key: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ["{target}"]]\n'
    )

    assert not target.exists()


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; a scenario begins with 'scenario: <its name>'"),
        ("# only a comment\n\n", "the file is empty; a scenario begins with 'scenario: <its name>'"),
        ("- scenario: example\n", "this is no mapping; a scenario has the fields scenario, title, "),
        ("just words", "this is no mapping; a scenario has the fields scenario, title, "),
        ("---\n", "this is no mapping; a scenario has the fields scenario, title, "),
        ("scenario: example\n", "field 'title' is missing"),
    ],
)
def test_what_is_no_scenario_at_all_is_reported(text: str, message: str) -> None:
    """A scenario is one mapping."""
    assert problems(text).startswith(f"example.yaml:1:1: {message}")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("scenario: [example\n", "2:1"),
        ("scenario: 'example\n", "2:1"),
        ("scenario: example\n\ttitle: x\n", "2:1"),
        ("scenario: example\ntitle: a: b\n", "2:9"),
        ("scenario: %example\n", "1:11"),
        ("scenario: example\n title: x\n", "2:7"),
    ],
)
def test_a_syntax_error_names_its_place(text: str, place: str) -> None:
    """The parser's own words follow the file, the line and the column."""
    assert problems(text).startswith(f"example.yaml:{place}: not YAML: ")


@pytest.mark.usefixtures("parser")
def test_aliases_stand_for_what_their_anchor_names() -> None:
    """The one convenience of YAML that repeats a value without hiding it."""
    text = HEAD + (
        "operations:\n"
        "  - {name: first, reaches: &usual {northeurope: 0s, westeurope: 2s}}\n"
        "  - {name: second, reaches: *usual}\n"
    )

    first, second = loads(text).operations

    assert second.reaches == first.reaches


@pytest.mark.usefixtures("parser")
def test_a_problem_behind_an_alias_is_reported_once_where_it_stands() -> None:
    """Two aliases of one mistake are one mistake."""
    text = HEAD + "replication: {northeurope: &slow {median: 3}, westeurope: *slow, eastus: *slow}\n"

    lines = problems(text).splitlines()

    assert [line.partition(" ")[0] for line in lines] == ["example.yaml:3:43:"] * len(lines)


@pytest.mark.usefixtures("parser")
def test_aliases_of_aliases_cannot_fill_the_memory() -> None:
    """What a file expands to is counted before it is expanded."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{here}: &{here} [{', '.join([f'*{before}'] * 10)}]"
        for before, here in zip("abcdefgh", "bcdefghi", strict=True)
    ]

    assert problems(HEAD + "\n".join(lines)).endswith("more than 100000 values, aliases expanded")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("brackets", [40, 200_000])
def test_nesting_has_an_end(brackets: int) -> None:
    """No recursion error, and no crash of the interpreter."""
    assert problems(f"{HEAD}key: {'[' * brackets}").endswith(f"3:{6 + 31}: nested deeper than 32 levels")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_other_systems_are_read(newline: str, mark: str, tmp_path: Path) -> None:
    """Windows' line ends and byte order mark change nothing, lines and columns included."""
    file = tmp_path / "example.yaml"
    file.write_bytes((mark + HEAD + "timeout: 120\n").replace("\n", newline).encode())

    with pytest.raises(ScenarioError) as caught:
        load(file)

    assert [problem.mark for problem in caught.value.problems] == [(3, 10)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"scenario: ex\xe4mple\n", ":1:13: byte 0xe4 is not UTF-8; save the file as UTF-8"),
        ("scenario: x\n".encode("utf-16"), ":1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"title: \xc3\xa4\nkey: \x80", ":2:6: byte 0x80 is not UTF-8; save the file as UTF-8"),
        (b"scenario: a\x00b\n", ":1:12: control character U+0000; leave it out"),
        (
            b"#" * (SIZE_MAX + 1),
            f": larger than {SIZE_MAX} bytes; a scenario says what happens often with 'repeat'",
        ),
    ],
)
def test_a_file_that_is_no_text_is_reported(content: bytes, message: str, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, control characters, or far too many of them."""
    file = tmp_path / "example.yaml"
    file.write_bytes(content)

    with pytest.raises(ScenarioError) as caught:
        load(file)

    assert str(caught.value) == f"{file}{message}"


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    """Missing, a directory, an impossible name: the file is named, and there is no traceback."""
    missing, impossible = tmp_path / "missing.yaml", Path("a\0b.yaml")

    for path, message in (
        (missing, f"{missing}: there is no such file"),
        (tmp_path, f"{tmp_path}: cannot be read: Is a directory"),
        (impossible, f"{impossible}: cannot be read: "),
    ):
        with pytest.raises(ScenarioError) as caught:
            load(path)
        assert str(caught.value).startswith(message)


def test_a_text_may_not_be_larger_than_a_file() -> None:
    """The limit holds for texts, too."""
    assert problems("#" * (SIZE_MAX + 1)).startswith(f"example.yaml: larger than {SIZE_MAX} characters")


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\ud800", r"\e[31m", r"\x85"])
@pytest.mark.usefixtures("parser")
def test_escapes_cannot_smuggle_anything_in(escape: str) -> None:
    """No half characters that cannot be encoded, no sequences that a terminal obeys."""
    assert problems(f'{HEAD}description: "{escape}"\n').startswith("example.yaml:")


def test_a_problem_is_one_line_whatever_it_quotes() -> None:
    """Line breaks and long texts are escaped and cut."""
    text = problems(HEAD + 'replication: {"a\\nb": ' + "x" * 5_000 + "}\n" + f"{'k' * 120}: 1\n")

    assert all(line.startswith("example.yaml:") and len(line) < 400 for line in text.splitlines())
    assert sys.getsizeof(text) < 2_000
