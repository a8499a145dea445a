"""Everybody in the zoo, by name, and who is missing.

A new bug costs one small class or function in its family's file and one entry there. A new family is a file
and a line here. Names are the same in ``fanin bug`` and in the generated ``docs/bug-matrix.md``.
"""

from collections.abc import Iterator, Mapping
from types import ModuleType

from fanin.harness.mutants import (
    completion,
    configuration,
    crash,
    deadline,
    duplicate,
    envelope,
    healthy,
    late_arrival,
    notification,
    original,
    replicas,
    response,
    signature,
    start,
    timer,
    wait,
)
from fanin.harness.mutants.mutant import Bug, Healthy

# In the order in which an operation meets them.
FAMILIES: tuple[ModuleType, ...] = (
    original,
    start,
    wait,
    duplicate,
    completion,
    deadline,
    timer,
    late_arrival,
    crash,
    notification,
    response,
    configuration,
    replicas,
    envelope,
    signature,
)
BUGS: Mapping[str, Bug] = {bug.name: bug for family in FAMILIES for bug in family.BUGS}
HEALTHY: Mapping[str, Healthy] = {
    it.name: it for family in (healthy, configuration, replicas, envelope, signature) for it in family.HEALTHY
}

# Scenarios that kill nothing, and what they are there for.
QUIET: Mapping[str, str] = {
    "nothing-happened": "it is about the judge: where nothing happened, the dead look as good as the living,"
    " and the verdict must be unknown",
}

# Bugs that are known from the wild and not kept here, and why.
ABSENT: tuple[tuple[str, str], ...] = (
    ("B48", "a legitimate second push under an id that was used is ignored: the contract asks for just that"),
    ("B49", "the store grows without bound: nobody sees it over HTTP"),
    ("B57", "a record is torn by a power cut: a crash here is kill -9, which loses nothing that was written"),
    ("B59", "everything is sent at once after an outage: the contract sets no rate"),
    (
        "B60, B61",
        "the sender loses its events: the registry's bug, and the right outcome is a timeout",
    ),
)


def families() -> Iterator[tuple[str, tuple[Bug, ...]]]:
    """Each family's heading and bugs."""
    for family in FAMILIES:
        yield (family.__doc__ or "").splitlines()[0], family.BUGS
