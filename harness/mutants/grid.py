"""The matrix as text: a row for each mutant and healthy variant, a column for each scenario."""

from collections.abc import Iterator, Mapping, Sequence

from fanin.harness.mutants.matrix import Matrix
from fanin.harness.mutants.registry import families
from fanin.harness.report.line import WIDTH, Line, Tone, line
from fanin.harness.verdict import Validity

MARKS: Mapping[Validity | None, tuple[str, Tone]] = {
    Validity.INVALID: ("x", Tone.GOOD),
    Validity.VALID: ("·", Tone.QUIET),
    Validity.UNKNOWN: ("?", Tone.ODD),
    None: ("-", Tone.QUIET),
}
_LEGEND = "x killed   · survived   ? no verdict   - not played"
_PER_LINE = 3
_COUNT = 5


def grid(matrix: Matrix) -> Iterator[Line]:
    """The matrix, cut into pieces of the page's width."""
    width = max(len(name) for name in (*matrix.mutants, *matrix.healthy)) + 2
    columns_per_piece = WIDTH - width - _COUNT
    for start in range(0, len(matrix.scenarios), columns_per_piece):
        yield from _piece(matrix, range(start, min(start + columns_per_piece, len(matrix.scenarios))), width)
        yield line("")
    yield from _numbers(matrix)
    yield line("")
    yield line(_LEGEND)


def summary(matrix: Matrix) -> Iterator[Line]:
    """The totals, after the names of survivors and of healthy variants that were accused."""
    survivors, accused = matrix.survivors, matrix.accused
    for name in survivors:
        yield line(f"{name} survives every scenario", Tone.BAD)
    for name, scenario in accused:
        yield line(f"{name} is healthy and was accused in {scenario}", Tone.BAD)
    killed = len(matrix.mutants) - len(survivors)
    tone = Tone.BAD if survivors or accused else Tone.GOOD
    wrongly = len({name for name, _ in accused})
    yield line(
        f"{len(matrix.scenarios)} scenarios kill {killed} of {len(matrix.mutants)} mutants,"
        f" and accuse {wrongly} of {len(matrix.healthy)} healthy variants",
        tone,
    )


def _piece(matrix: Matrix, columns: range, width: int) -> Iterator[Line]:
    for digit in (10, 1):
        numbers = "".join(_digit(column + 1, digit) for column in columns)
        yield line(" " * width + numbers, Tone.QUIET)
    names = [matrix.scenarios[column] for column in columns]
    for heading, mutants in families():
        yield line(heading, Tone.STRONG)
        for it in mutants:
            row = matrix.mutants[it.name]
            yield _row(it.name, row, names, width, f"  {len(matrix.killers(it.name)):>2}")
    yield line("Healthy variants", Tone.STRONG)
    for name, row in matrix.healthy.items():
        yield _row(name, row, names, width, "")


def _digit(number: int, digit: int) -> str:
    """A digit of a column's number; tens only where they change, hundreds never."""
    if digit == 1:
        return str(number % 10)
    return str(number // 10 % 10) if number % 10 == 0 else " "


def _row(name: str, row: Mapping[str, Validity], scenarios: Sequence[str], width: int, count: str) -> Line:
    marks = [MARKS[row.get(scenario)] for scenario in scenarios]
    return ((name.ljust(width), Tone.PLAIN), *marks, (count, Tone.QUIET))


def _numbers(matrix: Matrix) -> Iterator[Line]:
    """The legend of the columns: number, scenario, and how many mutants it kills."""
    entries = [
        f"{number:>3} {name:<24}{len(matrix.kills(name)):>3}"
        for number, name in enumerate(matrix.scenarios, start=1)
    ]
    down = -(-len(entries) // _PER_LINE)
    for nth in range(down):
        yield line("  ".join(entries[nth::down]))
