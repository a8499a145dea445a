"""Everybody in the zoo, by name.

A new bug costs one small class or function in its family's file and one entry there. A new family is a file
and a line here. Names are the same as those in ``fanin bug``, and in the generated ``docs/bug-matrix.md``.
"""

from collections.abc import Mapping
from types import ModuleType

from harness.bugs import (
    answering,
    completing,
    crashing,
    dating,
    expiring,
    finishing,
    healthy,
    original,
    repeating,
    starting,
    telling,
    waiting,
)
from harness.bugs.bug import Bug, Healthy

# In the order in which an operation meets them.
FAMILIES: tuple[ModuleType, ...] = (
    original,
    starting,
    waiting,
    repeating,
    completing,
    dating,
    expiring,
    finishing,
    crashing,
    telling,
    answering,
)
BUGS: Mapping[str, Bug] = {bug.name: bug for family in FAMILIES for bug in family.BUGS}
HEALTHY: Mapping[str, Healthy] = {it.name: it for it in healthy.HEALTHY}
