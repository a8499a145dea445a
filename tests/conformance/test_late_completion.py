"""What an engine promises to those who want to know that the missing region has arrived after all."""

from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.target import MESSAGES
from tests.conformance.worlds import EAST, NORTH, WEST, World, arrival, deliver_all, target


def messages(world: World, name: str) -> list[str]:
    return [notify.outcome.value for _, notify in world.sent_to(name)]


def test_the_last_missing_region_is_told_once_to_those_who_ask_for_it(world: World) -> None:
    """Under a key of its own, with every region as arrived; nothing else changes."""

    async def story() -> None:
        late = target("late", on=(Phase.COMPLETED_LATE,))
        engine = await world.start(targets=(target("all", on=MESSAGES), target("usual"), late))
        await engine.deliver(arrival(EAST))
        await world.until(lambda: len(world.attempts) == 2)
        await engine.deliver(arrival(NORTH))
        await world.state(when=lambda it: NORTH in it.late)
        await deliver_all(engine, arrival(WEST), arrival(WEST), arrival(NORTH))
        await world.until(lambda: len(world.attempts) == 4)
        state = await world.state(when=lambda it: it.duplicates == 2)
        await world.silence()

        assert messages(world, "all") == ["timed_out", "completed_late"]
        assert messages(world, "usual") == ["timed_out"]
        assert messages(world, "late") == ["completed_late"]
        ((_, outcome), (_, told)) = world.sent_to("all")
        assert (told.arrived, told.missing) == ((EAST, NORTH, WEST), ())
        assert told.key != outcome.key
        assert (state.phase, state.missing) == (Phase.TIMED_OUT, (NORTH, WEST))

    world.play(story)


def test_it_is_told_over_a_restart(world: World) -> None:
    """What was late before it counts."""

    async def story() -> None:
        engine = await world.start(targets=(target("all", on=MESSAGES),))
        await engine.deliver(arrival(EAST))
        await world.until(lambda: len(world.attempts) == 1)
        await engine.deliver(arrival(NORTH))
        await world.state(when=lambda it: NORTH in it.late)
        await world.stop()
        engine = await world.start()
        await engine.deliver(arrival(WEST))
        await world.until(lambda: len(world.attempts) == 2)

        assert messages(world, "all") == ["timed_out", "completed_late"]

    world.play(story)
