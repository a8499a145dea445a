"""A YAML file as a tree of nodes with their positions. Nothing in it is ever constructed or executed.

Rules of this file:

* One file, one document. Its values hold no control characters but tab and newline.
* Tags are refused, all of them: ``!!python/object`` as well as ``!!str``.
* An alias stands for the very node that its anchor names. What a file expands to is limited, so a few lines
  of aliases to aliases cannot fill the memory.
* Merge keys (``<<``) are refused: what an operation says should be read where it stands.
* A key that is given twice is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import Reader
from yaml.resolver import Resolver

from fanin.simulator.language.problems import Mark, Report
from fanin.simulator.text import quoted

DEPTH_MAX = 32  # a scenario needs six
NODES_MAX = 100_000  # aliases expanded
START = Mark(1, 1)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster
_resolver: Any = Resolver()
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value; ``kind`` is what YAML 1.1 takes it for: str, int, float, bool, null, timestamp or merge."""

    mark: Mark
    text: str
    kind: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    mark: Mark
    items: "tuple[Node, ...]"
    size: int  # nodes below and including this one, aliases expanded


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping. ``entries`` are in file order, no key twice."""

    mark: Mark
    entries: "tuple[tuple[ScalarNode, Node], ...]"
    size: int

    def get(self, key: str) -> "Node | None":
        return next((value for name, value in self.entries if name.text == key), None)


Node = ScalarNode | SequenceNode | MappingNode


def compose(text: str, report: Report) -> Node:
    """Turn a file's text into its nodes. A problem after which reading can go on is only reported.

    Raises:
        ScenarioError: not YAML, not one document, or beyond a limit; with what was reported before.
    """
    text = text.removeprefix("\ufeff")
    if match := Reader.NON_PRINTABLE.search(text):
        report.stop(position(text, match.start()), _control(match[0]))
    try:
        return _Composer(yaml.parse(text, Loader=_Loader), report).document()
    except yaml.MarkedYAMLError as exc:
        report.stop(_marked(exc.problem_mark or exc.context_mark), _syntax(exc))
    except (yaml.YAMLError, ValueError, OverflowError) as exc:
        # The scanner in Python converts numbers of directives and escapes without asking whether they fit.
        report.stop(START, f"not YAML: {exc}")


def position(text: str, index: int) -> Mark:
    """Where the character at ``index`` stands."""
    before = _LINE_BREAK.split(text[:index])
    return Mark(len(before), len(before[-1]) + 1)


def _control(character: str) -> str:
    return f"control character U+{ord(character):04X}; leave it out"


def _marked(mark: Any) -> Mark:
    """A position as the parsers say it; both of them count from 0."""
    return START if mark is None else Mark(mark.line + 1, mark.column + 1)


def _syntax(exc: yaml.MarkedYAMLError) -> str:
    context = f", {exc.context}" if exc.context else ""
    if exc.context_mark is not None and exc.problem_mark is not None:
        context += f" that began on line {exc.context_mark.line + 1}" if context else ""
    return f"not YAML: {exc.problem}{context}"


class _Composer:
    """Reads events and builds nodes."""

    def __init__(self, events: Iterator[Event], report: Report) -> None:
        self._events, self._report = events, report
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, StreamEndEvent):
            self._report.stop(START, "the file is empty; a scenario begins with 'scenario: <its name>'")
        root = self._node(next(self._events), depth=1)
        next(self._events)  # the document's end
        event = next(self._events)
        if isinstance(event, DocumentStartEvent):
            mark = _marked(event.start_mark)
            self._report.stop(mark, "a second document begins here; a file holds one scenario")
        return root

    def _node(self, event: Event, depth: int) -> Node:
        mark = _marked(event.start_mark)
        if depth > DEPTH_MAX:
            self._report.stop(mark, f"nested deeper than {DEPTH_MAX} levels")
        if isinstance(event, AliasEvent):
            return self._aliased(event, mark)
        return self._fresh(event, mark, depth)

    def _aliased(self, event: AliasEvent, mark: Mark) -> Node:
        if (node := self._anchors.get(event.anchor or "")) is None:
            self._report.stop(mark, f"no anchor &{event.anchor} before this alias, or it is inside it")
        self._count(node.size, mark)
        return node

    def _fresh(self, event: Event, mark: Mark, depth: int) -> Node:
        if (tag := getattr(event, "tag", None)) is not None:
            shown = quoted(tag.replace("tag:yaml.org,2002:", "!!", 1))
            self._report.add(mark, f"tag {shown}; tags are not accepted, write text in quotes instead")
        self._count(1, mark)
        node: Node
        match event:
            case ScalarEvent():
                node = self._scalar(event, mark)
            case SequenceStartEvent():
                items = tuple(self._items(depth))
                node = SequenceNode(mark, items, 1 + sum(item.size for item in items))
            case MappingStartEvent():
                entries = tuple(self._entries(depth))
                node = MappingNode(mark, entries, 1 + sum(key.size + value.size for key, value in entries))
            case _:
                raise AssertionError(f"{event}: not where the grammar of YAML has a node")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: ScalarEvent, mark: Mark) -> ScalarNode:
        text = event.value
        if match := _CONTROL.search(text):
            self._report.add(mark, _control(match[0]))
            text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
        # Quoted scalars and blocks are text. What a plain one is, YAML 1.1 decides by its looks.
        plain = not event.style and event.tag is None
        tag = _resolver.resolve(yaml.ScalarNode, text, (True, False)) if plain else "str"
        return ScalarNode(mark, text, tag.removeprefix("tag:yaml.org,2002:"))

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[ScalarNode, Node]]:
        seen: dict[str, Mark] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            mark = _marked(event.start_mark)
            if not isinstance(key, ScalarNode):
                self._report.add(mark, "a list or mapping as a name; a name is text")
            elif key.kind == "merge":
                self._report.add(
                    mark, "merge key <<; write the fields out, or use an alias for a whole value"
                )
            elif key.text in seen:
                self._report.add(
                    mark, f"{quoted(key.text)} is given twice, first on line {seen[key.text].line}"
                )
            else:
                seen[key.text] = mark
                yield ScalarNode(mark, key.text, key.kind), value

    def _count(self, nodes: int, mark: Mark) -> None:
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            self._report.stop(mark, f"more than {NODES_MAX} values, aliases expanded")
