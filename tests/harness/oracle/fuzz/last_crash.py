"""A crash at the end of a drawn run, at an instant that decides whether the sink's 2xx may be lost."""

from msgspec.structs import replace

from fanin.harness.history import Entry, NotificationReceived, SinkResponded, TargetState
from tests.harness.oracle.fuzz.model import LegalRun
from tests.harness.oracle.fuzz.surroundings import TOLERANCE_MS, Down

_OFTEN = 0.2


def last_accepted(run: LegalRun) -> tuple[NotificationReceived, SinkResponded] | None:
    """The notification with which a run ends, if the sink accepts it at once and nothing else is open."""
    ended = max(run.entries, key=lambda it: (it.at, isinstance(it, SinkResponded)))
    if not isinstance(ended, SinkResponded) or run.around.replicas > 1:
        return None
    told = next(
        it for it in run.entries if isinstance(it, NotificationReceived) and it.request == ended.request
    )
    others = (it for it in run.entries if it is not told and it is not ended)
    quiet = all(it.at < told.at for it in others)
    calm = all((it.until or 0) < told.at and it.times_max is None for it in run.around.sink_faults)
    is_read = ended.status in range(200, 300) and ended.at - told.at <= TOLERANCE_MS
    return (told, ended) if quiet and calm and is_read and run.around.outage_at(told.at) is None else None


def crashed_and_sent_again(
    run: LegalRun, told: NotificationReceived, down: Down
) -> tuple[list[Entry], NotificationReceived, SinkResponded]:
    """An outage, and the same notification once more after it."""
    states: list[Entry] = [
        TargetState(down.down, "down", down.reason, replica=down.replica),
        TargetState(down.up, "up", "start", replica=down.replica),
    ]
    again = replace(told, at=down.up + run.around.rng.randint(0, TOLERANCE_MS), request=run.number())
    return states, again, SinkResponded(again.at + 1, again.request, 200)


def crash_at_the_end(run: LegalRun) -> None:
    """It goes down while the sink reads it, or before the 2xx is stored: it may be sent again."""
    rng = run.around.rng
    if rng.random() > _OFTEN or (found := last_accepted(run)) is None:
        return
    told, ended = found
    at = rng.choice(
        (told.at, ended.at, ended.at + TOLERANCE_MS, rng.randint(told.at, ended.at + TOLERANCE_MS))
    )
    down = Down(at, max(at, ended.at) + rng.choice((1, 500, 30_000)), rng.choice(("crash", "stop")))
    states, again, response = crashed_and_sent_again(run, told, down)
    run.around.outages.append(down)
    # The state is recorded before what happens at its instant, or after it.
    run.entries = [*states, *run.entries] if rng.random() < 0.5 else [*run.entries, *states]
    if rng.random() < 0.7:
        run.entries += [again, response]
        for truth in (it for subject in run.subjects for it in subject.operations):
            for messages in (truth.told, truth.told_late):
                if told in messages:
                    messages.append(again)
