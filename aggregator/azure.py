"""A token for Azure's management API, from wherever this process may have one. Nothing is kept or logged.

In this order: the environment itself (``FANIN_AZURE_TOKEN``), a workload identity (Kubernetes), a managed
identity of App Service and Container Apps, a managed identity of a virtual machine. All three identities are
documented by Microsoft under "managed identities for Azure resources" and "workload identity federation".
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    import aiohttp

TOKEN_NAME = "FANIN_AZURE_TOKEN"  # noqa: S105 - its name
# Link-local, the same in every virtual machine of Azure.
MACHINE_URL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
LOGIN_URL = "https://login.microsoftonline.com/"
_OK = 200


class _Token(msgspec.Struct):
    access_token: str


class NoTokenError(OSError):
    """Nobody gives us a token; ``strerror`` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(None, problem)


async def token(
    session: "aiohttp.ClientSession", management_url: str, environment: Mapping[str, str] = os.environ
) -> str:
    """A bearer token for the API at ``management_url``, without a slash at its end.

    Raises:
        NoTokenError: refused, or not understood.
        OSError, aiohttp.ClientError: whoever gives tokens cannot be reached.
    """
    if given := environment.get(TOKEN_NAME, "").strip():
        return given
    client = environment.get("AZURE_CLIENT_ID", "")
    if file := environment.get("AZURE_FEDERATED_TOKEN_FILE"):
        return await _workload(session, management_url, file, environment)
    audience = f"resource={quote(management_url + '/', safe='')}" + (f"&client_id={client}" if client else "")
    if endpoint := environment.get("IDENTITY_ENDPOINT"):
        headers = {"x-identity-header": environment.get("IDENTITY_HEADER", "")}
        return await _asked(session, f"{endpoint}?api-version=2019-08-01&{audience}", headers)
    return await _asked(session, f"{MACHINE_URL}&{audience}", {"metadata": "true"})


async def _asked(session: "aiohttp.ClientSession", url: str, headers: dict[str, str]) -> str:
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return _read(answer.status, await answer.read(), "the managed identity")


async def _workload(
    session: "aiohttp.ClientSession", management_url: str, file: str, environment: Mapping[str, str]
) -> str:
    """Exchange the cluster's token, which is in a file, for Azure's."""
    assertion = _assertion(Path(file))
    login = environment.get("AZURE_AUTHORITY_HOST", LOGIN_URL).rstrip("/")
    form = {
        "grant_type": "client_credentials",
        "client_id": environment.get("AZURE_CLIENT_ID", ""),
        "scope": f"{management_url}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    url = f"{login}/{environment.get('AZURE_TENANT_ID', '')}/oauth2/v2.0/token"
    async with session.post(url, data=form, allow_redirects=False) as answer:
        return _read(answer.status, await answer.read(), "the workload identity")


def _assertion(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise NoTokenError("AZURE_FEDERATED_TOKEN_FILE cannot be read") from None


def _read(status: int, body: bytes, who: str) -> str:
    if status != _OK:
        raise NoTokenError(f"{who} was refused a token: answered {status}")
    try:
        return msgspec.json.decode(body, type=_Token).access_token
    except msgspec.MsgspecError:
        raise NoTokenError(f"{who} was answered something that is no token") from None
