"""What an aggregator seems not to have: a capability that it may lack is not its fault, if it says so.

Rules of this file: pure; one `SeemingLack` for each capability, however many scenarios show it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fanin.harness.capabilities import Capability, required_capabilities
from fanin.harness.results import Judged, SeemingLack
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.language.scenario import Scenario


class _Sign(NamedTuple):
    """By what an aggregator without the capability gives itself away, and what that looks like."""

    capability: Capability
    what: str
    shows: Callable[[Judged], bool]
    matters: Callable[[Scenario], bool] = lambda _: True  # whether the capability makes a difference there


_SIGNS: Sequence[_Sign] = (
    _Sign(
        "function-keys",
        "it accepts any key: if it has none",
        lambda result: any("wrong-key" in finding.message for finding in result.verdict.findings),
    ),
    _Sign(
        "action-filter",
        "it takes actions that FANIN_ACTIONS leaves out: if it fans in all of them",
        # What is refused is not taken: a ping without an id, for one.
        lambda result: any(
            finding.rule is Rule.PING and "answered 4" not in finding.message
            for finding in result.verdict.findings
        ),
    ),
    _Sign(
        "image-correlation",
        "it correlates by the payload's id where FANIN_CORRELATION is image: if it knows no other way",
        lambda result: bool(result.verdict.findings),
        # Where all regions send one id, either way leads to the same.
        lambda scenario: scenario.ids == "distinct",
    ),
)


def seeming_lacks(results: Sequence[Judged]) -> Iterator[SeemingLack]:
    """Each capability that none of these runs shows, and some of them gives away."""
    for sign in _SIGNS:
        needing = [it for it in results if _matters(sign, it.history.run.scenario)]
        if any(it.verdict.validity is Validity.VALID for it in needing):
            continue
        if any(map(sign.shows, needing)):
            yield SeemingLack(sign.capability, tuple(it.name for it in needing), sign.what)


def _matters(sign: _Sign, scenario: Scenario) -> bool:
    return sign.capability in required_capabilities(scenario) and sign.matters(scenario)
