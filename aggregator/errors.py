"""The errors of the aggregator, and the HTTP status of each.

    AggregatorError
    ├── SettingsError            a setting is invalid, or a required one is missing
    ├── RegionsUnknownError      the management API did not give a registry's regions
    ├── RequestError             4xx: the sender must change something
    │   ├── NotHttpError         400  not an HTTP/1.1 request, or an ambiguous one
    │   ├── MalformedError       400  the body is not a registry webhook
    │   ├── UnknownRegionError   400  the region is not configured
    │   ├── UnauthorizedError    401  a key, header or signature is missing or wrong
    │   ├── CrossSiteError       403  a browser sent it on behalf of another site
    │   ├── BodyTimeoutError     408  the body did not arrive in time
    │   ├── BodyTooLargeError    413
    │   ├── UnsupportedEncodingError 415  the body is compressed
    │   ├── UnexpectedRegionError 422  the operation does not wait for the region
    │   └── HeadTooLargeError    431  the request line and the headers are too large
    ├── MemoryBudgetError        503: the requests in progress hold too much memory
    └── StoreError               503: try again
        ├── StoreBusyError       locked, or too many arrivals are waiting
        ├── StoreFullError       no space, or no permission to write
        ├── StoreFailedError     the commit failed: it may have happened
        ├── StoreUnreadableError  the operation's row cannot be read
        └── StoreUnusableError   cannot be opened
            └── StoreOwnedError  another process uses it

A message names the thing, quotes the value, and lists what is accepted. Secrets are never quoted.
"""

from collections.abc import Collection
from typing import ClassVar

_QUOTED_MAX = 80


def quoted(value: str) -> str:
    """Quote a value for a message: without line breaks, and not longer than a line."""
    return repr(value if len(value) <= _QUOTED_MAX else value[: _QUOTED_MAX - 1] + "…")


class AggregatorError(Exception):
    """Base of the tree. ``definite``: what was requested certainly did not happen."""

    status: ClassVar[int] = 503
    definite: ClassVar[bool] = True
    retry_after_s: ClassVar[int | None] = None

    @property
    def code(self) -> str:
        """The error's name in JSON responses: ``UnknownRegionError`` is ``unknown-region``."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


class SettingsError(AggregatorError):
    """The configuration is wrong. ``setting`` is the name under which the value was set."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting, self.problem = setting, problem
        super().__init__(f"{setting}: {problem}")


class RegionsUnknownError(AggregatorError):
    """The management API did not give a registry's regions, and no earlier result is cached."""

    def __init__(self, registry: str, management_url: str, problem: str) -> None:
        self.registry, self.management_url, self.problem = registry, management_url, problem
        super().__init__(
            f"the regions of registry {quoted(registry)} are not known: {management_url}: {problem}; "
            "give this process an identity with the role Reader on the registry, or name the regions"
        )


class RequestError(AggregatorError):
    """The request is invalid; sending it again unchanged will not help."""

    status = 400


class NotHttpError(RequestError):
    """The bytes are not an HTTP/1.1 request, or two parsers could disagree about where it ends."""

    def __init__(self, problem: str = "") -> None:
        super().__init__("this is no HTTP/1.1 request" + (f": {problem}" if problem else ""))


class HeadTooLargeError(RequestError):
    """The head is larger than a webhook and all proxies need."""

    status = 431

    def __init__(self, bytes_max: int, fields_max: int) -> None:
        super().__init__(
            f"request line and headers have more than {bytes_max} bytes, or there are more than "
            f"{fields_max} headers"
        )


class MalformedError(RequestError):
    """The body or a parameter is not what the API accepts."""


class UnknownRegionError(RequestError):
    """The request names no region, or one that is not configured."""

    def __init__(self, region: str | None, expected: Collection[str]) -> None:
        self.region, self.expected = region, tuple(sorted(expected))
        what = "the request names no region" if not region else f"unknown region {quoted(region)}"
        super().__init__(f"{what}; expected one of {', '.join(self.expected)}")


class UnexpectedRegionError(RequestError):
    """The region is not one of those that were configured when the operation started."""

    status = 422

    def __init__(self, operation_id: str, region: str, expected: Collection[str]) -> None:
        self.operation_id, self.region, self.expected = operation_id, region, tuple(sorted(expected))
        wanted = ", ".join(self.expected)
        super().__init__(
            f"operation {quoted(operation_id)} does not wait for region {quoted(region)}; "
            f"it waits for {wanted}"
        )


class UnauthorizedError(RequestError):
    """A credential is missing or wrong. The response has no body; the reason is in the log only."""

    status = 401


class CrossSiteError(RequestError):
    """A browser sent the request on behalf of another site, to a service that asks for no key."""

    status = 403

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; set FANIN_KEYS to serve others than programs of this machine")


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    status = 408


class BodyTooLargeError(RequestError):
    """The body is larger than a webhook needs."""

    status = 413


class UnsupportedEncodingError(RequestError):
    """The body is compressed. A small one could expand to a large one, so none is read."""

    status = 415

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(f"content-encoding {quoted(encoding)} is not supported; send the body uncompressed")


class MemoryBudgetError(AggregatorError):
    """The requests in progress hold too much memory together, and this is the largest."""

    retry_after_s = 2


class StoreError(AggregatorError):
    """The store did not accept the arrival. The sender should try again."""

    status = 503
    retry_after_s = 2


class StoreBusyError(StoreError):
    """Another process locks the file, or too many arrivals are waiting."""


class StoreFullError(StoreError):
    """No space to write, or no permission."""

    retry_after_s = 30


class StoreFailedError(StoreError):
    """The commit failed, and may have happened."""

    definite = False


class StoreUnreadableError(StoreError):
    """The operation is stored, and its row cannot be read. Others are not affected."""

    retry_after_s = 30

    def __init__(self, file: str, operation_id: str, row: int) -> None:
        super().__init__(f"{file}: operation {quoted(operation_id)} cannot be read (row {row})")


class StoreUnusableError(StoreError):
    """The store cannot be opened: in use, from a newer version, or not a store."""


class StoreOwnedError(StoreUnusableError):
    """Another process uses the store."""
