"""YAML nodes: values without resolution, and errors with file, line and column."""

from pathlib import Path

import pytest

from fanin.aggregator.notify.yaml_nodes import Node, NodeError, nearest, read


def node(folder: Path, text: str) -> Node:
    (folder / "file.yaml").write_text(text, encoding="utf-8")
    return read(folder / "file.yaml")


def test_a_mapping_has_its_values_by_key(tmp_path: Path) -> None:
    """Nothing is resolved: `on` is a word, and a number is its text."""
    fields = node(tmp_path, "on: yes\ncount: 007\nlist: [a, b]\n").fields("a mapping")

    assert list(fields) == ["on", "count", "list"]
    assert (fields["on"].text("a word"), fields["count"].text("a number")) == ("yes", "007")
    assert [it.text("a letter") for it in fields["list"].items("letters")] == ["a", "b"]


def test_one_text_is_a_list_of_one(tmp_path: Path) -> None:
    """So that `on: timed_out` needs no brackets."""
    fields = node(tmp_path, "on: timed_out\n").fields("a mapping")

    assert [it.text("an outcome") for it in fields["on"].items("outcomes")] == ["timed_out"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", ":1:1: expected a mapping"),
        ("a: 1\nb: 2\na: 3\n", ":3:1: 'a' occurs twice"),
        ("a: 1\nc: 2\n", ":2:1: no such field 'c'; there are a, b"),
        ("a: 1\n'': 2\n", ":2:1: expected a name"),
        ("a: 1\n? [x]\n: 2\n", ":2:3: expected a name"),
        ("", ": empty; expected targets: and a list of them"),
        ("a: [", ":1:5: not YAML: "),
        ("a: \x07", ": not YAML: ReaderError"),
        ("a: 'x\n", ":2:1: not YAML: found unexpected end of stream"),
    ],
)
def test_a_file_with_an_error_is_refused_with_its_position(tmp_path: Path, text: str, message: str) -> None:
    """File, line, column, and what was expected."""
    with pytest.raises(NodeError) as refusal:
        node(tmp_path, text).fields("a mapping", ("a", "b"))

    assert str(refusal.value).startswith(f"{tmp_path / 'file.yaml'}{message}")


@pytest.mark.parametrize("text", ["a: {}", "a: [x]", "a: ''", "a:"])
def test_what_is_no_text_is_refused(tmp_path: Path, text: str) -> None:
    """At the value, not at its key."""
    value = node(tmp_path, text).fields("a mapping")["a"]

    with pytest.raises(NodeError, match=r":1:\d: expected a word$"):
        value.text("a word")


@pytest.mark.parametrize("text", ["a: {}", "a: []"])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    """An empty list is an error, too: it would mean nothing."""
    value = node(tmp_path, text).fields("a mapping")["a"]

    with pytest.raises(NodeError, match=":1:4: expected words"):
        list(value.items("words"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Absent, or in another encoding."""
    (tmp_path / "latin.yaml").write_bytes("a: ü".encode("latin-1"))

    with pytest.raises(NodeError, match=r"absent\.yaml: No such file or directory$"):
        read(tmp_path / "absent.yaml")
    with pytest.raises(NodeError, match=r"latin\.yaml: not UTF-8 at byte 3$"):
        read(tmp_path / "latin.yaml")


def test_the_nearest_name_is_suggested() -> None:
    """All of them, if none is near."""
    assert nearest("urll", ("url", "name")) == "did you mean 'url'?"
    assert nearest("xyz", ("url", "name")) == "there are url, name"
