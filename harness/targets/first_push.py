"""One push before the pack: does an application or a command take webhooks, and does it notify its sink?

Without it, a wrong path would break every scenario, in other words each time. It judges nothing: what the
notification does not hold is a note, and the pack says whether it is right.
"""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from fanin.harness.dialect import Dialect
from fanin.harness.history import SUCCESS, AttemptEnded, End, History, NotificationReceived, TargetState
from fanin.harness.placement import PATH
from fanin.harness.targets.notification_form import note_on_form
from fanin.harness.targets.process import NO_CONTAINER, Container
from fanin.harness.targets.realtime import command_world
from fanin.harness.targets.scale import TimeScale
from fanin.harness.world.asgi import StartError
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Operation, Scenario, Sender
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import PLACE

_POLL_S = 0.05
WAITS_MS_MIN = 10_000  # an engine that has just started may be slow, and so may the machine
_REGIONS = ("northeurope", "westeurope", "eastus")
FIRST_PUSH = Scenario(
    scenario="first-push",
    title="One push, reported by every region at once",
    regions=_REGIONS,
    sender=Sender(profile="retry"),  # one that has just started may be busy, and answer 503
    operations=(
        Operation(
            image="fanin/first-push:1",
            name="op1",
            home=_REGIONS[0],
            reaches=dict.fromkeys(_REGIONS, Delay(fixed=0)),
        ),
    ),
)
_HINTS = {
    400: "it must take a push as the registry sends it",
    401: "it must take a push without a key as long as no key is configured",
    403: "it must take a push without a key as long as no key is configured",
    404: f"is there a route at that path? --path names another one, such as --path '/hooks/{PLACE}'",
    405: "does the route take POST?",
    422: "it must take a push as the registry sends it",
}
_NO_RESPONSE = {
    "refused": "refused the connection",
    "reset": "broke the connection without a response",
    "timeout": "gave no response in time",
}


class FirstPushError(Exception):
    """Nothing else is worth playing; the message says what came of the push."""


def check_first_push(
    history: History, *, name: str, path: str = PATH, raised: str = "", waited: str = ""
) -> str:
    """Check that the push led to a notification, and return what that lacks; empty where it lacks nothing.

    Args:
        history: Of `FIRST_PUSH`.
        name: The target, as messages name it.
        path: Where it takes webhooks, as a template.
        raised: The first exception that escaped the application, or the last lines that it printed.
        waited: How long it was watched; empty: until nothing more could come.

    Raises:
        FirstPushError: it did not.
    """
    for entry in history.entries:
        if isinstance(entry, TargetState) and entry.reason == "failed":
            raise FirstPushError(f"{name} does not start: {entry.error.strip().rpartition('\n')[2]}")
    for entry in history.entries:
        if isinstance(entry, NotificationReceived):
            return note_on_form(entry.key, entry.body, history.run.unobservable)
    for entry in history.entries:
        if isinstance(entry, End) and entry.reason:
            if not any(isinstance(it, TargetState) for it in history.entries):
                raise FirstPushError(f"{name} does not start: {entry.reason}")
            raise FirstPushError(f"{name} goes on without an end after one push: {entry.reason}")
    because = f"; it raised {raised}" if raised else ""
    for entry in history.entries:
        if isinstance(entry, AttemptEnded) and entry.status not in SUCCESS:
            raise FirstPushError(f"{name} {_failed(entry, path)}{because}")
    within = f" within {waited}" if waited else ""
    raise FirstPushError(
        f"{name} accepted one push from every region, and its sink was not notified{within}: it must POST the"
        f" outcome to NOTIFY_URL once all regions of WebhookRegions have arrived{because}"
    )


def _failed(ended: AttemptEnded, template: str) -> str:
    path = f"POST {template.replace(PLACE, '…')}"
    if ended.status is None:
        return f"{_NO_RESPONSE.get(ended.error, 'gave no response')} to {path}"
    hint = _HINTS.get(ended.status, "")
    return f"answered {ended.status} to {path}" + (f": {hint}" if hint else "")


async def push_to_command(
    command: str,
    *,
    seed: int,
    time_scale: TimeScale,
    dialect: Dialect,
    container: Container = NO_CONTAINER,
) -> str:
    """Start a command, push once, wait for the notification, and stop it.

    Returns:
        What the notification lacks, for people; empty where it lacks nothing.

    Raises:
        StartError: it does not start.
        FirstPushError: it does not take the push, or does not notify its sink.
    """
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as folder:
        async with command_world(
            FIRST_PUSH,
            command,
            Path(folder),
            seed=seed,
            time_scale=time_scale,
            dialect=dialect,
            container=container,
        ) as started:
            waits_ms = max(time_scale.timeout_ms + time_scale.tolerance_ms, WAITS_MS_MIN)
            began_ms: int | None = None
            playing = asyncio.create_task(started.world.play(begin=started.clock.start))
            entries = started.world.recorder.entries
            try:
                while not playing.done() and not _decided(History(started.run, entries)):
                    if began_ms is None and any(isinstance(entry, TargetState) for entry in entries):
                        began_ms = started.clock.now_ms()
                    if began_ms is not None and started.clock.now_ms() > began_ms + waits_ms:
                        break
                    await asyncio.sleep(_POLL_S)
            finally:
                playing.cancel()
                with suppress(asyncio.CancelledError):
                    await playing
            history = History(started.run, tuple(entries))
            for entry in history.entries:
                if isinstance(entry, TargetState) and entry.reason == "failed":
                    raise StartError(entry.error)
            try:
                return check_first_push(
                    history, name=repr(command), path=dialect.path, waited=format_duration(waits_ms)
                )
            except FirstPushError as exc:
                raise FirstPushError(f"{exc}{started.targets[0].output_tail()}") from None


def _decided(history: History) -> bool:
    """Whether waiting longer cannot change what is said."""
    for entry in history.entries:
        match entry:
            case NotificationReceived():
                return True
            case TargetState(reason="failed"):
                return True
            case AttemptEnded(status=int(status)) if 300 <= status < 500:  # noqa: PLR2004 - HTTP
                return True
            case _:
                pass
    return False
