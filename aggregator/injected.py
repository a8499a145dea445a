"""Environment variables that an orchestrator writes for a service whose name begins with ours.

Kubernetes injects these for every Service of a namespace (`enableServiceLinks`), `docker --link` for every
linked container: one that is called ``fanin`` or ``fanin-eu`` would set FANIN_PORT to ``tcp://10.0.12.7:8080``
and variables that look like misspelt settings.

Rules of this file: a variable is exempt only if its name and its value both have the documented form, so that
a misspelt setting is still refused; nothing is imported that starts slowly, as the health check uses it.

Sources: Kubernetes, "Discovering services: environment variables" and pkg/kubelet/envvars; Docker, "Legacy
container links: environment variables" and its package links.
"""

import re
from collections.abc import Mapping

_SERVICE = r"(?:FANIN|WEBHOOKREGIONS?|WEBHOOKTIMEOUT)(?:_[A-Z0-9_]+)?"
_PROTOCOL = "TCP|UDP|SCTP"
_ADDRESS = r"[0-9.]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?"
_URL = rf"(?:{_PROTOCOL.lower()})://(?:{_ADDRESS}):[0-9]+"
# The part of the name after the service's, and the value that belongs to it.
_FORMS = tuple(
    (re.compile(f"{_SERVICE}_{name}"), re.compile(value))
    for name, value in (
        ("SERVICE_HOST", _ADDRESS),
        ("SERVICE_PORT(?:_[A-Z0-9_]+)?", "[0-9]+"),
        (rf"PORT(?:_[0-9]+_(?:{_PROTOCOL})(?:_START|_END)?)?", _URL),
        (rf"PORT_[0-9]+_(?:{_PROTOCOL})_PROTO", _PROTOCOL.lower()),
        (rf"PORT_[0-9]+_(?:{_PROTOCOL})_PORT(?:_START|_END)?", "[0-9]+"),
        (rf"PORT_[0-9]+_(?:{_PROTOCOL})_ADDR", _ADDRESS),
        ("NAME", "/.+/.+"),
    )
)
# `docker --link` copies the linked container's own variables; it is known by the link's name and port.
_COPY = re.compile(rf"(?P<service>{_SERVICE})_ENV_.+")


def without_injected(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that an orchestrator injected."""
    return {name: text for name, text in environment.items() if not _is_injected(name, environment)}


def _is_injected(name: str, environment: Mapping[str, str]) -> bool:
    copied = _COPY.fullmatch(name)
    if copied:
        link = copied["service"] + "_NAME"
        return link in environment and _is_injected(link, environment)
    return any(form.fullmatch(name) and value.fullmatch(environment[name]) for form, value in _FORMS)
