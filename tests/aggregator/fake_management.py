"""Azure's management API, as far as the regions of a registry are concerned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import respx

REGISTRY_ID = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/demo"
    "/providers/Microsoft.ContainerRegistry/registries/demo"
)
TOKEN = "t0ken-of-a-management-api"  # noqa: S105 - a fake
URL = "https://management.example"


def replication(location: str, state: str = "Succeeded") -> dict[str, Any]:
    """One entry of the list, as recorded from the real one."""
    return {
        "type": "Microsoft.ContainerRegistry/registries/replications",
        "id": f"{REGISTRY_ID}/replications/{location}",
        "name": location,
        "location": location,
        "properties": {"provisioningState": state, "status": {"displayStatus": "Ready"}},
    }


class Management:
    """The API; a test may change its responses at any time."""

    def __init__(self) -> None:
        self.home = "East US"
        self.replications = [replication("westeurope"), replication("eastus")]
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.page = 100
        self.next_page_url = URL
        self.requests: list[httpx.Request] = []

    def registry(self, request: httpx.Request) -> httpx.Response:
        return self._respond(request, {"id": REGISTRY_ID, "location": self.home, "properties": {}})

    def list(self, request: httpx.Request) -> httpx.Response:
        begin = int(request.url.params.get("skip", "0"))
        body: dict[str, Any] = {"value": self.replications[begin : begin + self.page]}
        if begin + self.page < len(self.replications):
            query = f"api-version={request.url.params['api-version']}&skip={begin + self.page}"
            body["nextLink"] = f"{self.next_page_url}{request.url.path}?{query}"
        return self._respond(request, body)

    def not_found(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(404, json={"error": {"code": "ResourceNotFound"}})

    def _respond(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        self.requests.append(request)
        if self.refusal:
            return httpx.Response(self.refusal[0], json=self.refusal[1])
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx.Response(401, json={"error": {"code": "InvalidAuthenticationToken"}})
        if "api-version" not in request.url.params:
            return httpx.Response(400, json={"error": {"code": "MissingApiVersionParameter"}})
        return httpx.Response(200, json=body)


@contextmanager
def management() -> Iterator[Management]:
    """The API in the place of the network; any other request fails the test."""
    fake = Management()
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{URL}{REGISTRY_ID}").mock(side_effect=fake.registry)
        router.get(f"{URL}{REGISTRY_ID}/replications").mock(side_effect=fake.list)
        router.get(host="management.example").mock(side_effect=fake.not_found)
        yield fake
