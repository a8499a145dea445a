"""The first error in what a process has printed, whichever runtime wrote it.

Rules of this file: pure; a line of a log may speak of an error before the error itself, and what is shown
ends where a traceback of Python does.
"""

import re
from collections.abc import Sequence

# How runtimes begin to report what was not handled, and how the line that names it looks.
_BEGINS = re.compile(r"Traceback \(most recent|\b\w*(?:Error|Exception)\b|^panic: |^Unhandled ")
_NAMED = re.compile(r"^[\w.$]*(?:Error|Exception)\b|^panic: ")
_TRACEBACK = re.compile(r"Traceback \(most recent")
# Not every exception of Python is called an error: requests.exceptions.ReadTimeout, SystemExit.
_ENDS_TRACEBACK = re.compile(r"^[A-Za-z_][\w.]*(?:: |$)")
# What stands between two exceptions of which one led to the other: the second one is what came of it.
_AND_THEN = re.compile(r"^(?:During handling of|The above exception)")
SHOWN_LINES_MAX = 20
_TRACEBACK_LINES_MAX = 500


def first_error(lines: Sequence[str]) -> str:
    """The line that names the first error, then up to `SHOWN_LINES_MAX` about it; empty if there is none."""
    begins = next((nth for nth, text in enumerate(lines) if _BEGINS.search(text)), None)
    if begins is None:
        return ""
    near = lines[begins : begins + SHOWN_LINES_MAX]
    if any(map(_TRACEBACK.search, near[:2])):
        return _of_traceback(lines[begins : begins + _TRACEBACK_LINES_MAX])
    named = next((text for text in near if _NAMED.search(text)), near[0])
    return "\n".join([named.strip(), *near])


def _of_traceback(lines: Sequence[str]) -> str:
    """Python names the exception in the last line."""
    ends, began = None, False
    for nth, text in enumerate(lines):
        if _TRACEBACK.search(text):
            began = True
        elif began and ends is None and (_NAMED.search(text) or _ENDS_TRACEBACK.search(text)):
            ends = nth
        elif ends is not None and _AND_THEN.search(text):
            ends = None
        elif ends is not None and text.strip():
            break
    ends = len(lines) - 1 if ends is None else ends
    shown = lines[max(0, ends + 1 - SHOWN_LINES_MAX) : ends + 1]
    return "\n".join([lines[ends].strip(), *shown])
