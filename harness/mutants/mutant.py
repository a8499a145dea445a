"""What the zoo knows about one of its inmates."""

from dataclasses import dataclass

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.world.target import AppFactory


@dataclass(frozen=True, slots=True)
class Bug:
    """An aggregator that is wrong in one way."""

    name: str
    catalogue: tuple[str, ...]  # the entries of docs/bugs.md that it is an instance of, the closest first
    what: str  # one sentence: what it does wrong, so what comes of it
    scenario: str  # the one of the pack that exposes it best
    factory: AppFactory
    # What it has beyond the contract. Then it is about that, and plays only what asks for it.
    capabilities: frozenset[OptionalCapability] = frozenset()

    @property
    def cause(self) -> str:
        """The first half of the sentence, for lists."""
        return self.what.partition(", so ")[0]


@dataclass(frozen=True, slots=True)
class Healthy:
    """An aggregator that is unusual, and right by the contract."""

    name: str
    what: str  # one sentence: how it differs, and why it may
    factory: AppFactory
    survives: bool = True  # whether it keeps what it knows over a crash; if not, crashes are no fair test
    capabilities: frozenset[OptionalCapability] = frozenset()  # as a `Bug` has them
