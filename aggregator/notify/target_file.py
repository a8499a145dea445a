"""The file of notification targets (FANIN_NOTIFY_FILE).

Rules of this file: every error names file, line and column, and what is accepted; a value that may be a
secret is never quoted, be it in the file or in the environment.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from fanin.aggregator.durations import parse_duration
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.address import parse as parse_url
from fanin.aggregator.notify.formats import FORMATS, load
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import OUTCOMES, Target
from fanin.aggregator.notify.yaml_nodes import Node, nearest, read
from fanin.aggregator.signing import SECRET_BYTES_MAX, SECRET_BYTES_MIN, is_secret

TARGETS_MAX = 50
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPTS_MAX = 1_000_000

FIELDS = (
    "name", "url", "url_env", "format", "on", "signing_secret_env", "bearer_env", "headers_env", "source",
    "attempts_max", "give_up_after",
)  # fmt: skip
# Headers that every request has by itself; configured, they would occur twice.
_OURS = frozenset(
    {
        "host", "content-length", "content-type", "connection", "transfer-encoding",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, "token"
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# A URI reference, as CloudEvents wants its source.
_SOURCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,256}")


class Configuration(NamedTuple):
    """The targets of a file, and the environment variables that it names."""

    targets: tuple[Target, ...]
    variables: frozenset[str]


def read_targets(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read the file, with its secrets from the environment.

    Raises:
        NodeError: something in it is invalid or missing.
    """
    root = read(path).fields("targets: and a list of them", ("targets",))
    if "targets" not in root:
        raise read(path).error("expected targets: and a list of them")
    nodes = list(root["targets"].items("a list of targets"))
    if len(nodes) > TARGETS_MAX:
        raise nodes[TARGETS_MAX].error(f"more than {TARGETS_MAX} targets")
    variables = _Variables(environment)
    targets: dict[str, Target] = {}
    for node in nodes:
        fields = node.fields("a target, with a name and a url", FIELDS)
        target = _target(node, fields, variables)
        if target.name in targets:
            raise fields["name"].error(f"a second target with the name {target.name!r}")
        targets[target.name] = target
    return Configuration(tuple(targets.values()), frozenset(variables.names))


class _Variables:
    """The environment, and the names of the variables that were read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.names: set[str] = set()

    def value(self, node: Node) -> str:
        """The value of the variable that the node names."""
        name = node.text("the name of an environment variable")
        self.names.add(name)
        value = self._environment.get(name, "").strip()
        if not value:
            raise node.error(f"the environment has no {name!r}, or it is empty")
        return value


def _target(node: Node, fields: Mapping[str, Node], variables: _Variables) -> Target:
    name = _name(node, fields)
    form = _one_of(fields, "format", FORMATS, "json")
    described = load(form)
    headers = _headers(fields, variables)
    if described.needs_bearer and "authorization" not in (header.lower() for header, _ in headers):
        raise fields["format"].error(f"{form!r} needs a token; name its variable with bearer_env")
    source = fields.get("source")
    if source and not described.has_source:
        sourced = ", ".join(other for other in FORMATS if load(other).has_source)
        raise source.error(f"{form!r} has no source; these have: {sourced}")
    return Target(
        name=name,
        address=_address(node, fields, variables),
        format=form,
        source=_matching(source, _SOURCE, "a URI such as /fanin or https://example.org/fanin")
        if source
        else None,
        on=_outcomes(fields),
        signing_secrets=_secrets(fields, variables),
        headers=headers,
        retry_policy=_retry_policy(fields),
    )


def _name(node: Node, fields: Mapping[str, Node]) -> str:
    if "name" not in fields:
        raise node.error("a target needs a name")
    return _matching(fields["name"], NAME, "a name of letters, digits, dots and dashes, at most 64")


def _matching(node: Node, pattern: re.Pattern[str], wanted: str) -> str:
    text = node.text(wanted)
    if not pattern.fullmatch(text):
        raise node.error(f"expected {wanted}")
    return text


def _one_of(fields: Mapping[str, Node], field: str, names: Collection[str], default: str) -> str:
    if field not in fields:
        return default
    text = fields[field].text(f"one of {', '.join(names)}")
    if text not in names:
        raise fields[field].error(f"no such {field} {text!r}; {nearest(text, names)}")
    return text


def _outcomes(fields: Mapping[str, Node]) -> tuple[Phase, ...]:
    if "on" not in fields:
        return OUTCOMES
    wanted = set()
    for node in fields["on"].items("a list of outcomes: completed, timed_out"):
        wanted.add(_one_of({"outcome": node}, "outcome", OUTCOMES, ""))
    return tuple(outcome for outcome in OUTCOMES if outcome in wanted)


def _address(node: Node, fields: Mapping[str, Node], variables: _Variables) -> Address:
    given = [field for field in ("url", "url_env") if field in fields]
    if len(given) != 1:
        what = "has both a url and a url_env" if given else "has neither a url nor a url_env"
        raise node.error(f"the target {what}; set one of the two")
    field = fields[given[0]]
    text = field.text("a URL") if given[0] == "url" else variables.value(field)
    return _parsed(field, text, parse_url)


def _parsed[T](node: Node, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as exc:
        raise node.error(str(exc)) from None


def _headers(fields: Mapping[str, Node], variables: _Variables) -> tuple[tuple[str, str], ...]:
    headers: dict[str, str] = {}
    if "headers_env" in fields:
        for name, node in fields["headers_env"].fields("header names, and for each a variable").items():
            if not _HEADER_NAME.fullmatch(name):
                raise node.error(f"{name!r} is not a header's name")
            if name.lower() in _OURS or name.lower() in headers:
                raise node.error(f"the header {name!r} is set already")
            headers[name.lower()] = _header_value(node, variables.value(node))
    if "bearer_env" in fields:
        node = fields["bearer_env"]
        if "authorization" in headers:
            raise node.error("headers_env sets an authorization already")
        headers["authorization"] = f"Bearer {_header_value(node, variables.value(node))}"
    return tuple(headers.items())


def _header_value(node: Node, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise node.error("the variable's value is not printable ASCII on one line, so it cannot be a header")
    return value


def _secrets(fields: Mapping[str, Node], variables: _Variables) -> tuple[str, ...]:
    if "signing_secret_env" not in fields:
        return ()
    node = fields["signing_secret_env"]
    secrets = variables.value(node).replace(",", " ").split()
    for secret in secrets:
        if not is_secret(secret):
            raise node.error(
                f"the variable's value is not a Standard Webhooks secret: expected whsec_ and the base64 of "
                f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} random bytes"
            )
    return tuple(secrets)


def _retry_policy(fields: Mapping[str, Node]) -> RetryPolicy:
    policy = RetryPolicy()
    if "give_up_after" in fields:
        node = fields["give_up_after"]
        tried_ms_max = _parsed(node, node.text("a duration such as 12h or 7d"), parse_duration)
        policy = RetryPolicy(tried_ms_max=tried_ms_max)
    if "attempts_max" in fields:
        node = fields["attempts_max"]
        text = node.text("a number of attempts")
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= ATTEMPTS_MAX):
            raise node.error(f"{text[:20]!r} is not a number of attempts from 1 to {ATTEMPTS_MAX}")
        policy = RetryPolicy(tried_ms_max=policy.tried_ms_max, attempts_max=int(text))
    return policy
