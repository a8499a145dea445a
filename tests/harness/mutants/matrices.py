"""Matrices by hand, for tests of what is concluded from one and how it is written."""

from fanin.harness.mutants.matrix import Matrix
from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from fanin.harness.verdict import Validity


def matrix(*, survivor: str = "", accused: str = "") -> Matrix:
    """Two scenarios: the first kills no mutant, the second all but the survivor."""
    valid, invalid, unknown = Validity.VALID, Validity.INVALID, Validity.UNKNOWN
    mutants = {
        name: {"nothing-happened": unknown, "slow-region": valid if name == survivor else invalid}
        for name in MUTANTS
    }
    healthy = {
        name: {"nothing-happened": unknown, "slow-region": invalid if name == accused else valid}
        for name in HEALTHY
    }
    return Matrix(("nothing-happened", "slow-region"), mutants, healthy)
