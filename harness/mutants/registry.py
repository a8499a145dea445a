"""All mutants and healthy variants by name, and the catalogue's entries that have no mutant.

Names are the same in ``fanin bug`` and in the generated ``docs/bug-matrix.md``. A new family is a module and
an item of `FAMILIES`.
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
    event_grid,
    failing_sink,
    healthy,
    ids,
    image_key,
    interest,
    late_arrival,
    late_completion,
    notification,
    original,
    overload,
    push_again,
    region_names,
    replicas,
    response,
    sent_body,
    signature,
    start,
    survival,
    timer,
    unusual_request,
    wait,
)
from fanin.harness.mutants.mutant import Healthy, Mutant

# In the order in which an operation meets them.
FAMILIES: tuple[ModuleType, ...] = (
    original,
    start,
    wait,
    duplicate,
    ids,
    image_key,
    region_names,
    completion,
    deadline,
    timer,
    late_arrival,
    late_completion,
    push_again,
    survival,
    crash,
    notification,
    sent_body,
    failing_sink,
    response,
    unusual_request,
    overload,
    configuration,
    interest,
    replicas,
    envelope,
    event_grid,
    signature,
)
MUTANTS: Mapping[str, Mutant] = {it.name: it for family in FAMILIES for it in family.MUTANTS}
HEALTHY: Mapping[str, Healthy] = {
    it.name: it
    for family in (
        healthy,
        configuration,
        replicas,
        envelope,
        event_grid,
        interest,
        late_completion,
        signature,
    )
    for it in family.HEALTHY
}

# Scenarios that kill no mutant, and what they are for.
KILLS_NOTHING: Mapping[str, str] = {
    "nothing-happened": "it tests the judge: where nothing happens, a dead aggregator looks like a right one,"
    " so the verdict must be unknown",
}

# Entries of the catalogue that have no mutant, and why.
WITHOUT_MUTANT: tuple[tuple[str, str], ...] = (
    ("B49", "the store grows without bound: that cannot be observed over HTTP"),
    ("B57", "a record is torn by a power cut: a crash here is kill -9, which loses nothing that was written"),
    ("B59", "everything is sent at once after an outage: the contract sets no rate"),
    (
        "B60, B61",
        "the sender loses its events: that is the registry's bug, and a timeout is the right outcome",
    ),
)


def families() -> Iterator[tuple[str, tuple[Mutant, ...]]]:
    """Each family's heading and mutants."""
    for family in FAMILIES:
        yield (family.__doc__ or "").splitlines()[0], family.MUTANTS
