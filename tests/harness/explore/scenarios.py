"""Small scenarios for the tests of exploring."""

from typing import Any

import msgspec

from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Operation, Scenario

ONE_PUSH = loads(dumps(Scenario("a", "A", operations=(Operation(),))))


def push(**fields: Any) -> Scenario:
    """One push to three regions, as the loader returns it, with these fields exchanged."""
    return msgspec.structs.replace(ONE_PUSH, **fields)
