"""The file of notification targets (FANIN_NOTIFY_FILE).

Rules of this file: every error names file, line and column, and what is accepted; a value that may be a
secret is never quoted, be it in the file or in the environment.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from fanin.aggregator.durations import format_duration, parse_duration
from fanin.aggregator.fanin import Phase
from fanin.aggregator.filters import ALL, EVERY, Filter, Patterns, parse_patterns
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.address import parse as parse_url
from fanin.aggregator.notify.formats import FORMATS, load
from fanin.aggregator.notify.proxy_variables import parse_proxy, proxy_of
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.secret_fields import SecretFields
from fanin.aggregator.notify.target import (
    MESSAGES,
    OUTCOMES,
    TIMEOUT_MS,
    TIMEOUT_MS_MAX,
    TIMEOUT_MS_MIN,
    Target,
    Template,
)
from fanin.aggregator.notify.trust import TlsFiles
from fanin.aggregator.notify.yaml_nodes import Node, nearest, read
from fanin.aggregator.signing import SECRET_BYTES_MAX, SECRET_BYTES_MIN, is_secret
from fanin.aggregator.wire import ACTIONS

TARGETS_MAX = 50
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPTS_MAX = 1_000_000
NO_PROXY = "none"  # a target's `proxy`, to reach it directly whatever the environment says

FIELDS = (
    "name", "url", "url_env", "url_file", "format", "on", "only", "signing_secret_env", "signing_secret_file",
    "bearer_env", "bearer_file", "headers_env", "headers_file", "source",
    "template", "template_file", "content_type",
    "proxy", "proxy_env", "proxy_file",
    "ca_file", "client_cert", "client_key", "client_key_password_env", "client_key_password_file",
    "timeout", "attempts_max", "give_up_after",
)  # fmt: skip
ONLY = ("repositories", "tags", "actions", "tagged", "attachments")
# Headers that every request has by itself; configured, they would occur twice.
_OURS = frozenset(
    {
        "host", "content-length", "content-type", "connection", "transfer-encoding",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, "token"
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(?:; ?[A-Za-z0-9-]+=[A-Za-z0-9._-]+)*")
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
    secrets = SecretFields(environment, path.parent)
    targets: dict[str, Target] = {}
    for node in nodes:
        fields = node.fields("a target, with a name and a url", FIELDS)
        target = _target(node, fields, secrets, environment)
        if target.name in targets:
            raise fields["name"].error(f"a second target with the name {target.name!r}")
        targets[target.name] = target
    return Configuration(tuple(targets.values()), frozenset(secrets.names))


def _target(
    node: Node, fields: Mapping[str, Node], secrets: SecretFields, environment: Mapping[str, str]
) -> Target:
    name = _name(node, fields)
    form = _one_of(fields, "format", FORMATS, "json")
    described = load(form)
    headers = _headers(fields, secrets)
    if described.needs_bearer and "authorization" not in (header.lower() for header, _ in headers):
        raise fields["format"].error(
            f"{form!r} needs a token; name its variable with bearer_env, or its file with bearer_file"
        )
    source = fields.get("source")
    if source and not described.has_source:
        sourced = ", ".join(other for other in FORMATS if load(other).has_source)
        raise source.error(f"{form!r} has no source; these have: {sourced}")
    address = _address(node, fields, secrets)
    return Target(
        name=name,
        address=address,
        format=form,
        source=_matching(source, _SOURCE, "a URI such as /fanin or https://example.org/fanin")
        if source
        else None,
        template=_template(fields, secrets, form),
        on=_outcomes(fields),
        only=_only(fields),
        signing_secrets=_signing_secrets(fields, secrets),
        headers=headers,
        timeout_ms=_timeout_ms(fields),
        proxy=_proxy(fields, secrets, address, environment),
        tls_files=_tls_files(fields, secrets, address),
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
    for node in fields["on"].items("a list of outcomes: completed, timed_out, completed_late"):
        wanted.add(_one_of({"outcome": node}, "outcome", MESSAGES, ""))
    return tuple(outcome for outcome in MESSAGES if outcome in wanted)


def _template(fields: Mapping[str, Node], secrets: SecretFields, form: str) -> Template | None:
    compile_template = load(form).compile
    if compile_template is None:
        for field in ("template", "template_file", "content_type"):
            if field in fields:
                templated = ", ".join(other for other in FORMATS if load(other).compile)
                raise fields[field].error(f"{form!r} has no template; these have: {templated}")
        return None
    found = secrets.find(fields, "template", plain=True)
    if found is None:
        raise fields["format"].error(f"{form!r} needs a template or a template_file")
    template = Template(found.text)
    if "content_type" in fields:
        content_type = _matching(fields["content_type"], _CONTENT_TYPE, "a type such as text/plain")
        template = Template(found.text, content_type)
    try:
        compile_template(*template)
    except ValueError as exc:
        raise found.node.error(str(exc)) from exc
    return template


def _only(fields: Mapping[str, Node]) -> Filter:
    """Which operations a target is notified of."""
    if "only" not in fields:
        return ALL
    wanted = fields["only"].fields("repositories, tags, actions, tagged or attachments", ONLY)
    actions = [
        _one_of({"action": node}, "action", ACTIONS, "")
        for node in (wanted["actions"].items("a list of actions") if "actions" in wanted else ())
    ]
    return Filter(
        repositories=_patterns(wanted, "repositories"),
        tags=_patterns(wanted, "tags"),
        actions=frozenset(actions),
        tagged_only=_one_of(wanted, "tagged", ("only", "any"), "any") == "only",
        skip_attachments=_one_of(wanted, "attachments", ("skip", "any"), "any") == "skip",
    )


def _patterns(fields: Mapping[str, Node], field: str) -> Patterns:
    if field not in fields:
        return EVERY
    node = fields[field]
    texts = [item.text("a pattern such as team/*") for item in node.items(f"a list of {field}")]
    try:
        return parse_patterns(texts)
    except ValueError as exc:
        raise node.error(str(exc)) from None


def _address(node: Node, fields: Mapping[str, Node], secrets: SecretFields) -> Address:
    url = secrets.find(fields, "url", plain=True)
    if url is None:
        raise node.error("the target has no url, no url_env and no url_file; set one of them")
    return _parsed(url.node, url.text, parse_url)


def _proxy(
    fields: Mapping[str, Node], secrets: SecretFields, address: Address, environment: Mapping[str, str]
) -> Address | None:
    proxy = secrets.find(fields, "proxy", plain=True)
    if proxy is None:
        return proxy_of(address, environment)
    return None if proxy.text == NO_PROXY else _parsed(proxy.node, proxy.text, parse_proxy)


def _tls_files(fields: Mapping[str, Node], secrets: SecretFields, address: Address) -> TlsFiles:
    names = ("ca_file", "client_cert", "client_key")
    password = secrets.find(fields, "client_key_password")
    given = [fields[name] for name in names if name in fields]
    if password is not None:
        given.append(password.node)
    if given and not address.tls:
        raise given[0].error("the target's URL is not https, so no certificate is looked at")
    if given and "client_cert" not in fields and (password is not None or "client_key" in fields):
        raise given[-1].error("a key without a certificate; name that with client_cert")
    files = TlsFiles(
        **{name: secrets.path(fields[name]) for name in names if name in fields},
        client_key_password=password.text if password else None,
    )
    if given:
        try:
            files.context()
        except ValueError as exc:
            raise given[0].error(str(exc)) from exc
    return files


def _parsed[T](node: Node, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as exc:
        raise node.error(str(exc)) from None


def _headers(fields: Mapping[str, Node], secrets: SecretFields) -> tuple[tuple[str, str], ...]:
    headers: dict[str, str] = {}
    for field, value_of in (("headers_env", secrets.variable), ("headers_file", secrets.file)):
        if field not in fields:
            continue
        for name, node in fields[field].fields("header names, and for each where its value is").items():
            if not _HEADER_NAME.fullmatch(name):
                raise node.error(f"{name!r} is not a header's name")
            if name.lower() in _OURS or name.lower() in headers:
                raise node.error(f"the header {name!r} is set already")
            headers[name.lower()] = _header_value(node, value_of(node))
    if bearer := secrets.find(fields, "bearer"):
        if "authorization" in headers:
            raise bearer.node.error("another field sets an authorization already")
        headers["authorization"] = f"Bearer {_header_value(bearer.node, bearer.text)}"
    return tuple(headers.items())


def _header_value(node: Node, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise node.error("the value is not printable ASCII on one line, so it cannot be a header")
    return value


def _signing_secrets(fields: Mapping[str, Node], secrets: SecretFields) -> tuple[str, ...]:
    found = secrets.find(fields, "signing_secret")
    if found is None:
        return ()
    each = found.text.replace(",", " ").split()
    for secret in each:
        if not is_secret(secret):
            raise found.node.error(
                f"the value is not a Standard Webhooks secret: expected whsec_ and the base64 of "
                f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} random bytes"
            )
    return tuple(each)


def _timeout_ms(fields: Mapping[str, Node]) -> int:
    if "timeout" not in fields:
        return TIMEOUT_MS
    node = fields["timeout"]
    text = node.text("a duration such as 30s")
    timeout_ms = _parsed(node, text, parse_duration)
    if not TIMEOUT_MS_MIN <= timeout_ms <= TIMEOUT_MS_MAX:
        limits = f"{format_duration(TIMEOUT_MS_MIN)} to {format_duration(TIMEOUT_MS_MAX)}"
        raise node.error(f"{text!r} is not a timeout from {limits}")
    return timeout_ms


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
