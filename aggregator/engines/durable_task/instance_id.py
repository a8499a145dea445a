r"""The id of an orchestration instance. Pure.

Durable Task refuses some ids (at most 100 characters; no ``/``, ``\``, ``#``, ``?``; none that begins with
``@``), and the key of an operation may have any of it. Ids that every backend takes stay as they are, so that
they are found again in its dashboard; all others are replaced by a digest.
"""

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+=-]{0,99}")
_DIGEST = "sha256-"


def instance_id(operation_id: str) -> str:
    """The instance of an operation: always the same, and no other operation's."""
    if _PLAIN.fullmatch(operation_id) and not operation_id.startswith(_DIGEST):
        return operation_id
    return _DIGEST + hashlib.sha256(operation_id.encode()).hexdigest()
