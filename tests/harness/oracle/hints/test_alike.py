"""Operations whose keys are alike."""

from typing import Any

import pytest

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.generations import generations
from fanin.harness.oracle.hints.alike import is_like_another, is_pushed_again, shares_its_tag
from fanin.harness.oracle.pushes import separate
from fanin.harness.oracle.violation import OperationView
from tests.harness.oracle.histories import Line, both, history, notified, occurred


def view_of(number: int, *lines: Line, correlation: str = "event-id") -> OperationView:
    """One of the operations of a run."""
    evidence = separate(collect(history(*lines, correlation=correlation)))
    operation = evidence.operations[number]
    had_key = generations(operation, evidence, Allowances(evidence))
    return OperationView(operation, had_key, evidence, Allowances(evidence), evidence.scenario)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("push", "Push", True),
        ("a/b", "a_b", True),
        ("a%2Fb", "a/b", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("007", "7", True),
        ("x" * 64 + "1", "x" * 64 + "2", True),
        ("x" * 63 + "1", "x" * 63 + "2", False),
        ("push", "pull", False),
    ],
)
def test_ids_are_alike_if_little_tells_them_apart(one: str, other: str, alike: bool) -> None:  # noqa: FBT001
    """Case, separators, encoding, accents, zeros in front, or what is beyond a column."""
    assert is_like_another(view_of(0, occurred(ids=one), occurred("op2", ids=other))) is alike


IMAGE: dict[str, Any] = {"tag": "t", "digest": "sha256:1"}


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({"host": ""}, True),
        ({"host": "other.azurecr.io"}, True),
        ({"action": "quarantine"}, True),
        ({"repository": "other/app"}, True),
        ({"tag": "u"}, True),
        ({"digest": "sha256:2"}, True),
        ({"tag": None}, True),
        ({"repository": "te/amapp"}, True),
        ({"tag": "u", "digest": "sha256:2"}, False),
        ({"host": "", "tag": "u"}, False),
    ],
)
def test_images_are_alike_if_one_part_of_their_key_differs(other: dict[str, Any], alike: bool) -> None:  # noqa: FBT001
    """Or if one of them lacks a part."""
    lines = (occurred(**IMAGE), occurred("op2", ids="other", **(IMAGE | other)))

    assert is_like_another(view_of(0, *lines, correlation="image")) is alike


def test_a_push_that_comes_again_is_not_like_the_one_before() -> None:
    """It is the same image."""
    told = (notified("completed", at, op=op, key=op, tag="t") for at, op in ((1, "op1"), (61, "op2")))
    lines = (occurred(**IMAGE), both(), occurred("op2", 60, **IMAGE), both(60, op="op2"), *told)
    views = [view_of(n, *lines, correlation="image") for n in range(2)]

    assert [is_like_another(it) for it in views] == [False, False]
    assert [is_pushed_again(it) for it in views] == [False, True]


def test_an_operation_shares_its_tag_with_one_that_waits() -> None:
    """Not with one that had its outcome, nor with a later one."""
    tags = (occurred(tag="t"), occurred("op2", 5, tag="t"))
    over = (both(), notified("completed", 1))

    assert [shares_its_tag(view_of(n, *tags)) for n in range(2)] == [False, True]
    assert not shares_its_tag(view_of(1, *tags, *over))
    assert not shares_its_tag(view_of(1, occurred(tag=None), occurred("op2", tag=None)))
