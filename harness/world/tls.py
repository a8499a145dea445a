"""TLS in virtual time: clients share the contexts that would be alike.

A context with the machine's certificates takes 20 ms to make, and a client without settings makes one for
itself. The simulated network has no TLS, so nothing ever looks at them; a thousand are as good as one.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fanin.harness.world.replaced import replaced

_made: dict[tuple[Any, ...], ssl.SSLContext] = {}
_create = ssl.create_default_context


@contextmanager
def shared_contexts() -> Iterator[None]:
    """Let ``ssl.create_default_context`` return what it has returned for the same arguments."""
    with replaced(ssl, create_default_context=_shared):
        yield


def _shared(purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH, **sources: Any) -> ssl.SSLContext:
    key = (purpose, *sorted(sources.items()))
    if key not in _made:
        _made[key] = _create(purpose, **sources)
    return _made[key]
