"""The regions of a registry, from Azure's management API: the home region, and those of its replications.

Rules of this file: the last known regions stay in force until a query succeeds; a failed query is logged and
changes nothing else; a token is never logged. An operation freezes its regions when it starts, so a change
applies to new operations only.

`RegistryRegions` is a sequence whose content changes: ``settings.regions`` is always what is known now.
"""

import asyncio
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import msgspec

from fanin.aggregator import log
from fanin.aggregator.errors import RegionsUnknownError, quoted
from fanin.aggregator.fanin import Region
from fanin.aggregator.notify.address import parse as parse_url
from fanin.aggregator.notify.proxy_variables import proxy_of

if TYPE_CHECKING:
    import httpx

PREFIX = "azure:"
# Beside the data: the last known regions survive a restart while the management API is down.
CACHE_FILE = "fanin.regions.json"
API_VERSION = "2025-11-01"
QUERY_S = 20.0
PAGES_MAX = 20
# The longest time between a failed query and the next one.
RETRY_S_MAX = 60.0

# az acr show --query id. Names are compared without regard to case in Resource Manager.
_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ContainerRegistry/registries/(\w+)",
    re.ASCII | re.IGNORECASE,
)
# Provisioning states of a replica that sends webhooks. Others are being created or deleted, or have failed.
_ACTIVE = {"succeeded", "updating"}


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as Azure Resource Manager names it."""

    resource_id: str

    @property
    def name(self) -> str:
        return self.resource_id.rsplit("/", 1)[-1]


class _Properties(msgspec.Struct, frozen=True, rename="camel"):
    provisioning_state: str = "Succeeded"


class _Resource(msgspec.Struct):
    """A registry or a replication: the fields that are read here."""

    location: str
    properties: _Properties = _Properties()


class _Replications(msgspec.Struct, rename="camel"):
    value: list[_Resource]
    next_link: str | None = None


def parse_registry(text: str) -> Registry:
    """Read ``azure:`` and the resource id of a registry.

    Raises:
        ValueError: not of that form.
    """
    resource_id = text.strip().removeprefix(PREFIX).rstrip("/")
    if not _RESOURCE_ID.fullmatch(resource_id):
        raise ValueError(
            f"{quoted(text)} is not azure: and a registry's resource id, "
            "which `az acr show --name NAME --query id` prints"
        )
    return Registry(resource_id)


def _client(url: str) -> "httpx.AsyncClient":
    """A client of the API, by way of the proxy that notifications have as well.

    httpx's own reading of the environment raises at proxies that it does not support.
    """
    import httpx

    address = proxy_of(parse_url(url), os.environ)
    proxy = None
    if address is not None:
        scheme = "https" if address.tls else "http"
        headers = {"proxy-authorization": address.authorization} if address.authorization else {}
        proxy = httpx.Proxy(f"{scheme}://{address.host_header}", headers=headers)
    # Its context, because that looks at SSL_CERT_FILE.
    return httpx.AsyncClient(timeout=QUERY_S, trust_env=False, proxy=proxy, verify=httpx.create_ssl_context())


class RegistryRegions(Sequence[Region]):
    """The regions of one registry, refreshed periodically. Empty until `start` has returned."""

    def __init__(self, registry: Registry, *, cache: Path, management_url: str, refresh_ms: int) -> None:
        """Query ``registry`` at ``management_url`` every ``refresh_ms``; write the result to ``cache``."""
        self._registry, self._cache = registry, cache
        self._management_url = management_url.rstrip("/")
        self._refresh_s = refresh_ms / 1000
        self._regions: tuple[Region, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self.refreshes: Counter[str] = Counter()  # by result: ok or failed

    def __len__(self) -> int:
        return len(self._regions)

    @overload
    def __getitem__(self, index: int) -> Region: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Region]: ...
    def __getitem__(self, index: int | slice) -> Region | Sequence[Region]:
        return self._regions[index]

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions)

    def __contains__(self, region: object) -> bool:
        return region in self._regions

    async def start(self) -> None:
        """Query the regions once, then refresh them in the background.

        Raises:
            RegionsUnknownError: the query failed, and the cache has no result of an earlier one.
            SettingsError: azure-identity is needed and not installed.
        """
        try:
            await self._refresh()
        except RegionsUnknownError as exc:
            self._regions = self._cached()
            if not self._regions:
                raise
            log.event(logging.WARNING, "regions-refresh-failed", reason=exc, regions=self._regions)
        self._task = asyncio.get_running_loop().create_task(self._refresh_forever())

    async def close(self) -> None:
        """Stop refreshing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def query(self) -> tuple[Region, ...]:
        """Query the management API; return the regions, sorted.

        Raises:
            RegionsUnknownError: no response, a refusal, or a response without a region.
            SettingsError: azure-identity is needed and not installed.
        """
        import httpx

        from fanin.aggregator.azure import NoTokenError, token

        try:
            async with asyncio.timeout(QUERY_S), _client(self._management_url) as client:
                client.headers["authorization"] = f"Bearer {await token(self._management_url)}"
                return await self._query(client)
        except (TimeoutError, httpx.TimeoutException):
            raise self._unknown(f"no response within {QUERY_S:g} s") from None
        except (NoTokenError, httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            raise self._unknown(str(exc) or type(exc).__name__) from None

    async def _query(self, client: "httpx.AsyncClient") -> tuple[Region, ...]:
        query = f"?api-version={API_VERSION}"
        resource_url = f"{self._management_url}{self._registry.resource_id}"
        registry = await self._get(client, resource_url + query, _Resource)
        regions = {_region(registry.location)}
        page_url = f"{resource_url}/replications{query}"
        for _ in range(PAGES_MAX):
            page = await self._get(client, page_url, _Replications)
            regions |= {
                _region(it.location)
                for it in page.value
                if it.properties.provisioning_state.casefold() in _ACTIVE
            }
            if not page.next_link:
                break
            page_url = page.next_link
            if not page_url.startswith(f"{self._management_url}/"):
                raise self._unknown("its next page is on another server")  # which must not get the token
        regions.discard("")
        if not regions:
            raise self._unknown("the response names no region")
        return tuple(sorted(regions))

    async def _get[T](self, client: "httpx.AsyncClient", url: str, shape: type[T]) -> T:
        response = await client.get(url)
        if response.status_code != 200:  # noqa: PLR2004 - HTTP's OK
            raise self._unknown(f"responded {response.status_code}{_error_code(response.content)}")
        try:
            return msgspec.json.decode(response.content, type=shape)
        except msgspec.MsgspecError as exc:
            raise self._unknown(f"not the response of a management API: {exc}") from exc

    async def _refresh(self) -> None:
        try:
            regions = await self.query()
        except RegionsUnknownError:
            self.refreshes["failed"] += 1
            raise
        self.refreshes["ok"] += 1
        self._set(regions)

    async def _refresh_forever(self) -> None:
        pause_s = self._refresh_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._refresh()
                pause_s = self._refresh_s
            except RegionsUnknownError as exc:
                pause_s = min(self._refresh_s, RETRY_S_MAX)
                log.event(logging.WARNING, "regions-refresh-failed", reason=exc, regions=self._regions)
            except Exception:  # noqa: BLE001 - a bug must not end the refreshes
                log.LOGGER.exception("regions-refresh-crashed")

    def _set(self, regions: tuple[Region, ...]) -> None:
        if regions == self._regions:
            return
        log.event(logging.WARNING, "regions-changed", regions=regions, before=self._regions or None)
        self._regions = regions
        fresh = self._cache.with_suffix(".new")
        with suppress(OSError):  # the service works without the cache
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(
                msgspec.json.encode({"registry": self._registry.resource_id, "regions": regions})
            )
            fresh.replace(self._cache)

    def _cached(self) -> tuple[Region, ...]:
        with suppress(OSError, msgspec.MsgspecError):
            cached = msgspec.json.decode(self._cache.read_bytes(), type=_CacheFile)
            if cached.registry == self._registry.resource_id:
                return cached.regions
        return ()

    def _unknown(self, problem: str) -> RegionsUnknownError:
        return RegionsUnknownError(self._registry.name, self._management_url, problem)


class _CacheFile(msgspec.Struct):
    registry: str
    regions: tuple[Region, ...]


def _region(location: str) -> Region:
    """``East US`` and ``eastus`` are one location to Resource Manager."""
    return "".join(location.split()).casefold()


def _error_code(body: bytes) -> str:
    """The error's code, such as ``AuthorizationFailed``; its message would name subscriptions and people."""
    with suppress(msgspec.MsgspecError):
        response: Any = msgspec.json.decode(body)
        error = response.get("error") if isinstance(response, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, str) and code.isidentifier():
            return f" {code}"
    return ""
