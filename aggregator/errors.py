"""Everything the aggregator refuses, and how it answers.

    AggregatorError
    ├── SettingsError            a setting is set but not understood, or one that is needed is missing
    ├── RegionsUnknownError      the registry was asked for its regions, and there is no answer
    ├── RequestError             4xx: the sender must change something
    │   ├── NotHttpError         400  the bytes are no HTTP/1.1 request that can be read in one way only
    │   ├── MalformedError       400  the body is no registry webhook
    │   ├── UnknownRegionError   400  nobody expects the region
    │   ├── UnauthorizedError    401  a key, header or signature is missing or wrong
    │   ├── BodyTimeoutError     408  the body did not arrive in time
    │   ├── BodyTooLargeError    413
    │   ├── UnsupportedEncodingError 415  the body is compressed
    │   ├── UnexpectedRegionError 422  this operation started without the region
    │   └── HeadTooLargeError    431  the request line and the headers are too large
    ├── MemoryBudgetError        503: requests under way hold as much memory as they may
    └── StoreError               503: try again
        ├── StoreBusyError       locked, or more waits than can be held
        ├── StoreFullError       no room, or no permission to write
        ├── StoreFailedError     the commit itself failed: it may have happened
        └── StoreUnusableError   cannot be opened at all
            └── StoreOwnedError  in use by another process

A message names the thing, quotes the value and says what would be accepted. Secrets are never quoted.
"""

from collections.abc import Collection
from typing import ClassVar

_QUOTED_MAX = 80


def quoted(value: str) -> str:
    """A value as it may stand in a message: no line breaks, never longer than a line."""
    return repr(value if len(value) <= _QUOTED_MAX else value[: _QUOTED_MAX - 1] + "…")


class AggregatorError(Exception):
    """Base of the tree. ``definite``: what was asked for certainly did not happen."""

    status: ClassVar[int] = 503
    definite: ClassVar[bool] = True
    retry_after_s: ClassVar[int | None] = None

    @property
    def code(self) -> str:
        """The class in the words of the JSON answer: ``UnknownRegionError`` is ``unknown-region``."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


class SettingsError(AggregatorError):
    """The configuration is wrong. ``setting`` is the name as the person wrote it."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting, self.problem = setting, problem
        super().__init__(f"{setting}: {problem}")


class RegionsUnknownError(AggregatorError):
    """The management API does not say which regions a registry has, and nobody remembers."""

    def __init__(self, registry: str, management_url: str, problem: str) -> None:
        self.registry, self.management_url, self.problem = registry, management_url, problem
        super().__init__(
            f"the regions of registry {quoted(registry)} are not known: {management_url}: {problem}; "
            "give this process an identity with the role Reader on the registry, or name the regions"
        )


class RequestError(AggregatorError):
    """The request is at fault; repeating it unchanged will not help."""

    status = 400


class NotHttpError(RequestError):
    """The bytes are no HTTP/1.1 request, or one whose end is not where everybody would see it."""

    def __init__(self, problem: str = "") -> None:
        super().__init__("this is no HTTP/1.1 request" + (f": {problem}" if problem else ""))


class HeadTooLargeError(RequestError):
    """More than a webhook and all proxies ever need."""

    status = 431

    def __init__(self, bytes_max: int, fields_max: int) -> None:
        super().__init__(
            f"request line and headers have more than {bytes_max} bytes, or there are more than "
            f"{fields_max} headers"
        )


class MalformedError(RequestError):
    """The body is not what a registry sends."""


class UnknownRegionError(RequestError):
    """The request names no region that anybody expects."""

    def __init__(self, region: str | None, expected: Collection[str]) -> None:
        self.region, self.expected = region, tuple(sorted(expected))
        what = "the request names no region" if not region else f"unknown region {quoted(region)}"
        super().__init__(f"{what}; expected one of {', '.join(self.expected)}")


class UnexpectedRegionError(RequestError):
    """A known region, but not one of those that this operation froze when it started."""

    status = 422

    def __init__(self, operation_id: str, region: str, expected: Collection[str]) -> None:
        self.operation_id, self.region, self.expected = operation_id, region, tuple(sorted(expected))
        wanted = ", ".join(self.expected)
        super().__init__(
            f"operation {quoted(operation_id)} does not wait for region {quoted(region)}; "
            f"it waits for {wanted}"
        )


class UnauthorizedError(RequestError):
    """A lock was not opened. Answered without a body, so that nothing is learnt; the log has the reason."""

    status = 401


class BodyTimeoutError(RequestError):
    """The sender was too slow."""

    status = 408


class BodyTooLargeError(RequestError):
    """More than a webhook ever needs."""

    status = 413


class UnsupportedEncodingError(RequestError):
    """The body is compressed: a small one could be a large one."""

    status = 415

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(f"content-encoding {quoted(encoding)} is not read here; send the body as it is")


class MemoryBudgetError(AggregatorError):
    """Of all requests under way the largest gives way when together they hold too much memory."""

    retry_after_s = 2


class StoreError(AggregatorError):
    """The store did not take it. The sender should try again."""

    status = 503
    retry_after_s = 2


class StoreBusyError(StoreError):
    """Somebody else holds the file, or too much waits already."""


class StoreFullError(StoreError):
    """No room, or no permission, to write."""

    retry_after_s = 30


class StoreFailedError(StoreError):
    """The commit failed half-way."""

    definite = False


class StoreUnusableError(StoreError):
    """The store cannot be opened: in use, from a newer version, or not a store."""


class StoreOwnedError(StoreUnusableError):
    """Another process owns it."""
