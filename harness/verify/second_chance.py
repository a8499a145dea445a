"""Which runs of a command are played once more, because the machine may be to blame, and why.

Rules of this file: pure. A second chance is never silent: its reason becomes a note of the result.
"""

from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Validity
from fanin.simulator.durations import format_duration

# With which the oracle says that an outcome was late (`rules.timing`), or an answer (`rules.responses`), …
_LATE = (" and allowed until ", ", not answered by ")
# … and that there are more findings of a kind of which the first are said in full.
_MORE = " more like these: "


def why_again(judged: Judged, lag_ms: int) -> str:
    """Why a run gets a second chance; empty when it gets none.

    Args:
        judged: The run.
        lag_ms: How late the harness itself was on this machine, in this run or in another one;
            0: not worth a word.
    """
    verdict = judged.verdict
    if judged.as_stated:
        return ""
    if verdict.validity is Validity.UNKNOWN:
        return f"it proved nothing: {verdict.doubts[0]}" if verdict.doubts else "it proved nothing"
    if lag_ms and was_only_late(judged):
        lag = format_duration(lag_ms)
        return f"it was only late, while fanin itself was up to {lag} late: {verdict.findings[0].message}"
    return ""


def was_only_late(judged: Judged) -> bool:
    """Whether all that was found in a run is right but for its time."""
    in_full = [it for it in judged.verdict.findings if _MORE not in it.message]
    return not judged.as_stated and bool(in_full) and all(map(is_only_late, in_full))


def is_only_late(finding: Finding) -> bool:
    """Whether what was found is right but for its time."""
    return any(words in finding.message for words in _LATE)
