"""A token for Azure's management API, from the environment or from azure-identity. It is never logged.

azure-identity's `DefaultAzureCredential` finds the identity of the process: a workload identity (Kubernetes),
a managed identity (App Service, Container Apps, virtual machines), a service principal in the environment, or
a developer's login. It comes with the extra ``azure``.
"""

import os
from collections.abc import Mapping

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.secret_files import with_secret_files

TOKEN_NAME = "FANIN_AZURE_TOKEN"  # noqa: S105 - its name


class NoTokenError(Exception):
    """No identity gives this process a token. The message says why, without secrets."""


async def token(management_url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Get a bearer token for the API at ``management_url``, which has no slash at its end.

    Raises:
        NoTokenError: the process has no identity, or Azure refuses it a token.
        SettingsError: azure-identity is not installed, or the file of the token cannot be read.
    """
    if given := with_secret_files(environment).get(TOKEN_NAME, "").strip():
        return given
    try:
        from azure.core.exceptions import AzureError
        from azure.identity.aio import DefaultAzureCredential
    except ImportError as exc:
        raise SettingsError(
            "FANIN_REGIONS",
            "azure: needs the package azure-identity: in a checkout, "
            f"pip install -c constraints.txt -e '.[azure]'; or set {TOKEN_NAME}",
        ) from exc
    try:
        async with DefaultAzureCredential() as credential:
            return (await credential.get_token(f"{management_url}/.default")).token
    except (AzureError, ValueError) as exc:  # ValueError: the environment names half an identity
        # A line for each credential that was tried, in one line.
        raise NoTokenError(" ".join(str(exc).split())) from exc
