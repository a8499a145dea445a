"""Optional modules that are not installed: in virtual time, that they are missing is found out once.

A library may import one at each request, as httpcore does with sniffio. Python does not remember that a
module is missing, so each time it looks into every folder of its path: a fifth of a run with many
notifications.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

_OPTIONAL = ("sniffio",)


@contextmanager
def found_out_once() -> Iterator[None]:
    """Inside, importing one of those that are missing fails at once, with the same exception."""
    missing = [name for name in _OPTIONAL if name not in sys.modules and find_spec(name) is None]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None: what import takes for missing
    try:
        yield
    finally:
        for name in missing:
            sys.modules.pop(name, None)
