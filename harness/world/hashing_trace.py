"""The digest of every scheduling choice of a world."""

import hashlib

import msgspec
from simloop._trace import TraceRecorder


class HashingTrace(TraceRecorder):
    """Hashes the trace as it grows: kept whole, it would be most of a long run's memory."""

    _PART = 4096  # choices that are hashed at once

    def __init__(self) -> None:
        super().__init__()
        self._digest = hashlib.sha256()
        # Those that are not hashed yet: the place, name and host of what runs, or the time that has come.
        self.choices: list[tuple[object, ...] | float] = []
        self._hashed = 0
        self._encode = msgspec.msgpack.Encoder().encode

    def record(self, kind: str, when: float, seq: int, label: str, host: str = "") -> None:
        self.choices.append((kind, when, seq, label, host))

    def __len__(self) -> int:
        return self._hashed + len(self.choices)

    def hash(self) -> str:
        self.hash_whole_parts()
        self._hash_part()
        return self._digest.hexdigest()

    def hash_whole_parts(self) -> None:
        """Hash what is there, but for the last choices: their part has not been filled yet."""
        while len(self.choices) >= self._PART:
            self._hash_part()

    def _hash_part(self) -> None:
        part = self.choices[: self._PART]
        self._digest.update(self._encode(part))
        self._hashed += len(part)
        del self.choices[: self._PART]
