"""Plays one scenario for the page, and answers with the document that the player plays.

Rules of this file: an answer depends on its request alone, so it is the same in any process; what is wrong
with a scenario is part of the answer, never an exception.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from fanin.harness.capabilities import OUR_CAPABILITIES, missing_capabilities
from fanin.harness.demo import targets
from fanin.harness.demo.edit import AddFault, EditError, RemoveFault, SetTimeout, changed
from fanin.harness.demo.playable import Playable, TargetSource
from fanin.harness.demo.replay import replays
from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.recording.document import document
from fanin.harness.world.asgi import AppLoadError, AsgiApp
from fanin.harness.world.inspection import Inspector
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import EPOCH_MS, UnsimulatedError, play, play_foreign_app
from fanin.simulator.language.load import ScenarioError, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names

# A page is no place for more; `fanin run` has no such limit.
WEBHOOKS_MAX = 6_000
# With more operations than this, what is stored is read less often, to keep a click fast.
_READ_ALL_OPERATIONS = 12
_READS = 60
OURS = "fanin"


class PlayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be played."""

    yaml: str
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    target: str = OURS  # fanin, bug:NAME, app, or lesson:N
    change: AddFault | RemoveFault | SetTimeout | None = None


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with the text; line and column count from 1, 0 is the whole of it."""

    line: int
    column: int
    message: str


class PlayResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document, or why there is none."""

    recording: dict[str, Any] | None = None
    yaml: str | None = None  # after the change
    problems: tuple[Problem, ...] = ()
    error: str = ""


class Plays:
    """Plays what it is asked for.

    Args:
        app: ``module:application`` of an application of the user's; empty where there is none.
        app_dir: Its folder.
    """

    def __init__(self, *, app: str = "", app_dir: Path | None = None) -> None:
        self._app, self._app_dir = app, app_dir

    def play(self, request: PlayRequest) -> PlayResponse:
        """Play, judge, and write down."""
        text = request.yaml
        try:
            if request.change is not None:
                text = changed(text, request.change)
            scenario = loads(text)
        except EditError as exc:
            return PlayResponse(error=str(exc))
        except ScenarioError as exc:
            problems = tuple(Problem(it.mark.line, it.mark.column, it.message) for it in exc.problems)
            return PlayResponse(yaml=text if request.change else None, problems=problems)
        if (count := webhooks(scenario)) > WEBHOOKS_MAX:
            return PlayResponse(
                error=f"this scenario sends {count:,} webhooks; a page plays up to {WEBHOOKS_MAX:,}, and"
                " `fanin run` plays all"
            )
        try:
            return self._played(scenario, text, request)
        except (AppLoadError, UnsimulatedError, LookupError) as exc:
            return PlayResponse(error=str(exc))

    def _played(self, scenario: Scenario, text: str, request: PlayRequest) -> PlayResponse:
        if request.target == "app":
            build: Callable[[], AsgiApp] = find_app(self._app, self._app_dir)
            history = play_foreign_app(scenario, build, seed=request.seed, name=self._app)
            return _response(history, text, request)
        if request.target.startswith("lesson:"):
            chapter, source = targets.lesson(request.target.partition(":")[2])
            history = play_foreign_app(scenario, chapter.build, seed=request.seed, name=source.name)
            return _response(history, text, request, source=source)
        chosen = self._target(request.target, scenario)
        many = (
            len(scenario.operations) > _READ_ALL_OPERATIONS or webhooks(scenario) > 3 * _READ_ALL_OPERATIONS
        )
        every = max(1, 3 * webhooks(scenario) // _READS) if many else 1
        inspector = Inspector(key=scenario.key, instances_max=6 if many else 12, every=every)
        history = play(
            scenario, seed=request.seed, factory=chosen.factory, name=chosen.name, inspector=inspector
        )
        return _response(history, text, request, inspector, chosen.source)

    @staticmethod
    def _target(target: str, scenario: Scenario) -> Playable:
        kind, _, name = target.partition(":")
        missing = missing_capabilities(scenario, OUR_CAPABILITIES)
        if kind == "bug":
            return targets.bug(name)
        if target != OURS:
            raise LookupError(
                f"there is no aggregator {target!r}; there are fanin, bug:NAME, lesson:N and app"
            )
        if not missing:
            return Playable("aggregator (sqlite) in process")
        return targets.variant_with(missing)


def webhooks(scenario: Scenario) -> int:
    """How many webhooks the registry owes, without copies."""
    return len(scenario.regions) * sum(it.repeat for it in scenario.operations)


def _response(
    history: History,
    text: str,
    request: PlayRequest,
    inspector: Inspector | None = None,
    source: TargetSource | None = None,
) -> PlayResponse:
    verdict = judge(history)
    name = history.run.scenario.scenario
    extra = {
        "target": request.target,
        "epoch": EPOCH_MS if history.run.epoch is None else history.run.epoch,
        "source": msgspec.to_builtins(source),
        "replays": replays(history, verdict),
        "faults": [it.describe() for it in history.run.scenario.faults],
    }
    recording = document(
        history,
        verdict,
        replay=_command(_file_to_play(name, text), request, history.run.target),
        yaml=text,
        stored=inspector.found if inspector else (),
        extra=extra,
    )
    return PlayResponse(recording=recording, yaml=text if request.change else None)


def _file_to_play(name: str, text: str) -> str:
    """The name of a scenario of the pack that was not changed; else the file that the page lets download."""
    same = name in names() and find(name).read_text(encoding="utf-8") == text
    return name if same else f"{name}.yaml"


def _command(played: str, request: PlayRequest, app: str) -> str:
    """The command that plays the same, once a text that was changed is stored under its name."""
    kind, _, which = request.target.partition(":")
    file = f"{played} --seed {request.seed}"
    match kind:
        case "bug":
            return f"fanin demo {file} --bug {which}"
        case "lesson":
            return f"fanin demo {file} --app fanin.harness.lessons.chapter_{which}:create_app"
        case "app":
            return f"fanin demo {file} --app {app}"
        case _:
            return f"fanin run {file}"
