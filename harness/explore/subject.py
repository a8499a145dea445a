"""The application that is explored: how it is played and judged, and the options that name it.

Rules of this file: a run depends on the scenario, the seed and the subject alone. A run that takes too long
is ended, counted in processor time, and proves nothing.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from fanin.harness.alarm import AlarmError, guarded
from fanin.harness.capabilities import (
    DEFAULT_CAPABILITIES,
    OUR_CAPABILITIES,
    Capability,
    OptionalCapability,
)
from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import History
from fanin.harness.limits import limits_of
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity, Verdict
from fanin.harness.world import garbage
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import play, play_foreign_app
from fanin.simulator.language.scenario import TIMEOUT_MS_MAX, Scenario

RUN_S_MAX = 20.0  # processor time of one run


class TooLongError(AlarmError):
    """A run took too long."""


class Played(NamedTuple):
    """One run, judged."""

    history: History | None  # None when it took too long
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An application in virtual time."""

    app: str = ""  # ``module:application``; empty: this project's own aggregator, or one with a bug
    app_dir: Path | None = None
    bug: str = ""  # a mutant of ``fanin bug``
    capabilities: tuple[OptionalCapability, ...] = ()  # what it can do beyond the contract
    lacks: tuple[Capability, ...] = ()  # what it cannot do; no run needs it
    timeout_ms_max: int = TIMEOUT_MS_MAX  # of random scenarios; an application that polls needs a short one
    dialect: Dialect = CONTRACT  # how the application takes webhooks, and what it says
    tolerance: int | None = None  # how late the application may act; None: as late as any
    redelivery_grace: int | None = None  # … and how late after a fault of the sink

    @property
    def name(self) -> str:
        """For messages."""
        return self.app or (f"the bug {self.bug}" if self.bug else "fanin's own aggregator")

    @property
    def available(self) -> frozenset[Capability]:
        """What scenarios may need."""
        usual = DEFAULT_CAPABILITIES if self.app or self.bug else OUR_CAPABILITIES
        return (usual | set(self.capabilities)) - set(self.lacks)

    def options(self) -> list[str]:
        """The options of a command line that name it."""
        from fanin.simulator.durations import format_duration

        words = ["--app", self.app] if self.app else []
        words += ["--app-dir", str(self.app_dir)] if self.app_dir else []
        words += ["--bug", self.bug] if self.bug else []
        words += [word for name in self.capabilities for word in ("--capability", name)]
        words += [word for name in self.lacks for word in ("--lacks", name)]
        if self.timeout_ms_max != TIMEOUT_MS_MAX:
            words += ["--timeout-max", format_duration(self.timeout_ms_max)]
        return words + self.limit_options()

    def limit_options(self) -> list[str]:
        """The options of a command line that say how late it may act."""
        from fanin.simulator.durations import format_duration

        limits = (("--tolerance", self.tolerance), ("--redelivery-grace", self.redelivery_grace))
        return [it for name, ms in limits if ms is not None for it in (name, format_duration(ms))]

    def play(
        self,
        scenario: Scenario,
        seed: int,
        *,
        limit_s: float = RUN_S_MAX,
        errors: list[str] | None = None,
    ) -> Played:
        """Play one scenario and judge it.

        Args:
            scenario: As the loader returns it.
            seed: Decides every random choice.
            limit_s: How much processor time it may take.
            errors: Gets the first exception that escaped the application in each of its lives.

        Raises:
            AppLoadError: there is no such application.
            UnsimulatedError: the application cannot run in virtual time.
        """
        history, passed = None, False
        end_s = time.process_time() + limit_s

        def check(_frame: FrameType | None) -> TooLongError | None:
            nonlocal passed
            passed = passed or time.process_time() >= end_s
            return TooLongError() if passed else None

        try:
            history = guarded(lambda: self._history(scenario, seed, [] if errors is None else errors), check)
        except (Exception, TooLongError):
            # It may come out as another exception, of a loop that was interrupted in its own work.
            if not passed:
                raise
        if history is None or passed:
            garbage.collect()
            why = f"the run took more than {limit_s:g} s of processor time and was ended"
            return Played(None, Verdict(Validity.UNKNOWN, doubts=(why,)))
        return Played(history, judge(history))

    def _history(self, scenario: Scenario, seed: int, errors: list[str]) -> History:
        if self.app:
            factory = find_app(self.app, self.app_dir)
            return play_foreign_app(
                scenario,
                factory,
                seed=seed,
                name=self.app,
                dialect=self.dialect,
                limits=limits_of(
                    self.capabilities, tolerance=self.tolerance, redelivery_grace=self.redelivery_grace
                ),
                on_error=lambda error: errors.append(error.text),
            )
        if not self.bug:
            return play(scenario, seed=seed)
        from fanin.harness.mutants.registry import MUTANTS

        return play(scenario, seed=seed, factory=MUTANTS[self.bug].factory, name=self.name)
