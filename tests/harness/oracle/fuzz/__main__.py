"""Judges many drawn histories: right ones, and the same with one illegal change.

    python -m tests.harness.oracle.fuzz 100000

Prints the figures, and the seed of every disagreement. Exit code: 1 when there is one.
"""

import sys
from collections import Counter

import click

from fanin.harness.verdict import Validity
from tests.harness.oracle.fuzz.verdicts import of_illegal, of_legal


def main(runs: int) -> int:
    """Judge so many of each, and return the exit code."""
    right, wrong, changes = Counter[Validity](), Counter[Validity](), Counter[str]()
    accused, missed = [], []
    for seed in range(runs):
        judged = of_legal(seed)
        change, changed = of_illegal(seed)
        right[judged.validity] += 1
        wrong[changed.validity] += 1
        changes[change] += 1
        if judged.validity is Validity.INVALID:
            accused.append(seed)
        if changed.validity is Validity.VALID:
            missed.append((seed, change))
    click.echo(f"right: {_figures(right)}; accused: {accused or 'none'}")
    click.echo(f"wrong: {_figures(wrong)}; missed: {missed or 'none'}")
    click.echo(f"changes: {', '.join(f'{name} {times:,}' for name, times in changes.most_common())}")
    return int(bool(accused or missed))


def _figures(counts: Counter[Validity]) -> str:
    return ", ".join(f"{counts[validity]:,} {validity}" for validity in Validity)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000))
