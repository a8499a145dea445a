"""A folder that holds all there is to know about some runs, for a CI system to keep.

    index.html        the card of all runs; of a single run its page
    runs/*.html       one page for each run
    histories/*.jsonl for ``fanin judge``
    junit.xml         for the CI system's own display
    report.json       for programs

Rules of this file: the files are a function of the runs; files that were there before and have another name
stay.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from harness import history as histories
from harness.history import History
from harness.report import jsonform, junit
from harness.report.html import index_page, run_page
from harness.verdict import Verdict
from harness.verify.card import Card, Judged, Skipped

FORMAT = 1


def write(
    directory: Path,
    runs: Sequence[tuple[History, Verdict]],
    *,
    replay: Callable[[History], str],
    skipped: Sequence[Skipped] = (),
) -> None:
    """Write everything about these runs.

    Args:
        directory: Made when it is not there.
        runs: What happened, and the oracle's answer to it.
        replay: The command that shows a run again.
        skipped: What was not played.

    Raises:
        OSError: the folder or a file in it cannot be written.
    """
    judged = [Judged(history, verdict) for history, verdict in runs]
    names = list(_names(judged))
    for folder in ("runs", "histories"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    pages = []
    for name, run in zip(names, judged, strict=True):
        page = run_page.render(run.history, run.verdict, replay=replay(run.history))
        (directory / "runs" / f"{name}.html").write_text(page, encoding="utf-8")
        histories.save(run.history, directory / "histories" / f"{name}.jsonl")
        pages.append(page)
    alone = len(pages) == 1 and not skipped
    links = [(run, f"runs/{name}.html") for name, run in zip(names, judged, strict=True)]
    index = pages[0] if alone else index_page.render(links, skipped)
    (directory / "index.html").write_text(index, encoding="utf-8")
    (directory / "junit.xml").write_bytes(junit.encode(judged, replay=replay, skipped=skipped))
    (directory / "report.json").write_bytes(_json(names, judged, replay, skipped))


def _names(runs: Sequence[Judged]) -> Iterator[str]:
    """A name for each run's files; a scenario's name is fit for one, unless the history is not ours."""
    taken: set[str] = set()
    for judged in runs:
        plain = "".join(it if (it.isascii() and it.isalnum()) or it in "-_" else "-" for it in judged.name)
        name = stem = f"{plain[:80]}.seed-{judged.history.run.seed}"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}.{number}"
        taken.add(name)
        yield name


def _json(
    names: Sequence[str],
    runs: Sequence[Judged],
    replay: Callable[[History], str],
    skipped: Sequence[Skipped],
) -> bytes:
    """JSON: ``{format, exit_code, runs: [{…, page, history}], skipped: [{scenario, lacks}]}``.

    A run is what `harness.report.jsonform` makes of it, and where its files lie.
    """
    results = []
    for name, judged in zip(names, runs, strict=True):
        encoded = jsonform.encode(judged.history, judged.verdict, replay=replay(judged.history))
        files = {"page": f"runs/{name}.html", "history": f"histories/{name}.jsonl"}
        results.append(msgspec.json.decode(encoded) | files)
    whole = {
        "format": FORMAT,
        "exit_code": int(Card("", [*runs, *skipped]).exit_code),
        "runs": results,
        "skipped": [{"scenario": it.name, "lacks": list(it.lacks)} for it in skipped],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"
