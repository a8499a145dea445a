"""What is of interest: globs of names, pushes by digest, and what is attached to images."""

import pytest

from fanin.aggregator.fanin import Subject
from fanin.aggregator.filters import ALL, PATTERNS_MAX, Filter, parse_patterns

DIGEST = "3" * 64


def push(repository: str = "team/app", tag: str | None = "1.4.2", action: str = "push") -> Subject:
    return Subject(action=action, repository=repository, tag=tag, digest="sha256:11")


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        ([], "team/app", True),
        (["team/*"], "team/app", True),
        (["team/*"], "team/app/deep", True),
        (["team/*"], "Team/app", False),
        (["team/*"], "other", False),
        (["team/*", "base"], "base", True),
        (["!team/scratch"], "team/app", True),
        (["!team/scratch"], "team/scratch", False),
        (["team/*", " !*/scratch "], "team/scratch", False),
        (["v?.*"], "v1.2", True),
        (["v?.*"], "v10.2", False),
    ],
)
def test_a_name_is_included_and_not_excluded(patterns: list[str], name: str, *, matches: bool) -> None:
    """As the registry has it, letter by letter."""
    assert parse_patterns(patterns).match(name) is matches


@pytest.mark.parametrize(
    "patterns", [[""], ["!"], ["a b"], ["[ab]"], ["$TAG"], ["'v*'"], ["x" * 300], ["a"] * (PATTERNS_MAX + 1)]
)
def test_what_is_no_pattern_is_refused(patterns: list[str]) -> None:
    """It would match nothing, and nothing would be notified."""
    with pytest.raises(ValueError, match=r"is not a pattern|at most 100"):
        parse_patterns(patterns)


@pytest.mark.parametrize(
    ("only", "subject", "admitted"),
    [
        (ALL, push(tag=None), True),
        (Filter(actions=frozenset({"delete"})), push(), False),
        (Filter(actions=frozenset({"push"})), push(), True),
        (Filter(repositories=parse_patterns(["base/*"])), push(), False),
        (Filter(repositories=parse_patterns(["base/*"])), Subject(action="push"), False),
        (Filter(tags=parse_patterns(["1.*"])), push(), True),
        (Filter(tags=parse_patterns(["2.*"])), push(), False),
        (Filter(tags=parse_patterns(["*"])), push(tag=None), False),
        (Filter(tags=parse_patterns(["2.*"])), push(tag=None, action="delete"), True),
        (Filter(tagged_only=True), push(tag=None), False),
        (Filter(tagged_only=True), push(tag=None, action="delete"), True),
        (Filter(tagged_only=True), push(), True),
        (Filter(skip_attachments=True), push(), True),
        (Filter(skip_attachments=True), push(tag=None), True),
        (Filter(skip_attachments=True), push(tag=f"sha256-{DIGEST}.sig"), False),
        (Filter(skip_attachments=True), push(tag=f"sha256-{DIGEST}.att"), False),
        (Filter(skip_attachments=True), push(tag=f"sha256-{DIGEST}.sbom"), False),
        (Filter(skip_attachments=True), push(tag=f"sha256-{DIGEST}"), False),
        (Filter(skip_attachments=True), push(tag="sha256-short.sig"), True),
    ],
)
def test_an_event_is_of_interest_or_not(only: Filter, subject: Subject, *, admitted: bool) -> None:
    """A delete has no tag, so that no tag leaves it out."""
    assert only.admits(subject) is admitted
