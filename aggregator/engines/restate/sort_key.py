"""Sort keys: how states are stored so that the server can list them in order.

A stored state is JSON behind a sort key, which is a class, an instant and a kind:
``1-0001772323200000-w{…}``.
"""

LENGTH = 20
_CLASSES = frozenset({"1-", "2-"})
# The sign between a sort key and an object's key in a page's token.
_SEPARATOR = ":"


def prepend(first: int, at_ms: int, kind: str, json: bytes) -> bytes:
    """A state as it is stored.

    Args:
        first: The class, one digit; lower ones come first.
        at_ms: Orders the states of one class, Unix epoch.
        kind: One letter, by which a page can be filtered.
        json: The state.
    """
    return f"{first}-{at_ms:016d}-{kind}".encode() + json


def remove(stored: bytes) -> bytes:
    """The JSON of a stored state."""
    return stored[LENGTH:]


def token(stored: str, key: str) -> str:
    """A page's token that asks for the states after this one, which is stored in the object ``key``."""
    return f"{stored[:LENGTH]}{_SEPARATOR}{key}"


def split(text: str) -> tuple[str, str]:
    """The sort key and the object's key in a token.

    Raises:
        ValueError: it is no such token.
    """
    sort_key, sign, key = text[:LENGTH], text[LENGTH : LENGTH + 1], text[LENGTH + 1 :]
    if sign != _SEPARATOR or sort_key[:2] not in _CLASSES or not key:
        raise ValueError(text)
    return sort_key, key
