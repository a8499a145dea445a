"""Plays scenarios against a target of any kind, and judges each as it ends.

Rules of this file: each result is passed on at once, in the order in which the scenarios end; when nothing
can be judged, there is one `VerificationError`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, Capability, missing_capabilities
from fanin.harness.dialect import Dialect
from fanin.harness.history import AttemptEnded, History
from fanin.harness.limits import Limits, limits_of
from fanin.harness.oracle.oracle import judge
from fanin.harness.placement import KEY_PLACE
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
from fanin.harness.targets.endpoint import KEY_ENV, Endpoint, Secret
from fanin.harness.targets.first_push import FIRST_PUSH, FirstPushError, check_first_push, push_to_command
from fanin.harness.targets.process import NO_CONTAINER, Container, kill_leftovers, url_of_sink
from fanin.harness.targets.realtime import PlayedRun, play_pack
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.smoke_test import push_once
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_validation import parse_address
from fanin.harness.verify.idling import measured_cost, too_long
from fanin.harness.verify.second_chance import was_only_late, why_again
from fanin.harness.verify.shared_files import note_about, snapshot
from fanin.harness.world.app_errors import AppError
from fanin.harness.world.asgi import AppLoadError, AsgiApp, StartError
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import UnsimulatedError, play_foreign_app
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario

COMMAND_TIME_SCALE = TimeScale()
# There is a network in between, the machine may have to wake up, and timers may be polled.
DEPLOYMENT_TIME_SCALE = TimeScale(
    tolerance_ms=5_000, redelivery_grace_ms=120_000, response_timeout_ms_min=15_000, repeat_max=20
)
# The status of every operation is polled many times.
PROBED_REPEAT_MAX = 5
PER_SECOND = 50
# A scenario that proved nothing in real time is played again so many times slower: machines do not scale.
SLOWER = 2
_SHOWN_IDS_MAX = 3


class VerificationError(Exception):
    """Nothing can be judged; the message is one sentence without secrets."""


@dataclass(slots=True)
class Verification:
    """One run of many scenarios against one target."""

    target: TargetConfig  # complete, without contradictions (`fanin.harness.verify.config_validation`)
    scenarios: Sequence[Scenario]
    seed: int
    environment: Mapping[str, str] = field(repr=False)  # holds the key
    say: Callable[[str], None]  # called with progress, for people
    take: Callable[[Judged | Skipped], None]  # called with each result
    notes: list[str] = field(default_factory=list)  # about the run as a whole
    _lags_ms: list[int] = field(default_factory=list)  # of the runs in which the harness itself was late
    _refused: set[str] = field(default_factory=set)  # scenarios in which a deployment refused connections

    def run(self) -> None:
        """Play and judge everything.

        Raises:
            VerificationError: nothing can be judged.
        """
        target = self.target
        try:
            if target.app is not None:
                self._app(target.app)
            elif target.command is not None:
                self._command(target.command)
            else:
                self._deployment(deployment_from(target, self.environment))
        finally:
            if self._lags_ms:
                late, runs = format_duration(max(self._lags_ms)), len(self._lags_ms)
                self.notes.append(
                    f"this machine was so busy that fanin itself was up to {late} late, in {runs} runs; "
                    "the aggregator may be, too"
                )
            if self._refused:
                self.notes.append(
                    f"it refused connections in {len(self._refused)} of these scenarios; a deployment is"
                    " taken to be up all the time, so if it was restarted meanwhile, play them again"
                )

    def _app(self, app: str) -> None:
        app_dir, dialect, limits = self.target.app_dir, dialect_from(self.target), limits_from(self.target)
        try:
            factory = find_app(app, None if app_dir is None else Path(app_dir))
            scenarios = sorted(self._playable(), key=_webhooks)
            errors: list[AppError] = []
            if scenarios:
                with self._watching_files():
                    history = play_foreign_app(
                        FIRST_PUSH,
                        factory,
                        seed=self.seed,
                        name=app,
                        dialect=dialect,
                        limits=limits,
                        on_error=errors.append,
                    )
                raised = errors[0].summary if errors else ""
                self._remark(check_first_push(history, name=app, path=dialect.path, raised=raised))
            self._take_skipped()
            for scenario in self._short_enough(scenarios, factory, app):
                errors = []
                history = play_foreign_app(
                    scenario,
                    factory,
                    seed=self.seed,
                    name=app,
                    dialect=dialect,
                    limits=limits,
                    on_error=errors.append,
                )
                self._judge(PlayedRun(history, errors=tuple(error.text for error in errors)))
        except (AppLoadError, UnsimulatedError, FirstPushError) as exc:
            raise VerificationError(str(exc)) from exc

    @contextmanager
    def _watching_files(self) -> Iterator[None]:
        """Say so if the first push changes files that the scenarios would share."""
        folder = Path.cwd()
        before = snapshot(folder)
        yield
        self._remark(note_about(before, snapshot(folder)))

    def _remark(self, note: str) -> None:
        """Say it now, and once more at the end; empty: nothing."""
        if note:
            self.say(f"note: {note}")
            self.notes.append(note)

    def _short_enough(
        self, scenarios: Sequence[Scenario], factory: Callable[[], AsgiApp], app: str
    ) -> list[Scenario]:
        """Skip what would take too long, unless the scenarios were chosen by name."""
        if self.target.scenarios or not scenarios:
            return list(scenarios)
        cost = measured_cost(lambda scenario: play_foreign_app(scenario, factory, seed=self.seed, name=app))
        why = too_long(scenarios, cost, seed=self.seed)
        for name, reason in why.items():
            self.say(f"{name} is not played: {reason}; give its name to play it all the same")
            self.take(Skipped(name, (), reason))
        return [scenario for scenario in scenarios if scenario.scenario not in why]

    def _command(self, command: str) -> None:
        time_scale = time_scale_from(self.target, COMMAND_TIME_SCALE)
        self.say(f"real time, {time_scale.jobs} at the same time: {time_scale}")
        try:
            asyncio.run(self._play_command(command, time_scale))
        except (StartError, FirstPushError) as exc:
            raise VerificationError(str(exc)) from exc
        finally:
            kill_leftovers()

    async def _play_command(self, command: str, time_scale: TimeScale) -> None:
        """Play all scenarios, and again, slower, those whose result may be the machine's fault."""
        dialect, scenarios = dialect_from(self.target), self._playable()
        container = container_from(self.target)
        if scenarios:
            with self._watching_files():
                note = await push_to_command(
                    command, seed=self.seed, time_scale=time_scale, dialect=dialect, container=container
                )
            self._remark(note)
        self._take_skipped()
        again = await self._first_round(
            play_pack(
                scenarios,
                command,
                seed=self.seed,
                time_scale=time_scale,
                dialect=dialect,
                container=container,
            )
        )
        if not again:
            return
        slower = replace(time_scale, timeout_ms=time_scale.timeout_ms * SLOWER)
        repeated = [scenario for scenario in scenarios if scenario.scenario in again]
        how = f"with a timeout of {format_duration(slower.timeout_ms)}"
        self.say(f"once more, {how}, because of the machine: {', '.join(again)}")
        coming = play_pack(
            repeated, command, seed=self.seed, time_scale=slower, dialect=dialect, container=container
        )
        await self._second_round(coming, again, f"again {how}")

    async def _first_round(self, coming: AsyncGenerator[PlayedRun]) -> dict[str, str]:
        """Take all results but those that get a second chance; return why, by scenario.

        What was only late waits for the end of the round: a machine that is too busy for the aggregator need
        not delay the harness in the same run.
        """
        again: dict[str, str] = {}
        late: list[Judged] = []
        try:
            async with aclosing(coming):
                async for played in coming:
                    judged = self._judged(played)
                    if why := why_again(judged, played.lag_ms):
                        again[judged.name] = why
                    elif was_only_late(judged):
                        late.append(judged)
                    else:
                        self.take(judged)
        except BaseException:  # interrupted: no second round comes
            for judged in late:
                self.take(judged)
            raise
        for judged in late:
            if why := why_again(judged, max(self._lags_ms, default=0)):
                again[judged.name] = why
            else:
                self.take(judged)
        return again

    async def _second_round(
        self, coming: AsyncGenerator[PlayedRun], again: Mapping[str, str], how: str
    ) -> None:
        async with aclosing(coming):
            async for played in coming:
                judged = self._judged(played)
                note = f"played {how}, because at first {again[judged.name]}"
                self.take(structs.replace(judged, notes=(*judged.notes, note)))

    def _deployment(self, deployment: Deployment) -> None:
        planned, skipped = plan(self.scenarios, deployment, seed=self.seed)
        if smaller := [each for each in planned if each.left_out]:
            there = len(deployment.configuration.regions)
            names, are = "names" if len(smaller) == 1 else "name", "is" if there == 1 else "are"
            self.notes.append(
                f"{len(smaller)} of these scenarios {names} more regions than the {there} there {are};"
                " regions without which their story is the same were left out"
            )
        webhooks = sum(sum(each.load.by_second.values()) for each in planned)
        takes = format_duration(-(-duration_ms(planned, deployment) // 1000) * 1000)
        self.say(f"real time, all at once: {deployment.time_scale}")
        self.say(f"{webhooks} webhooks, {deployment.per_second} requests/s at most; this takes about {takes}")
        if not planned:
            for each in skipped:
                self.take(each)
            return
        try:
            asyncio.run(self._play_deployment(deployment, planned, skipped))
        except UnreachableError as exc:
            raise VerificationError(deployment.key.hidden(str(exc))) from exc

    async def _play_deployment(
        self, deployment: Deployment, planned: Sequence[PlannedRun], skipped: Sequence[Skipped]
    ) -> None:
        async with DeploymentSession(deployment) as session:
            first_push = await push_once(session, self.seed)
            self.say(first_push.result)
            self._remark(first_push.note)
            for each in skipped:
                self.take(each)
            if again := await self._first_round(session.play_all(planned)):
                self.say(f"once more, because of the machine or the network: {', '.join(again)}")
                repeated = [scenario for scenario in self.scenarios if scenario.scenario in again]
                # With the same seed the ids would be those that it has seen already.
                once_more, _ = plan(repeated, deployment, seed=self.seed + 1)
                await self._second_round(session.play_all(once_more), again, "again")
            if ids := session.sink_router.unattributed:
                shown = ", ".join(map(repr, ids[:_SHOWN_IDS_MAX]))
                more = f" and {len(ids) - _SHOWN_IDS_MAX} more" if len(ids) > _SHOWN_IDS_MAX else ""
                self.notes.append(
                    f"notifications about no operation of this run, which are not judged: {shown}{more}"
                )

    def _playable(self) -> list[Scenario]:
        """The scenarios without those that need what the target does not have."""
        return [scenario for scenario in self.scenarios if not self._missing(scenario)]

    def _take_skipped(self) -> None:
        for scenario in self.scenarios:
            if lacks := self._missing(scenario):
                self.take(Skipped(scenario.scenario, lacks))

    def _missing(self, scenario: Scenario) -> tuple[Capability, ...]:
        available = (DEFAULT_CAPABILITIES | set(self.target.capabilities)) - set(self.target.lacks)
        return missing_capabilities(scenario, available)

    def _judged(self, played: PlayedRun) -> Judged:
        if played.lag_ms:
            self._lags_ms.append(played.lag_ms)
        if self.target.url is not None and _was_refused(played.history):
            self._refused.add(played.history.run.scenario.scenario)
        return Judged(played.history, judge(played.history), played.notes, played.errors)

    def _judge(self, played: PlayedRun) -> None:
        self.take(self._judged(played))


def _was_refused(history: History) -> bool:
    return any(isinstance(entry, AttemptEnded) and entry.error == "refused" for entry in history.entries)


def _webhooks(scenario: Scenario) -> int:
    """How many webhooks there are at least; what takes long to play comes last."""
    return len(scenario.regions) * sum(operation.repeat for operation in scenario.operations)


def dialect_from(target: TargetConfig) -> Dialect:
    """The dialect that a target is configured with."""
    return Dialect(target.notification, target.responses, path=target.path, env=target.env)


def container_from(target: TargetConfig) -> Container:
    """How a command's container is killed, and how it reaches the sink."""
    host = NO_CONTAINER.sink_host if target.listen is None else parse_address(target.listen)[0]
    return Container(target.kill_command, host, target.public_url or url_of_sink(host))


def limits_from(target: TargetConfig) -> Limits:
    """How late an application in virtual time may act."""
    return limits_of(
        target.capabilities, tolerance=target.tolerance, redelivery_grace=target.redelivery_grace
    )


def time_scale_from(target: TargetConfig, usual: TimeScale) -> TimeScale:
    """The time scale for its kind, with what the target is configured with."""
    redelivery_ms = usual.redelivery_grace_ms if target.redelivery_grace is None else target.redelivery_grace
    # What a replica has claimed stays claimed for as long as an attempt may take.
    failover_ms = max(usual.failover_grace_ms, target.redelivery_grace or 0)
    return replace(
        usual,
        timeout_ms=usual.timeout_ms if target.timeout is None else target.timeout,
        tolerance_ms=usual.tolerance_ms if target.tolerance is None else target.tolerance,
        # One that may have replicas does not know that it is alone.
        start_grace_ms=failover_ms if "replicas" in target.capabilities else usual.start_grace_ms,
        failover_grace_ms=failover_ms,
        redelivery_grace_ms=redelivery_ms,
        jobs=target.jobs or usual.jobs,
    )


def deployment_from(target: TargetConfig, environment: Mapping[str, str]) -> Deployment:
    """A deployment as configured, with its key from the environment.

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
