"""Which events an aggregator is configured to wait for (contract, clause 11)."""

import re
from collections.abc import Sequence

from fanin.harness.history import RegistryEvent
from fanin.simulator.language.scenario import Only, Scenario

# Tags under which cosign and other clients attach something to the image with that digest.
_ATTACHED = re.compile(r"(?a:sha(256|512)-[0-9a-f]{32,128}([.](sig|att|sbom))?)")


def is_awaited(event: RegistryEvent, scenario: Scenario) -> bool:
    """Whether an event starts or completes an operation; one that is not is answered 200 and does nothing."""
    if event.action == "ping" or event.action not in scenario.actions:
        return False
    return _is_of_interest(event, scenario.only)


def _is_of_interest(event: RegistryEvent, only: Only) -> bool:
    if not _fits(event.repository, only.repositories):
        return False
    if event.tag:
        attached = _ATTACHED.fullmatch(event.tag) is not None
        return _fits(event.tag, only.tags) and (only.attachments or not attached)
    # A delete never has a tag, so that tags say nothing of it.
    return event.action == "delete" or not (only.tagged or only.tags)


def _fits(name: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs that include fits, if there are some, and none of those that exclude."""
    including = [glob for glob in globs if glob[0] != "!"]
    excluding = [glob[1:] for glob in globs if glob[0] == "!"]
    included = any(_regex(glob).fullmatch(name) for glob in including) or not including
    return included and not any(_regex(glob).fullmatch(name) for glob in excluding)


def _regex(glob: str) -> re.Pattern[str]:
    words = {"*": ".*", "?": "."}
    return re.compile("".join(words.get(character, re.escape(character)) for character in glob), re.DOTALL)
