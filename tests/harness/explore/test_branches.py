"""New branches of the oracle are those that no judgement of the watch took before."""

from functools import partial

import pytest

from fanin.harness.explore import branches
from fanin.harness.explore.branches import BranchWatch
from fanin.harness.explore.subject import Subject
from fanin.harness.oracle.oracle import judge
from fanin.simulator.faults.transport import Drop, Duplicate
from tests.harness.explore.scenarios import push


def test_a_judgement_like_one_before_it_takes_no_new_branch() -> None:
    """A judgement of another kind takes new branches."""
    quiet = Subject().play(push(), 0).history
    lossy = Subject().play(push(faults=(Drop(region="eastus"), Duplicate())), 0).history
    assert quiet is not None
    assert lossy is not None

    with BranchWatch() as watch:
        taken = [watch.new_branches(partial(judge, it))[1] for it in (quiet, quiet, lossy, lossy)]

    assert taken[0] > taken[2] > 0
    assert taken[1] == taken[3] == 0


def test_a_new_watch_knows_nothing() -> None:
    """Blocks of runs are independent of each other."""
    history = Subject().play(push(), 0).history
    assert history is not None

    found = []
    for _ in range(2):
        with BranchWatch() as watch:
            found.append(watch.new_branches(lambda: judge(history)))
    first, second = found

    assert first == second
    assert first[0] == judge(history)


def test_without_a_tool_nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugger and a profiler may have them all."""
    monkeypatch.setattr(branches, "_tool", lambda: None)

    with BranchWatch() as watch:
        assert watch.new_branches(lambda: 7) == (7, 0)


def test_what_is_judged_between_two_looks_is_not_counted() -> None:
    """A run that is made smaller meanwhile teaches the search nothing."""
    quiet = Subject().play(push(), 0).history
    lossy = Subject().play(push(faults=(Drop(region="eastus"), Duplicate())), 0).history
    assert quiet is not None
    assert lossy is not None

    with BranchWatch() as watch:
        watch.new_branches(partial(judge, quiet))
        judge(lossy)
        assert watch.new_branches(partial(judge, lossy))[1] > 0
