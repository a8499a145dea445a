"""A run as one JSON object, for programs."""

import json

import msgspec

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.jsonform import encode
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.report.reported import bad, good


def test_every_key_is_there_whatever_the_verdict() -> None:
    """A program needs no special cases."""
    right, wrong = (json.loads(encode(it, judge(it), replay="again")) for it in (good(), bad()))

    assert right.keys() == wrong.keys()
    assert (right["verdict"], right["stated"], right["findings"]) == ("valid", "valid", [])
    assert (wrong["verdict"], wrong["replay"]) == ("invalid", "again")
    assert right["trace"] == good().trace_hash()


def test_evidence_is_the_records_themselves_with_their_indices() -> None:
    """As the history has them; indices that it does not have are left out."""
    played = good()
    accused = Verdict(Validity.INVALID, (Finding(Rule.OUTCOME, "wrong", "op1", (1, 99)),))

    (finding,) = json.loads(encode(played, accused, replay=""))["findings"]

    assert finding["evidence"] == [{"index": 1, **msgspec.to_builtins(played.entries[1])}]
    assert (finding["rule"], finding["message"], finding["op"]) == ("4-outcome", "wrong", "op1")


def test_instants_of_a_judgement_are_milliseconds() -> None:
    """And their names say so."""
    (judgement,) = json.loads(encode(good(), judge(good()), replay=""))["judgements"]

    assert judgement == {
        "op": "op1", "legal": ["completed"], "deadline_from_ms": 120_000, "deadline_until_ms": 120_003,
        "outcome": "completed", "notified_at_ms": 5_010,
    }  # fmt: skip


def test_the_line_is_ascii() -> None:
    """It survives a stream of any encoding, and reads back as it was."""
    line = encode(good("größer"), judge(good()), replay="→")

    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["replay"] == "→"
