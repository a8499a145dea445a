"""The regions to wait for, as a registry's management API knows them: its own, and its replications'.

Rules of this file: what was known stays in force until something better is known; a failure to ask changes
nothing but the log; a token is never logged. Operations freeze the regions when they start, so a change here
judges new operations only.

`RegistryRegions` is a sequence whose content changes: whoever looks at ``settings.regions`` sees what is
known at that moment.
"""

import asyncio
import logging
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

if TYPE_CHECKING:
    import aiohttp

PREFIX = "azure:"
# Beside the data: what was known last outlives a restart on a day on which the management API is away.
CACHE_FILE = "fanin.regions.json"
API_VERSION = "2025-11-01"
ASK_S = 20.0
PAGES_MAX = 20
# After a failure it asks again so soon.
AGAIN_S_MAX = 60.0

# az acr show --query id. Names are compared without regard to case in Resource Manager.
_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ContainerRegistry/registries/(\w+)",
    re.ASCII | re.IGNORECASE,
)
# A replica that is there and takes part. Others are coming, going, or broken.
_TAKES_PART = {"succeeded", "updating"}


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as Azure Resource Manager names it."""

    resource_id: str

    @property
    def name(self) -> str:
        return self.resource_id.rsplit("/", 1)[-1]


class _Properties(msgspec.Struct, frozen=True, rename="camel"):
    provisioning_state: str = "Succeeded"


class _Place(msgspec.Struct):
    """A registry or a replication, as far as we care."""

    location: str
    properties: _Properties = _Properties()


class _Replications(msgspec.Struct, rename="camel"):
    value: list[_Place]
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


class RegistryRegions(Sequence[Region]):
    """The regions of one registry, asked for now and then. Empty until `start` has returned."""

    def __init__(self, registry: Registry, *, cache: Path, management_url: str, refresh_ms: int) -> None:
        """Remember what to ask, where, and how often."""
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
        """Ask, and from now on ask again.

        Raises:
            RegionsUnknownError: no answer, and none is remembered from an earlier life.
        """
        try:
            await self._refresh()
        except RegionsUnknownError as exc:
            self._regions = self._remembered()
            if not self._regions:
                raise
            log.event(logging.WARNING, "regions-refresh-failed", reason=exc, regions=self._regions)
        self._task = asyncio.get_running_loop().create_task(self._keep_asking())

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ask(self) -> tuple[Region, ...]:
        """The regions as the management API knows them now, sorted.

        Raises:
            RegionsUnknownError: no answer, a refusal, or an answer without a region.
        """
        import aiohttp

        from fanin.aggregator.azure import token

        try:
            async with asyncio.timeout(ASK_S), aiohttp.ClientSession(trust_env=True) as session:
                bearer = await token(session, self._management_url)
                return await self._places(session, {"authorization": f"Bearer {bearer}"})
        except TimeoutError:
            raise self._unknown(f"no answer within {ASK_S:g} s") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise self._unknown(_reason(exc)) from None

    async def _places(self, session: "aiohttp.ClientSession", headers: dict[str, str]) -> tuple[Region, ...]:
        query = f"?api-version={API_VERSION}"
        address = f"{self._management_url}{self._registry.resource_id}"
        home = await self._get(session, address + query, headers, _Place)
        regions = {_region(home.location)}
        page_url = f"{address}/replications{query}"
        for _ in range(PAGES_MAX):
            page = await self._get(session, page_url, headers, _Replications)
            regions |= {
                _region(it.location)
                for it in page.value
                if it.properties.provisioning_state.casefold() in _TAKES_PART
            }
            if not page.next_link:
                break
            page_url = page.next_link
            if not page_url.startswith(f"{self._management_url}/"):
                raise self._unknown("its next page is on another server")  # which must not get the token
        regions.discard("")
        if not regions:
            raise self._unknown("the answer names no region")
        return tuple(sorted(regions))

    async def _get[T](
        self, session: "aiohttp.ClientSession", url: str, headers: dict[str, str], shape: type[T]
    ) -> T:
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
            if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
                raise self._unknown(f"answered {answer.status}{_code(body)}")
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.MsgspecError as exc:
            raise self._unknown(f"not the answer of a management API: {exc}") from exc

    async def _refresh(self) -> None:
        try:
            regions = await self.ask()
        except RegionsUnknownError:
            self.refreshes["failed"] += 1
            raise
        self.refreshes["ok"] += 1
        self._learn(regions)

    async def _keep_asking(self) -> None:
        pause_s = self._refresh_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._refresh()
                pause_s = self._refresh_s
            except RegionsUnknownError as exc:
                pause_s = min(self._refresh_s, AGAIN_S_MAX)
                log.event(logging.WARNING, "regions-refresh-failed", reason=exc, regions=self._regions)
            except Exception:  # noqa: BLE001 - a bug in asking must not end it
                log.LOGGER.exception("regions-refresh-crashed")

    def _learn(self, regions: tuple[Region, ...]) -> None:
        if regions == self._regions:
            return
        log.event(logging.WARNING, "regions-changed", regions=regions, before=self._regions or None)
        self._regions = regions
        fresh = self._cache.with_suffix(".new")
        with suppress(OSError):  # it is there for a bad day only
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(
                msgspec.json.encode({"registry": self._registry.resource_id, "regions": regions})
            )
            fresh.replace(self._cache)

    def _remembered(self) -> tuple[Region, ...]:
        with suppress(OSError, msgspec.MsgspecError):
            kept = msgspec.json.decode(self._cache.read_bytes(), type=_Kept)
            if kept.registry == self._registry.resource_id:
                return kept.regions
        return ()

    def _unknown(self, problem: str) -> RegionsUnknownError:
        return RegionsUnknownError(self._registry.name, self._management_url, problem)


class _Kept(msgspec.Struct):
    registry: str
    regions: tuple[Region, ...]


def _region(location: str) -> Region:
    """``East US`` and ``eastus`` are one location to Resource Manager."""
    return "".join(location.split()).casefold()


def _code(body: bytes) -> str:
    """The error's code, such as ``AuthorizationFailed``; its message would name subscriptions and people."""
    with suppress(msgspec.MsgspecError):
        said: Any = msgspec.json.decode(body)
        code = said["error"]["code"] if isinstance(said, dict) and isinstance(said.get("error"), dict) else ""
        if isinstance(code, str) and code.isidentifier():
            return f" {code}"
    return ""


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or type(exc).__name__
