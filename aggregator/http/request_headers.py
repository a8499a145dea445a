"""A request's headers by name, made from an ASGI scope in less time than one look-up in a list takes."""

from collections.abc import Iterator, Mapping, Sequence


class RequestHeaders(Mapping[str, str]):
    """Values by name in small letters, as ASGI has them. Of several with one name, the first."""

    __slots__ = ("_first", "last")

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Take ``headers`` of a scope."""
        self._first = self.last = dict(fields)  # the latter: of several with one name, the last
        if len(self._first) < len(fields):
            self._first = dict(reversed(fields))

    def __getitem__(self, name: str) -> str:
        return self._first[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._first)

    def __len__(self) -> int:
        return len(self._first)

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # no caller wants None
        """The value, or ``default``; that of `Mapping` is much slower where a header is absent."""
        value = self._first.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")
