"""What a registry and a sink observe of an aggregator in a small scenario, as lines of text.

The tests of the families use it to show in what a mutant differs from a right aggregator.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from inspect import cleandoc
from typing import NamedTuple

from fanin.harness.history import AttemptEnded, AttemptSent, History, NotificationReceived, TargetState
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.registry import HEALTHY
from fanin.harness.world.play import play
from fanin.harness.world.target import AppFactory, reference_aggregator
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Scenario

BUSY = 503
DIGEST_LENGTH = 71
HEAD = """\
scenario: small
title: Small
"""
DEFAULTS = {"latency": "latency: 0s", "regions": "regions: [east, west]"}


class Run(NamedTuple):
    """A small scenario, and the lines that differ when a mutant plays it."""

    scenario: str
    difference: str


def run(scenario: str, difference: str) -> Run:
    """A run from indented text.

    Args:
        scenario: YAML; two regions, east and west, and no latency, unless it says otherwise.
        difference: Lines of the right aggregator begin with ``-``, those of the mutant with ``+``. Instants
            are in seconds.
    """
    return Run(cleandoc(scenario) + "\n", cleandoc(difference) + "\n")


def small(text: str) -> Scenario:
    """A scenario from its essential lines."""
    given = {line.partition(":")[0] for line in text.splitlines()}
    return loads(HEAD + "".join(f"{it}\n" for name, it in DEFAULTS.items() if name not in given) + text)


def difference(variant: Mutant | Healthy, text: str) -> str:
    """Lines by which a variant differs from a right aggregator with the same capabilities."""
    right = _behaviour(_right(variant), text)
    wrong = _behaviour(variant.factory, text)
    return "".join(f"{sign} {line}\n" for sign, line in _changes(right, wrong))


def _right(variant: Mutant | Healthy) -> AppFactory:
    same = [it.factory for it in HEALTHY.values() if it.capabilities == variant.capabilities]
    return same[0] if variant.capabilities and isinstance(variant, Mutant) else reference_aggregator


def _behaviour(factory: AppFactory, text: str) -> list[str]:
    return list(_lines(play(small(text), factory=factory)))


def _lines(history: History) -> Iterator[str]:
    """Responses and notifications, in order."""
    sent: dict[int, AttemptSent] = {}
    keys: dict[str, int] = {}  # in the order in which they were first seen
    for it in history.entries:
        at = f"{it.at / 1_000:.3f}"
        match it:
            case AttemptSent():
                sent[it.attempt] = it
            case AttemptEnded():
                attempt = sent[it.attempt]
                hint = f" retry after {it.retry_after}" if it.status == BUSY and it.retry_after else ""
                yield f"{at} {attempt.op} {attempt.region}: {it.status or it.error}{hint}"
            case NotificationReceived():
                key = f"key {keys.setdefault(it.key, len(keys) + 1)}" if it.key else "no key"
                body = it.body or {}
                missing = f" without {', '.join(body['missing'])}" if body.get("missing") else ""
                image = f"{body.get('repository')}:{body.get('tag')}"
                odd = "".join(f", {words}" for words in _oddities(it))
                yield f"{at} notified: {it.op} {body.get('outcome')}{missing}, {image}, {key}{odd}"
            case TargetState(state="up", took=took) if took:
                yield f"{at} up after {took / 1_000:.3f}"
            case TargetState(reason="failed"):
                yield f"{at} failed to start"


def _oddities(notification: NotificationReceived) -> Iterator[str]:
    """What most notifications have alike, where this one has not."""
    body = notification.body
    if notification.method != "POST":
        yield notification.method
    if notification.path:
        yield f"to {notification.path}"
    if body is None:
        yield "no object"
        return
    if "?" in str(body.get("id")):
        yield f"id {body.get('id')}"
    if body.get("arrived") == [] and not body.get("missing"):
        yield "none arrived"
    digest, deadline = body.get("digest"), body.get("deadline")
    if digest and len(digest) != DIGEST_LENGTH:
        yield f"digest {digest}"
    if deadline and not str(deadline).endswith("Z"):
        yield f"deadline {deadline}"


def _changes(right: list[str], wrong: list[str]) -> Iterator[tuple[str, str]]:
    matcher = SequenceMatcher(a=right, b=wrong, autojunk=False)
    for _, start, end, wrong_start, wrong_end in (it for it in matcher.get_opcodes() if it[0] != "equal"):
        yield from (("-", line) for line in right[start:end])
        yield from (("+", line) for line in wrong[wrong_start:wrong_end])
