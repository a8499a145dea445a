"""What an aggregator seems not to have: a capability that it may lack is not its fault, if it says so.

Rules of this file: pure; one sentence for each capability, however many scenarios show it.
"""

from collections.abc import Callable, Iterator, Sequence

from fanin.harness.capabilities import Capability, required_capabilities
from fanin.harness.results import Judged
from fanin.harness.verdict import Rule, Validity

# By what an aggregator without the capability gives itself away, and what that looks like.
_SIGNS: Sequence[tuple[Capability, str, Callable[[Judged], bool]]] = (
    (
        "function-keys",
        "it accepts any key: if it has none",
        lambda result: any("wrong-key" in finding.message for finding in result.verdict.findings),
    ),
    (
        "action-filter",
        "it takes actions that FANIN_ACTIONS leaves out: if it fans in all of them",
        lambda result: any(finding.rule is Rule.PING for finding in result.verdict.findings),
    ),
    (
        "image-correlation",
        "it correlates by the payload's id where FANIN_CORRELATION is image: if it knows no other way",
        lambda result: bool(result.verdict.findings),
    ),
)


def lack_hints(results: Sequence[Judged]) -> Iterator[str]:
    """A sentence for each capability that none of these runs shows, and some of them gives away."""
    for capability, what, shows in _SIGNS:
        needing = [it for it in results if capability in required_capabilities(it.history.run.scenario)]
        if not needing or any(it.verdict.validity is Validity.VALID for it in needing):
            continue
        if any(map(shows, needing)):
            names = ", ".join(it.name for it in needing)
            yield f"{names}: {what}, say --lacks {capability}"
