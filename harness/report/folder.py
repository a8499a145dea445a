"""A folder that holds everything about some runs, for a CI system to keep.

    index.html        the card of all runs; of a single run its page
    runs/*.html       one page for each run
    histories/*.jsonl for ``fanin judge``
    junit.xml         for the CI system's own display
    report.json       for programs

Rules of this file: the same runs give the same files; files of other names that were there before stay.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from fanin.harness import history as histories
from fanin.harness.history import History
from fanin.harness.report import jsonform, junit
from fanin.harness.report.html import index_page, run_page
from fanin.harness.results import Card, Judged, rule_results

FORMAT = 1


def write(directory: Path, card: Card, *, replay: Callable[[History], str]) -> None:
    """Write everything about these runs.

    Args:
        directory: Made when it is not there.
        card: The runs, and what was not played.
        replay: The command that shows a run again.

    Raises:
        OSError: the folder or a file in it cannot be written.
    """
    judged, skipped = card.judged, card.skipped
    names = list(_names(judged))
    for folder in ("runs", "histories"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    pages = []
    for name, run in zip(names, judged, strict=True):
        page = run_page.render(run.history, run.verdict, replay=replay(run.history), errors=run.errors)
        (directory / "runs" / f"{name}.html").write_text(page, encoding="utf-8")
        histories.save(run.history, directory / "histories" / f"{name}.jsonl")
        pages.append(page)
    alone = len(pages) == 1 and not skipped
    links = [f"runs/{name}.html" for name in names]
    index = pages[0] if alone else index_page.render(card, links)
    (directory / "index.html").write_text(index, encoding="utf-8")
    (directory / "junit.xml").write_bytes(junit.encode(judged, replay=replay, skipped=skipped))
    (directory / "report.json").write_bytes(_json(names, card, replay))


def _names(runs: Sequence[Judged]) -> Iterator[str]:
    """A name for each run's files; a foreign history's own name may not be fit for one."""
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


def _json(names: Sequence[str], card: Card, replay: Callable[[History], str]) -> bytes:
    """JSON: ``{format, target, exit_code, runs, skipped, rules, notes}``; of a run also its notes and errors.

    A run is what `jsonform.encode` makes of it, what the harness noticed besides, and where its files are.
    """
    results = []
    for name, judged in zip(names, card.judged, strict=True):
        encoded = jsonform.encode(judged.history, judged.verdict, replay=replay(judged.history))
        files = {"page": f"runs/{name}.html", "history": f"histories/{name}.jsonl"}
        results.append(
            msgspec.json.decode(encoded) | {"notes": judged.all_notes, "errors": judged.errors} | files
        )
    whole = {
        "format": FORMAT,
        "target": card.target,
        "exit_code": card.process_exit_code,
        "runs": results,
        "skipped": [{"scenario": it.name, "lacks": it.lacks, "why": it.why} for it in card.skipped],
        "rules": [{"rule": it.rule, "status": it.status, "why": it.why} for it in rule_results(card)],
        "notes": card.notes,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"
