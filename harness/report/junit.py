"""Runs as JUnit XML, which every CI system shows: one test case per run.

Rules of this file: a run passes when it got the verdict that its scenario states. Another verdict is a
failure, except that ``unknown`` is an *error*, not skipped: the run was played and proves nothing, and a
build that proves nothing must not be green. What was not played at all is skipped, with what it would need.
The same runs give the same bytes, so there is no time stamp.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Sequence

from fanin.harness.history import History
from fanin.harness.report.line import clean, paint
from fanin.harness.report.text import report
from fanin.harness.results import Judged, Skipped
from fanin.harness.verdict import Validity

_SUITE = "fanin"


def encode(
    runs: Sequence[Judged], *, replay: Callable[[History], str], skipped: Sequence[Skipped] = ()
) -> bytes:
    """The whole file.

    Args:
        runs: In any order; the file keeps it.
        replay: The command that shows a run again.
        skipped: What was not played.
    """
    suite = ET.Element("testsuite", name=_SUITE)
    seeds = Counter(judged.name for judged in runs)
    for judged in runs:
        suite.append(_case(judged, replay, several=seeds[judged.name] > 1))
    for lacking in skipped:
        case = ET.SubElement(suite, "testcase", classname=_SUITE, name=lacking.name, time="0.000")
        ET.SubElement(case, "skipped", message=_text(lacking.reason))
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    seconds = sum(float(case.get("time", "0")) for case in suite)
    for element in (suite, suites := ET.Element("testsuites", name=_SUITE)):
        for name, count in counts.items():
            element.set(name, str(count))
        element.set("time", f"{seconds:.3f}")
    suites.append(suite)
    ET.indent(suites)
    encoded: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return encoded + b"\n"


def _case(judged: Judged, replay: Callable[[History], str], *, several: bool) -> ET.Element:
    run, verdict = judged.history.run, judged.verdict
    name = f"{judged.name} seed={run.seed}" if several else judged.name
    case = ET.Element(
        "testcase", classname=_text(run.target) or _SUITE, name=_text(name), time=f"{_seconds(judged):.3f}"
    )
    if judged.as_stated:
        return case
    kind = "error" if verdict.validity is Validity.UNKNOWN else "failure"
    wrong = ET.SubElement(case, kind, type=verdict.validity.value, message=_text(judged.summary))
    rows = report(judged.history, verdict, replay=replay(judged.history), errors=judged.errors)
    wrong.text = _text(paint(rows, colour=False), lines=True)
    return case


def _seconds(judged: Judged) -> float:
    """How long the run took in real time, as far as the history says; 0 in virtual time."""
    history = judged.history
    if history.run.time == "virtual" or not history.entries:
        return 0.0
    return max(entry.at for entry in history.entries) / 1000


def _text(text: str, *, lines: bool = False) -> str:
    """Text that XML 1.0 can hold (its section 2.2, Characters): nothing that `clean` leaves is forbidden."""
    return "\n".join(map(clean, text.split("\n"))) if lines else clean(text)
