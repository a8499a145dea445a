"""Region names as people set them: a list that is separated by commas.

Rules of this file: the alphabet is that of the registry's region names (letters, digits, blanks, dots,
underscores and hyphens); a list that was meant in another notation is an error that shows how it is written
here, because a region that no registry has lets every operation time out.
"""

import re

from fanin.aggregator.errors import quoted
from fanin.aggregator.fanin import Region
from fanin.aggregator.wire import normalise_region, same_location

REGION_LENGTH_MAX = 64
# Templates of shells, Azure Pipelines and Octopus, Helm and Jinja, and Windows: never part of a value.
_PLACEHOLDER = re.compile(r"\$\{|\$\(|#\{|\{\{|<%|%[A-Za-z_]+%|\$[A-Za-z_]")
QUOTES = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9 ._-]*[a-z0-9])?")
# A location as Azure displays it: West Europe, East US 2, US DoD Central. It has blanks and is one name.
_DISPLAY_NAME = re.compile(
    r"(?:[A-Z][a-z]+|[A-Z]{2,4}|DoD|[0-9]+)(?: (?:[A-Z][a-z]+|[A-Z]{2,4}|DoD|[0-9]+))*"
)
_WORD = re.compile(r"[A-Za-z0-9._-]+")


def parse_region_names(text: str) -> tuple[Region, ...]:
    """Parse names that are separated by commas; return them normalised, in the order given.

    Raises:
        ValueError: another notation, a name outside of the alphabet, or one that is given twice. The message
            says what to write.
    """
    _refuse_other_notation(text)
    regions = tuple(normalise_region(part) for part in text.split(","))
    for region in regions:
        if not region:
            raise ValueError(f"{quoted(text)} has an empty name between its commas")
        if len(region) > REGION_LENGTH_MAX or not _NAME.fullmatch(region):
            raise ValueError(
                f"{quoted(region)} is not a region name: at most {REGION_LENGTH_MAX} letters, digits, "
                "blanks, '.', '_' and '-'"
            )
        if sum(same_location(region, other) for other in regions) > 1:
            raise ValueError(f"names {quoted(region)} twice; letter case and blanks make no difference")
    return regions


def _refuse_other_notation(text: str) -> None:
    stripped = text.strip()
    if _PLACEHOLDER.search(stripped):
        raise ValueError(
            f"{quoted(text)} has a placeholder that was not replaced; write the names, such as "
            "eastus,westeurope"
        )
    instead = ",".join(_WORD.findall(stripped)) or "eastus,westeurope"
    if any(quote in stripped for quote in QUOTES) and not stripped.startswith("["):
        raise ValueError(f"{quoted(text)} has quotes, which `docker --env-file` keeps; write {instead}")
    if stripped.startswith(("[", "{", "(")):
        raise ValueError(f"{quoted(text)} is not a list of names separated by commas; write {instead}")
    if "," not in stripped and re.search(r"[;|\s]", stripped) and not _DISPLAY_NAME.fullmatch(stripped):
        raise ValueError(f"{quoted(text)} has no comma; separate regions by commas: write {instead}")
    if re.search(r"[;|]", stripped):
        raise ValueError(f"{quoted(text)} has other separators than commas; write {instead}")
