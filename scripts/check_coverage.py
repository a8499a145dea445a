#!/usr/bin/env python3
"""Fails unless each module that decides is covered, all of its branches, by its own test module alone.

One pytest run plays all these test modules, and coverage records which of them ran which line and branch. A
module's own test module lies in the same place under tests/: harness/oracle/bounds.py is tested by
tests/harness/oracle/test_bounds.py. What runs on import counts for every test module.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
# Paths and patterns, relative to the root.
MODULES = (
    "aggregator/fanin.py",
    "simulator/delivery.py",
    "simulator/faults/apply.py",
    "harness/oracle/**/*.py",
)
ON_IMPORT = ""  # the context of what no test module ran


class OneContextPerFile:
    """Tells coverage which test module runs."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.path.relative_to(ROOT).as_posix())
        try:
            return (yield)
        finally:
            self._coverage.switch_context(ON_IMPORT)


def modules() -> list[Path]:
    """The modules with code, sorted, relative to the root."""
    found = {path for pattern in MODULES for path in ROOT.glob(pattern)}
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def own_test(module: Path) -> Path:
    """Where a module's own test module lies."""
    return Path("tests") / module.with_name(f"test_{module.name}")


def missing(coverage: Coverage, module: Path) -> list[str]:
    """The lines and branches of a module that its own test module does not run."""
    own = own_test(module).as_posix()
    with tempfile.NamedTemporaryFile() as report:
        coverage.json_report(
            morfs=[str(ROOT / "src" / "fanin" / module)],
            outfile=report.name,
            contexts=[f"^{re.escape(own)}$", f"^{ON_IMPORT}$"],
        )
        (file,) = json.loads(Path(report.name).read_bytes())["files"].values()
    return [*map(str, file["missing_lines"]), *_branches(file)]


def _branches(file: dict[str, Any]) -> Iterator[str]:
    lines = set(file["missing_lines"])
    for source, target in file["missing_branches"]:
        if source not in lines:
            yield f"{source}->{target if target > 0 else 'exit'}"


def main() -> int:
    """Run the tests, print what is missing, and return the exit code."""
    found = modules()
    if absent := [own_test(it) for it in found if not (ROOT / own_test(it)).exists()]:
        print("No test module:", *absent, sep="\n  ", file=sys.stderr)
        return 1
    coverage = Coverage(
        data_file=None,
        branch=True,
        config_file=False,
        include=[str(ROOT / "src" / "fanin" / it) for it in found],
    )
    coverage.start()
    tests = [str(ROOT / own_test(it)) for it in found]
    failed = pytest.main(["-q", "-p", "no:xdist", *tests], plugins=[OneContextPerFile(coverage)])
    coverage.stop()
    if failed:
        return int(failed)
    gaps = {module: missing(coverage, module) for module in found}
    for module, lines in gaps.items():
        if lines:
            print(f"{module}: {own_test(module)} does not run {', '.join(lines)}", file=sys.stderr)
    covered = sum(not lines for lines in gaps.values())
    print(f"{covered} of {len(found)} modules are covered, each by its own test module alone")
    return 0 if covered == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
