"""The settings of this engine alone. Their names begin with FANIN_DURABLE_TASK_.

- ADDRESS: where the backend is: localhost:8080, or https://NAME.REGION.durabletask.io for the Scheduler.
- TASK_HUB: the Scheduler's task hub; give fanin one of its own. [with https: default]
- CREDENTIAL: the identity of this process: none, default (what the Azure SDK finds in the environment),
  managed-identity, or managed-identity:CLIENT-ID. [none; with https: default]
- WORKER: yes: this process also runs orchestrations and notifies; no: it only takes webhooks. [yes]
- REPLAYS: a file to which every replay of an orchestration is written, for people.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fanin.aggregator.errors import SettingsError, quoted

PREFIX = "FANIN_DURABLE_TASK_"
_NAMES = tuple(PREFIX + name for name in ("ADDRESS", "TASK_HUB", "CREDENTIAL", "REPLAYS", "WORKER"))
_MANAGED = "managed-identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableTaskOptions:
    """How to connect to a backend."""

    address: str  # host and port, or a URL
    task_hub: str | None = None  # None: the Scheduler's default one, or a backend without any
    credential: str = "none"  # none, default or managed-identity
    client_id: str | None = None  # of a managed identity that is not the machine's own
    worker: bool = True
    replays: Path | None = None

    @property
    def scheduler(self) -> bool:
        """Whether it is the Scheduler, which has task hubs and credentials; the local backend has neither."""
        return self.tls or self.task_hub is not None

    @property
    def tls(self) -> bool:
        """Whether the address says that the connection is encrypted."""
        return self.address.startswith(("https://", "grpcs://"))

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "DurableTaskOptions":
        """Parse the settings, by name as in an environment.

        Raises:
            SettingsError: one is missing, unknown, or has a wrong value.
        """
        for name in sorted(texts):
            if name not in _NAMES:
                near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0)
                raise SettingsError(name, f"no such setting; the nearest is {near[0]}")
            if not texts[name].strip():
                raise SettingsError(name, "set but empty; give it a value or do not set it")
        given = {name.removeprefix(PREFIX): text.strip() for name, text in texts.items()}
        if "ADDRESS" not in given:
            raise SettingsError(
                PREFIX + "ADDRESS",
                "not set; name the backend, such as localhost:8080 or https://NAME.REGION.durabletask.io, "
                "or add --local-backend to try it out",
            )
        tls = given["ADDRESS"].startswith(("https://", "grpcs://"))
        credential, client_id = _credential(given.get("CREDENTIAL", "default" if tls else "none"))
        if credential != "none" and not tls:
            raise SettingsError(
                PREFIX + "CREDENTIAL",
                f"{quoted(credential)} would be sent in the clear; use an https address",
            )
        return cls(
            address=given["ADDRESS"],
            task_hub=given.get("TASK_HUB"),
            credential=credential,
            client_id=client_id,
            replays=Path(given["REPLAYS"]) if "REPLAYS" in given else None,
            worker=_yes(given.get("WORKER", "yes")),
        )


def _credential(text: str) -> tuple[str, str | None]:
    kind, colon, client_id = text.partition(":")
    if kind == _MANAGED and bool(colon) == bool(client_id):
        return kind, client_id or None
    if text in ("none", "default"):
        return text, None
    raise SettingsError(
        PREFIX + "CREDENTIAL",
        f"{quoted(text)} is none of none, default, {_MANAGED}, {_MANAGED}:CLIENT-ID",
    )


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise SettingsError(PREFIX + "WORKER", f"{quoted(text)} is neither yes nor no")
    return text == "yes"
