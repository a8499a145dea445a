"""The options that ``fanin explore``, ``sweep`` and ``interleave`` share.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli.options import (
    decorated,
    duration,
    form_option,
    jobs_option,
    names_from,
    optional_capabilities,
    shard_option,
    time_limit,
)

if TYPE_CHECKING:
    from fanin.harness.capabilities import OptionalCapability
    from fanin.harness.explore.subject import Subject

# Equal to `without_capabilities.REMOVABLE`, whose import is too slow for ``fanin --help``.
LACKS = ("process", "image-correlation", "action-filter", "function-keys")
_TIMEOUT_MS_MIN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How many runs are made, how, and where they go. None of them changes a run."""

    jobs: int | None
    for_ms: int | None  # how long to go on; None: as long as it takes
    shard: tuple[int, int]
    form: str
    folder: Path | None


def _timeout_max(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """The longest timeout that is drawn: there must be one, and the shortest is a second."""
    longest_ms = duration(ctx, param, text)
    if longest_ms is not None and longest_ms < _TIMEOUT_MS_MIN:
        raise click.BadParameter("no random timeout is shorter than 1s; write at least 1s", ctx, param)
    return longest_ms


def subject_options(command: Any) -> Any:
    """What is explored."""
    return decorated(
        command,
        click.option("--app", metavar="MODULE:APP",
                     help="An ASGI application, or its factory, instead of fanin's own."),
        click.option("--app-dir", metavar="DIR", help="Folder that contains the module.",
                     type=click.Path(path_type=Path, exists=True, file_okay=False)),
        click.option("--bug", metavar="NAME", help="An aggregator with this bug of `fanin bug`."),
        click.option("--capability", "capabilities", metavar="NAME", multiple=True,
                     callback=names_from(optional_capabilities),
                     help="What it can do beyond the contract; scenarios use it. May be repeated."),
        click.option("--lacks", type=click.Choice(LACKS), multiple=True,
                     help="What the application does not have; no run needs it. May be repeated."),
        click.option("--timeout-max", metavar="DURATION", callback=_timeout_max,
                     help="No random timeout is longer. For an application that polls: a month of a timer"
                     " that looks once a second takes a minute. [30d]"),
        click.option("--tolerance", metavar="DURATION", callback=duration,
                     help="--app: how late an outcome may be. [1s]"),
        click.option("--redelivery-grace", metavar="DURATION", callback=duration,
                     help="--app: how long it may take to notify once the sink works again. [10m]"),
    )  # fmt: skip


def run_options(command: Any) -> Any:
    """How it is explored."""
    return decorated(
        command,
        jobs_option,
        click.option("--for", "for_ms", metavar="DURATION", callback=time_limit,
                     help="Stop after this time, such as 60s or 10m."),
        shard_option("Play the I-th of N shares, for N machines; `fanin merge` joins their results."
                     " Runs are dealt in blocks: explore ten, interleave eight, sweep one."),
        form_option,
        click.option("--save", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
                     help="Write each shrunk scenario to a file in DIR, instead of printing it."),
    )  # fmt: skip


def subject_from(given: Mapping[str, Any]) -> "Subject":
    """The subject that the options name.

    Args:
        given: By the names of `subject_options`.

    Raises:
        UsageError: there is no such bug, or the options contradict each other.
    """
    from fanin.harness.explore.subject import Subject
    from fanin.simulator.language.scenario import TIMEOUT_MS_MAX

    bug, capabilities = given["bug"], given["capabilities"] or ()
    if given["app_dir"] is not None and given["app"] is None:
        raise click.UsageError("--app-dir is the folder of --app, which is not given")
    if given["app"] is None and (given["tolerance"], given["redelivery_grace"]) != (None, None):
        raise click.UsageError("--tolerance and --redelivery-grace are about --app, which is not given")
    if bug is not None:
        if given["app"] is not None:
            raise click.UsageError("--app and --bug name two aggregators; give one of them")
        capabilities = (*capabilities, *_capabilities_of(bug))
    longest = given["timeout_max"]
    return Subject(
        app=given["app"] or "",
        app_dir=given["app_dir"],
        bug=bug or "",
        capabilities=tuple(dict.fromkeys(capabilities)),
        lacks=given["lacks"],
        timeout_ms_max=TIMEOUT_MS_MAX if longest is None else longest,
        tolerance=given["tolerance"],
        redelivery_grace=given["redelivery_grace"],
    )


def _capabilities_of(bug: str) -> "Sequence[OptionalCapability]":
    from fanin.harness.mutants.registry import MUTANTS
    from fanin.simulator.text import hint

    if bug not in MUTANTS:
        message = f"there is no bug {bug!r}; `fanin bug` lists them{hint(bug, MUTANTS)}"
        raise click.BadParameter(message, param_hint="--bug")
    return sorted(MUTANTS[bug].capabilities)
