"""The entries of the registry: mutants and healthy variants."""

from dataclasses import dataclass

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.world.target import AppFactory


@dataclass(frozen=True, slots=True)
class Mutant:
    """An aggregator with one bug."""

    name: str
    catalogue: tuple[str, ...]  # the entries of docs/bugs.md that it is an instance of, the closest first
    what: str  # one sentence: what it does wrong, so what the effect is
    scenario: str  # of the pack; the one that shows the bug best
    factory: AppFactory
    # What the bug is about, if that is beyond the contract. Then it plays only scenarios that need just this.
    capabilities: frozenset[OptionalCapability] = frozenset()

    @property
    def cause(self) -> str:
        """The sentence up to the effect, for lists."""
        return self.what.partition(", so ")[0]


@dataclass(frozen=True, slots=True)
class Healthy:
    """An aggregator that is unusual, and right by the contract."""

    name: str
    what: str  # one sentence: how it differs, and why it may
    factory: AppFactory
    survives_crash: bool = True  # False: it keeps its state in memory, so it plays no scenario with a crash
    capabilities: frozenset[OptionalCapability] = frozenset()  # as `Mutant.capabilities`
