"""The settings of this engine alone; their names begin with FANIN_RESTATE_."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fanin.aggregator.errors import SettingsError, quoted
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.address import parse as parse_url

PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class RestateOptions:
    """The addresses of the server, and of this process. The defaults are Restate's own."""

    urls: tuple[Address, ...] = (parse_url("http://127.0.0.1:8080"),)  # of its nodes' ingress
    admin_urls: tuple[Address, ...] = (parse_url("http://127.0.0.1:9070"),)
    listen: tuple[str, int] | None = ("127.0.0.1", 9080)  # where it calls this process; None: it does not
    service_url: str | None = None  # the same as the server sees it; None: the address of ``listen``
    name: str = "FanIn"  # of the virtual object
    identity_keys: tuple[str, ...] = ()  # public keys by which the server's calls are verified

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "RestateOptions":
        """Parse the settings, by name as in an environment.

        Raises:
            SettingsError: a value is wrong, or there is no such setting.
        """
        values: dict[str, Any] = {}
        for name, text in sorted(texts.items()):
            if name not in _SETTINGS:
                near = difflib.get_close_matches(name, _SETTINGS, n=1, cutoff=0)
                raise SettingsError(name, f"no such setting; the nearest is {near[0]}")
            if not text.strip():
                raise SettingsError(name, "set but empty; give it a value or do not set it")
            field, parse = _SETTINGS[name]
            try:
                values[field] = parse(text.strip())
            except ValueError as exc:
                raise SettingsError(name, str(exc)) from exc
        return cls(**values)


def _address(text: str) -> tuple[str, int] | None:
    if text == "none":
        return None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isascii() and port.isdecimal() and int(port) <= PORT_MAX):
        raise ValueError(f"{quoted(text)} is neither ADDRESS:PORT, such as 127.0.0.1:9080, nor none")
    return host, int(port)


def _urls(text: str) -> tuple[Address, ...]:
    return tuple(parse_url(part) for part in text.split(","))


def _url(text: str) -> str:
    parse_url(text)  # raises if it is wrong
    return text


def _name(text: str) -> str:
    # Restate's own rule for the names of services, less the dot.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text, re.ASCII):
        raise ValueError(f"{quoted(text)} is no name of letters, digits, - and _ that begins with a letter")
    return text


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(","))
    if not all(key.startswith("publickeyv1_") for key in keys):
        raise ValueError("has a part that is no public key of Restate; they begin with publickeyv1_")
    return keys


_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "FANIN_RESTATE_URL": ("urls", _urls),
    "FANIN_RESTATE_ADMIN_URL": ("admin_urls", _urls),
    "FANIN_RESTATE_LISTEN": ("listen", _address),
    "FANIN_RESTATE_SERVICE_URL": ("service_url", _url),
    "FANIN_RESTATE_NAME": ("name", _name),
    "FANIN_RESTATE_IDENTITY_KEYS": ("identity_keys", _keys),
}
