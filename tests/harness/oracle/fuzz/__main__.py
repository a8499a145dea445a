"""Judges many drawn histories: right ones, and the same with one illegal change.

    python -m tests.harness.oracle.fuzz 100000 [FIRST_SEED]

Prints the figures, and the seed of every disagreement. Exit code: 1 when there is one.
"""

import sys
from collections import Counter

import click

from fanin.harness.verdict import Validity
from tests.harness.oracle.fuzz.verdicts import verdicts_of


def main(runs: int, first: int = 0) -> int:
    """Judge so many of each, and return the exit code."""
    right, wrong, changes = Counter[Validity](), Counter[Validity](), Counter[str]()
    accused, missed = [], []
    for seed in range(first, first + runs):
        judged = verdicts_of(seed)
        right[judged.legal.validity] += 1
        wrong[judged.illegal.validity] += 1
        changes[judged.change] += 1
        if judged.legal.validity is Validity.INVALID:
            accused.append(seed)
        if judged.illegal.validity is Validity.VALID:
            missed.append((seed, judged.change))
    click.echo(f"right: {_figures(right)}; accused: {accused or 'none'}")
    click.echo(f"wrong: {_figures(wrong)}; missed: {missed or 'none'}")
    click.echo(f"changes: {', '.join(f'{name} {times:,}' for name, times in changes.most_common())}")
    return int(bool(accused or missed))


def _figures(counts: Counter[Validity]) -> str:
    return ", ".join(f"{counts[validity]:,} {validity}" for validity in Validity)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3] or ["1000"])))
