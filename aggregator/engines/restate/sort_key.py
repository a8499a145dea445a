"""How states are stored so that the server can list them: JSON behind a rank, by which they are sorted.

A rank is a class, an instant and a letter: ``1-0001772323200000-w{…}``.
"""

LENGTH = 20
_CLASSES = frozenset({"1-", "2-"})
# The sign between a rank and a key in a page's token.
_AFTER_RANK = ":"


def ranked(first: int, at_ms: int, letter: str, json: bytes) -> bytes:
    """A state as it is stored. Lower classes come first, then earlier instants (Unix epoch)."""
    return f"{first}-{at_ms:016d}-{letter}".encode() + json


def unranked(stored: bytes) -> bytes:
    """The JSON of a stored state."""
    return stored[LENGTH:]


def token(stored: str, key: str) -> str:
    """What asks for those after this one."""
    return f"{stored[:LENGTH]}{_AFTER_RANK}{key}"


def split(text: str) -> tuple[str, str]:
    """Rank and key of a token.

    Raises:
        ValueError: it is none.
    """
    rank, sign, key = text[:LENGTH], text[LENGTH : LENGTH + 1], text[LENGTH + 1 :]
    if sign != _AFTER_RANK or rank[:2] not in _CLASSES or not key:
        raise ValueError(text)
    return rank, key
