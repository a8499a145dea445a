"""Garbage of a run is collected at its end, and nothing else is looked through for it.

simloop collects garbage twice in a run, to find tasks whose exception was never retrieved. Looking through
all imported modules took longer than a small run, so what is there before a run is frozen. What the run has
left, the modules of its lives among it, is collected before that ends: the next run would freeze it.
"""

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Whether a block leaves out what was there before it. To ask the collector, it counts all that is frozen.
_leaves_out = False


@contextmanager
def left_out() -> Iterator[None]:
    """Leave out of every collection in the block what is there before it."""
    global _leaves_out  # noqa: PLW0603 - there is one collector in a process
    if _leaves_out:  # an outer block does that
        yield
        return
    try:
        _leaves_out = True
        gc.freeze()
        yield
    finally:
        gc.unfreeze()
        _leaves_out = False


@contextmanager
def collected() -> Iterator[None]:
    """Collect what the block has left. What holds on to it must be gone when the block ends."""
    with left_out():
        try:
            yield
        finally:
            collect()


def collect() -> None:
    """Collect garbage without a warning: what was killed has closed nothing, nor awaited it to its end."""
    report, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        sys.unraisablehook = report
