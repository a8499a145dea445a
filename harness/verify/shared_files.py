"""Files that an aggregator writes where all scenarios find them: outside its DATA_DIR.

Rules of this file: it reads names, sizes and times of files, never what is in them; and of a large folder
only a part, because this is a hint and takes time before anything is played.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

_FILES_MAX = 5_000
_SHOWN_MAX = 3
# Folders that programs fill while they run, with nothing that an aggregator would read as its data.
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}

type Snapshot = dict[str, tuple[int, int]]  # path within the folder -> nanoseconds of its change, bytes


def snapshot(folder: Path) -> Snapshot:
    """What files there are below a folder, without hidden ones; up to some thousands."""
    found: Snapshot = {}
    own = {(it.st_dev, it.st_ino) for it in map(os.fstat, _outputs())}  # as in `fanin verify … > card.txt`
    paths = (
        os.path.join(parent, name)  # noqa: PTH118 - thousands of Paths take ten times as long
        for parent, folders, names in os.walk(folder)
        for name in _visible(folders, names)
    )
    for path in islice(paths, _FILES_MAX):
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:  # gone, or not ours to look at
            continue
        if (status.st_dev, status.st_ino) not in own:
            found[os.path.relpath(path, folder)] = status.st_mtime_ns, status.st_size
    return found


def _outputs() -> Iterator[int]:
    """Where this process prints."""
    for number in (1, 2):
        with suppress(OSError):  # closed
            os.fstat(number)
            yield number


def _visible(folders: list[str], names: list[str]) -> list[str]:
    """The names that count; `os.walk` goes into the folders that are left."""
    folders[:] = sorted(it for it in folders if it not in _SKIPPED and not it.startswith("."))
    return [it for it in sorted(names) if not it.startswith(".")]


def note_about(before: Snapshot, after: Snapshot) -> str:
    """What to say of the files that one push has made or changed; empty if there are none."""
    changed = [path for path, state in after.items() if before.get(path) != state]
    if not changed:
        return ""
    more = f" and {len(changed) - _SHOWN_MAX} more" if len(changed) > _SHOWN_MAX else ""
    return (
        f"the aggregator writes {', '.join(changed[:_SHOWN_MAX])}{more} in the current folder: every scenario"
        " finds what the others have left there, so the verdicts may be wrong if that is its data, which"
        " belongs into the folder DATA_DIR"
    )
