"""The folder that an option names for what a command writes.

Rules of this file: ``fanin --help`` imports it, so it imports nothing that takes time.
"""

import tempfile
from pathlib import Path


def prepare(folder: Path) -> None:
    """Make the folder, and write to it once: hours of work are lost where that shows at the end.

    Raises:
        OSError: it cannot be made, or nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\n")
