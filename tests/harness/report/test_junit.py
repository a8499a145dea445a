"""JUnit XML, as the tools that read it want it."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import msgspec
import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report import junit
from fanin.harness.results import Judged, Skipped
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.report.reported import HOSTILE, LACKING, bad, good, moot, replay

# The rules that the common schemas agree on (Jenkins' junit-10.xsd, the Ant task's JUnit.xsd): attributes,
# those of them that must be there, and children in any order.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time", "disabled"},
    "testsuite": {
        "name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package",
    },
    "testcase": {"name", "classname", "time", "status", "assertions"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}  # fmt: skip
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type"},
    "error": {"type"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped"},
}


def encoded(*played: History, skipped: Sequence[Skipped] = ()) -> ET.Element:
    runs = [Judged(one, judge(one)) for one in played]
    return parsed(junit.encode(runs, replay=replay, skipped=skipped))


def parsed(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - we wrote it


def cases(root: ET.Element) -> dict[str, ET.Element | None]:
    """By name: what became of each case; None for one that passed."""
    return {case.get("name", ""): next(iter(case), None) for case in root.iter("testcase")}


def test_the_file_keeps_the_rules_of_the_schema() -> None:
    """Known elements in known places, with known attributes, and those that must be there."""
    for element in encoded(good(), bad(), moot(), skipped=[LACKING]).iter():
        assert set(element.keys()) <= ATTRIBUTES[element.tag]
        assert set(element.keys()) >= REQUIRED.get(element.tag, set())
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert float(element.get("time", "0")) >= 0


def test_the_counts_are_those_of_the_cases() -> None:
    """Tools believe the numbers and do not count themselves."""
    root = encoded(good(), good("other"), bad(), moot(), skipped=[LACKING])
    suite = root.find("testsuite")

    assert suite is not None
    for element in (root, suite):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["5", "1", "1", "1"]


def test_a_run_with_the_verdict_that_its_scenario_states_passes() -> None:
    """Also one that is to prove nothing."""
    root = encoded(good(), moot(stated="unknown"))

    assert cases(root) == {"good": None, "moot": None}


def test_an_invalid_run_is_a_failure_with_its_report() -> None:
    """It is all that a reader of the CI system's page has."""
    failure = cases(encoded(bad()))["bad"]

    assert failure is not None
    assert failure.tag == "failure"
    assert failure.get("type") == "invalid"
    assert judge(bad()).findings[0].message in failure.get("message", "")
    assert "INVALID  bad" in (failure.text or "")
    assert (failure.text or "").endswith("replay: fanin run bad --seed 0")


def test_an_unknown_run_is_an_error() -> None:
    """It was played and proves nothing, so the build must not be green."""
    error = cases(encoded(moot()))["moot"]

    assert error is not None
    assert (error.tag, error.get("type")) == ("error", "unknown")
    assert error.get("message") == judge(moot()).doubts[0]


def test_a_valid_run_of_a_scenario_that_states_a_defect_is_a_failure() -> None:
    """A scenario that must be caught and was not has failed as well."""
    played = good()
    run = msgspec.structs.replace(
        played.run, scenario=msgspec.structs.replace(played.run.scenario, verdict="invalid")
    )

    failure = cases(encoded(History(run, played.entries)))["good"]

    assert failure is not None
    assert failure.get("message") == "valid, but the scenario states invalid"


def test_what_was_not_played_is_skipped_and_says_what_it_needs() -> None:
    """The capability by its name."""
    skipped = cases(encoded(good(), skipped=[LACKING]))["wrong-key"]

    assert skipped is not None
    assert (skipped.tag, skipped.get("message")) == ("skipped", "needs function-keys")


def test_several_seeds_of_a_scenario_have_names_of_their_own() -> None:
    """Cases of one name overwrite each other in some tools."""
    assert set(cases(encoded(good(), good(seed=7)))) == {"good seed=0", "good seed=7"}


def test_a_run_in_real_time_tells_how_long_it_took_and_one_in_virtual_time_does_not() -> None:
    """Seventeen minutes of virtual time would lead the list of slow tests."""
    virtual = good()
    real = History(msgspec.structs.replace(virtual.run, time="real"), virtual.entries)

    times = [case.get("time") for case in encoded(virtual, real).iter("testcase")]

    assert times == ["0.000", f"{virtual.entries[-1].at / 1000:.3f}"]


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800", "\ufffe\uffff", "]]>"], ids=range(len(HOSTILE) + 3))
def test_whatever_was_written_is_well_formed_xml(text: str) -> None:
    """XML 1.0 has no place for control characters, escaped or not; a parser would refuse the whole file."""
    played = good()
    named = History(msgspec.structs.replace(played.run, target=text), played.entries)
    accused = Verdict(Validity.INVALID, (Finding(Rule.CONTENT, text, "op1", (1,), (text,)),))

    root = parsed(junit.encode([Judged(named, accused)], replay=lambda _: text))

    failure = cases(root)["good"]
    assert failure is not None
    shown = "".join((failure.text or "", failure.get("message", "")))
    assert not any(ord(it) < 32 and it not in "\n\t" for it in shown)


def test_what_has_a_place_in_xml_keeps_it() -> None:
    """Escaped by the writer, the same again for the reader."""
    message = 'a < b & c > "d" \N{GREEK SMALL LETTER ALPHA}'
    accused = Verdict(Validity.INVALID, (Finding(Rule.CONTENT, message),))

    root = parsed(junit.encode([Judged(good(), accused)], replay=replay))

    failure = cases(root)["good"]
    assert failure is not None
    assert failure.get("message") == f"9-content: {message}"
