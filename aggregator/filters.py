"""Which events are of interest: by action, repository and tag, and without what is attached to images.

Rules of this file: pure; a pattern is a glob in which ``*`` stands for any text, ``/`` included, and ``?``
for one character; one that begins with ``!`` excludes. Names compare exactly, as the registry has them.

A push of several manifests is several events: each platform's by digest, the index by its tag, and a
signature, an attestation or an SBOM under a tag of its own, made of the digest that it is about.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fanin.aggregator.errors import quoted
from fanin.aggregator.fanin import Subject

PATTERNS_MAX, PATTERN_LENGTH_MAX = 100, 256
_PATTERN = re.compile(r"!?[A-Za-z0-9*?][A-Za-z0-9*?._/-]*")
# cosign, "Signature specification"; without an ending the referrers tag of the OCI distribution specification
# ("Referrers tag schema"), which has the artifacts of a registry that does not list them itself.
_ATTACHMENT = re.compile(r"sha(?:256|512)-[0-9a-f]{32,128}(?:\.(?:sig|att|sbom))?")
# A tag says which of these is meant; a delete has none, whatever was deleted.
_TAGGED = frozenset({"push", "quarantine", "chart_push", "chart_delete"})


class Patterns(NamedTuple):
    """Globs of names. Without one that includes, every name is included."""

    texts: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        """Whether a name is included, and not excluded."""
        if not self.texts:
            return True
        excluded = [text[1:] for text in self.texts if text.startswith("!")]
        included = [text for text in self.texts if not text.startswith("!")]
        return (not included or _any(name, included)) and not _any(name, excluded)


EVERY = Patterns()


def parse_patterns(texts: Iterable[str]) -> Patterns:
    """Parse globs of names, each of which may have blanks around it.

    Raises:
        ValueError: not a glob, or too many of them.
    """
    patterns = tuple(text.strip() for text in texts)
    if len(patterns) > PATTERNS_MAX:
        raise ValueError(f"has {len(patterns)} patterns; at most {PATTERNS_MAX} are accepted")
    for pattern in patterns:
        if len(pattern) > PATTERN_LENGTH_MAX or not _PATTERN.fullmatch(pattern):
            raise ValueError(
                f"{quoted(pattern)} is not a pattern: letters, digits, '.', '_', '/', '-', '*' for any text,"
                " '?' for one character, and '!' before it to exclude"
            )
    return Patterns(patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an event must be like to be of interest."""

    repositories: Patterns = EVERY
    tags: Patterns = EVERY
    actions: frozenset[str] = frozenset()  # none: all of them
    tagged_only: bool = False
    skip_attachments: bool = False

    def admits(self, subject: Subject) -> bool:
        """Whether an event with this subject is of interest. A delete names no tag, so no tag excludes it."""
        if self.actions and subject.action not in self.actions:
            return False
        if not self.repositories.match(subject.repository or ""):
            return False
        tag = subject.tag or ""
        if self.skip_attachments and _ATTACHMENT.fullmatch(tag):
            return False
        if subject.action not in _TAGGED:
            return True
        if not tag:
            return not (self.tagged_only or self.tags.texts)
        return self.tags.match(tag)


ALL = Filter()


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
