"""The seed decides everything, and nothing moves the draws of something else."""

import subprocess
import sys

from msgspec.structs import replace

from fanin.simulator.fake_acr import Occurrence
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.transport import Drop, Duplicate, Reorder
from fanin.simulator.language.scenario import Operation
from fanin.simulator.shapes import Delay
from tests.simulator.registries import EAST, NORTH, PUSH, WEST, bodies, due, played


def test_the_same_seed_plays_the_same_and_another_seed_does_not() -> None:
    """Every draw: ids, digests, replication, faults."""
    operation = Operation(name="push", repeat=20, every=100)
    faults: tuple[Fault, ...] = (Drop(chance=0.3), Reorder(within=50))

    one, same, other = (played(operation, seed=seed, faults=faults) for seed in (1, 1, 2))

    assert one == same
    assert one != other
    assert not {push.digest for push in one} & {push.digest for push in other}
    assert not {push.ids[EAST] for push in one} & {push.ids[EAST] for push in other}


def test_another_process_plays_the_same() -> None:
    """No accidental order gets in, whatever PYTHONHASHSEED is."""
    program = (
        "import hashlib; from fanin.simulator.fake_acr import FakeRegistry;"
        "from fanin.simulator.faults.transport import Drop;"
        "from fanin.simulator.language.scenario import Operation, Scenario;"
        "s = Scenario('s', 't', operations=(Operation(name='op', repeat=9),), faults=(Drop(chance=0.5),));"
        "h = list(FakeRegistry(s, seed=7, epoch_ms=0).occurrences());"
        "print(hashlib.sha256(repr(h).encode()).hexdigest())"
    )

    digests = {
        subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip

    assert len(digests) == 1


def test_a_fault_that_never_takes_effect_changes_nothing() -> None:
    """Its draws are its own."""
    operation = Operation(name="push", repeat=20)
    drop = (Drop(chance=0.5),)

    assert played(operation, faults=(Drop(chance=0),)) == played(operation)
    assert played(operation, faults=(*drop, Reorder(within=50, chance=0))) == played(operation, faults=drop)


def test_an_operation_more_does_not_move_the_draws_of_the_others() -> None:
    """Not even one that happens before them: that is what lets a failing scenario shrink."""
    faults: tuple[Fault, ...] = (Drop(chance=0.3), Duplicate(chance=0.3), Reorder(within=50))
    push = Operation(name="push", at=100, repeat=20, every=7)
    intruder = Operation(name="intruder", repeat=30, every=5)

    alone = played(push, faults=faults)
    among = [it for it in played(intruder, push, faults=faults) if it.op.startswith("push")]

    assert among == alone


def test_a_region_more_does_not_move_the_draws_of_the_others() -> None:
    """Nor does fixing the delay of one."""
    faults: tuple[Fault, ...] = (Drop(chance=0.3), Reorder(within=50))
    push = Operation(name="push", repeat=20)

    def without(region: str, happened: list[Occurrence]) -> list[Occurrence]:
        return [
            replace(
                it,
                ids={name: each for name, each in it.ids.items() if name != region},
                deliveries=tuple(each for each in it.deliveries if each.region != region),
                unsent=tuple(each for each in it.unsent if each.region != region),
            )
            for it in happened
        ]

    two = played(push, regions=(NORTH, EAST), faults=faults)
    three = played(push, faults=faults)
    fixed = played(push, faults=faults, replication={WEST: Delay(fixed=1)})

    assert without(WEST, three) == two
    assert without(WEST, fixed) == two


def test_a_spelt_out_id_moves_no_other_draw() -> None:
    """Neither the request's id nor the timestamp's last digits."""
    (drawn,), (spelt,) = played(PUSH), played(Operation(name="push", id="event"))

    assert bodies(spelt)[0] == bodies(drawn)[0] | {"id": "event"}
    assert due(spelt) == due(drawn)
