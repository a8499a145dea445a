"""Plays scenarios against a target, whichever kind it is, and judges each as it ends.

Rules of this file: what comes of a scenario is handed on at once, in whatever order they end; what keeps
everything from being judged is one `VerificationError`.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from msgspec import structs

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, missing_capabilities
from fanin.harness.dialect import Dialect
from fanin.harness.history import History, TargetState
from fanin.harness.oracle.oracle import judge
from fanin.harness.results import Judged, Skipped
from fanin.harness.targets.adapt import DeploymentConfig
from fanin.harness.targets.deployment import (
    Deployment,
    DeploymentSession,
    PlannedRun,
    UnreachableError,
    duration_ms,
    plan,
)
from fanin.harness.targets.endpoint import KEY_ENV, KEY_PLACE, Endpoint, Secret
from fanin.harness.targets.process import kill_leftovers
from fanin.harness.targets.realtime import PlayedRun, play_pack
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.smoke_test import push_once
from fanin.harness.verdict import Validity
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_validation import parse_address
from fanin.harness.world.asgi import StartError
from fanin.harness.world.foreign_app import AppLoadError, load_factory
from fanin.harness.world.play import UnsimulatedError, play_foreign_app
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario

COMMAND_TIME_SCALE = TimeScale()
# A network, somebody else's machine, which may have slept, and timers that are looked at now and then.
DEPLOYMENT_TIME_SCALE = TimeScale(
    tolerance_ms=5_000, redelivery_grace_ms=120_000, response_timeout_ms_min=15_000, repeat_max=20
)
# Every operation's status is asked for many times over.
PROBED_REPEAT_MAX = 5
PER_SECOND = 50
# What proved nothing in real time is played again so many times slower: machines do not scale.
SLOWER = 2
_SHOWN_UNATTRIBUTED = 3


class VerificationError(Exception):
    """Nothing can be judged. The message is one sentence, and shows no secret."""


@dataclass(slots=True)
class Verification:
    """One run of many scenarios."""

    target: TargetConfig  # complete, without contradictions (`fanin.harness.verify.config_validation`)
    scenarios: Sequence[Scenario]
    seed: int
    environment: Mapping[str, str] = field(repr=False)  # where the key is
    say: Callable[[str], None]  # told what goes on
    take: Callable[[Judged | Skipped], None]  # told what came of each scenario
    notes: list[str] = field(default_factory=list)  # what concerns all of them

    def run(self) -> None:
        """Play and judge everything.

        Raises:
            VerificationError: that is not possible.
        """
        target = self.target
        if target.app is not None:
            self._app(target.app)
        elif target.command is not None:
            self._command(target.command)
        else:
            self._deployment(deployment_from(target, self.environment))

    def _app(self, app: str) -> None:
        app_dir, dialect = self.target.app_dir, dialect_from(self.target)
        try:
            factory = load_factory(app, None if app_dir is None else Path(app_dir))
            for nth, scenario in enumerate(self._playable()):
                history = play_foreign_app(scenario, factory, seed=self.seed, name=app, dialect=dialect)
                if nth == 0 and (why := _start_failure(history)):
                    raise VerificationError(f"{app} does not start: {why}")
                self._judge(PlayedRun(history))
        except (AppLoadError, UnsimulatedError) as exc:
            raise VerificationError(str(exc)) from exc

    def _command(self, command: str) -> None:
        time_scale = time_scale_from(self.target, COMMAND_TIME_SCALE)
        self.say(f"real time, {time_scale.jobs} side by side: {time_scale}")
        try:
            with _sigterm_as_ctrl_c():
                asyncio.run(self._play_command(command, time_scale))
        except StartError as exc:
            raise VerificationError(str(exc)) from exc
        finally:
            kill_leftovers()

    async def _play_command(self, command: str, time_scale: TimeScale) -> None:
        """Play all; what proved nothing, because this machine was too slow for it, once more and slower."""
        dialect, scenarios = dialect_from(self.target), list(self._playable())
        undecided: dict[str, Judged] = {}
        async with aclosing(
            play_pack(scenarios, command, seed=self.seed, time_scale=time_scale, dialect=dialect)
        ) as coming:
            async for played in coming:
                judged = _judged(played)
                if judged.as_stated or judged.verdict.validity is not Validity.UNKNOWN:
                    self.take(judged)
                else:
                    undecided[judged.name] = judged
        if not undecided:
            return
        slower = replace(time_scale, timeout_ms=time_scale.timeout_ms * SLOWER)
        again = [scenario for scenario in scenarios if scenario.scenario in undecided]
        takes = format_duration(slower.timeout_ms)
        self.say(f"{', '.join(undecided)} proved nothing; once more, with a timeout of {takes}")
        async with aclosing(
            play_pack(again, command, seed=self.seed, time_scale=slower, dialect=dialect)
        ) as coming:
            async for played in coming:
                judged = _judged(played)
                why = f"played again with a timeout of {takes}: {undecided[judged.name].verdict.doubts[0]}"
                self.take(structs.replace(judged, notes=(*judged.notes, why)))

    def _deployment(self, deployment: Deployment) -> None:
        planned, unplayable = plan(self.scenarios, deployment, seed=self.seed)
        for name, reason in unplayable:
            self.take(Skipped(name, reason.lacks, reason.why))
        webhooks = sum(sum(each.load.by_second.values()) for each in planned)
        takes = format_duration(-(-duration_ms(planned, deployment.time_scale) // 1000) * 1000)
        self.say(f"real time, all at once: {deployment.time_scale}")
        self.say(f"{webhooks} webhooks, {deployment.per_second} requests/s at most; this takes about {takes}")
        if not planned:
            return
        try:
            with _sigterm_as_ctrl_c():
                asyncio.run(self._visit(deployment, planned))
        except UnreachableError as exc:
            raise VerificationError(deployment.key.hidden(str(exc))) from exc

    async def _visit(self, deployment: Deployment, planned: Sequence[PlannedRun]) -> None:
        async with DeploymentSession(deployment) as session:
            self.say(await push_once(session, self.seed))
            await self._judge_all(session.play_all(planned))
            if unattributed := session.sink_router.unattributed:
                shown = ", ".join(map(repr, unattributed[:_SHOWN_UNATTRIBUTED]))
                more = (
                    f" and {len(unattributed) - _SHOWN_UNATTRIBUTED} more"
                    if len(unattributed) > _SHOWN_UNATTRIBUTED
                    else ""
                )
                self.notes.append(
                    f"notifications about no operation of this run, which are not judged: {shown}{more}"
                )

    def _playable(self) -> Iterator[Scenario]:
        """The scenarios, less those that ask for what the target says it lacks."""
        there = (DEFAULT_CAPABILITIES | set(self.target.capabilities)) - set(self.target.lacks)
        for scenario in self.scenarios:
            if lacks := missing_capabilities(scenario, there):
                self.take(Skipped(scenario.scenario, lacks))
            else:
                yield scenario

    async def _judge_all(self, coming: AsyncGenerator[PlayedRun]) -> None:
        async with aclosing(coming):
            async for played in coming:
                self._judge(played)

    def _judge(self, played: PlayedRun) -> None:
        self.take(_judged(played))


def _judged(played: PlayedRun) -> Judged:
    down = _start_failure(played.history)
    notes = (*played.notes, f"it never came up: {down}") if down else played.notes
    return Judged(played.history, judge(played.history), notes)


def _start_failure(history: History) -> str:
    """Why the application never started; empty when it did."""
    lives = [entry for entry in history.entries if isinstance(entry, TargetState)]
    if not lives or any(life.reason != "failed" for life in lives):
        return ""
    # Starlette's own words are a whole traceback, whose last line says it.
    return lives[0].error.strip().rpartition("\n")[2]


def dialect_from(target: TargetConfig) -> Dialect:
    """How the target speaks."""
    return Dialect(target.notification, target.answers)


def time_scale_from(target: TargetConfig, usual: TimeScale) -> TimeScale:
    """What is usual for its kind, but for what is said."""
    return replace(
        usual,
        timeout_ms=usual.timeout_ms if target.timeout is None else target.timeout,
        tolerance_ms=usual.tolerance_ms if target.tolerance is None else target.tolerance,
        redelivery_grace_ms=usual.redelivery_grace_ms
        if target.redelivery_grace is None
        else target.redelivery_grace,
        jobs=target.jobs or usual.jobs,
    )


def deployment_from(target: TargetConfig, environment: Mapping[str, str]) -> Deployment:
    """Everything that is known about a deployment, the key included.

    Raises:
        VerificationError: a key is needed, and the environment has none.
    """
    endpoint = Endpoint(target.url or "")
    probed = target.probe is not None
    time_scale = time_scale_from(target, DEPLOYMENT_TIME_SCALE)
    listen = target.listen or "127.0.0.1:0"
    return Deployment(
        endpoint=endpoint,
        key=_key(target, endpoint, environment),
        headers=target.headers,
        configuration=DeploymentConfig(target.regions, frozenset(target.capabilities), has_sink=not probed),
        dialect=dialect_from(target),
        time_scale=replace(time_scale, repeat_max=PROBED_REPEAT_MAX) if probed else time_scale,
        listen=parse_address(listen),
        public_url=target.public_url or f"http://{listen}/",
        per_second=target.max_rate or PER_SECOND,
        activities=target.activities if probed else None,
    )


def _key(target: TargetConfig, endpoint: Endpoint, environment: Mapping[str, str]) -> Secret:
    name = target.key_env or KEY_ENV
    value = environment.get(name, "").strip()
    wanted = endpoint.wants_key or any(KEY_PLACE in value for value in target.headers.values())
    if wanted and not value:
        where = f"set {name}" if target.key_env else f"set {name}, or name another variable with --key-env"
        raise VerificationError(f"the target has a place for a key, {KEY_PLACE}, and there is none; {where}")
    if target.key_env and not wanted:
        raise VerificationError(
            f"--key-env {name}: neither the url nor a header has a place for it, {KEY_PLACE}"
        )
    if not (value.isascii() and value.isprintable()):
        raise VerificationError(f"the key in {name} has characters that no header or URL can hold")
    return Secret(value)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Whoever ends this process with SIGTERM, as CI does, must not leave the target's processes behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
