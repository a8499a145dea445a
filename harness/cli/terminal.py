"""Sentences on stderr: a terminal shows them broken between words, a file has each on one line."""

import shutil
import sys

_WIDTH = 100


def for_terminal(text: str) -> str:
    """The text as stderr should have it; each line of it is broken by itself."""
    from fanin.harness.report.line import wrap

    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    parts = (wrap(part, width, hanging="  ") if len(part) > width else [part] for part in text.splitlines())
    return "\n".join(each for part in parts for each in part)
