"""What the page can play: an aggregator, and where its source differs from the right one."""

from typing import NamedTuple

import msgspec

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.world.target import AppFactory, reference_aggregator


class TargetSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a judged aggregator differs from the right one."""

    name: str
    what: str  # one sentence
    parts: tuple[dict[str, str], ...] = ()  # ``{where, wrong, right}``, source text


class Playable(NamedTuple):
    """An aggregator that can be played: fanin's own, or one that is built by the factory."""

    name: str
    factory: AppFactory = reference_aggregator
    capabilities: frozenset[OptionalCapability] = frozenset()
    source: TargetSource | None = None
