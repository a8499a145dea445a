"""The settings of the service: environment variables, overridden by command-line options.

Rules of this file: an invalid value is an error that names its setting, never replaced by a default; two
spellings of one setting with different values are an error; a name that looks like a setting and is none is
an error with the nearest valid name. Values that may hold secrets are never quoted.
"""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fanin.aggregator.auth import (
    HeaderSecret,
    SigningSecret,
    credential_warnings,
    parse_header_secret,
    parse_keys,
    parse_signing_secrets,
    read_keys,
)
from fanin.aggregator.azure import TOKEN_NAME
from fanin.aggregator.durations import parse_duration, parse_time_span
from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.errors import SettingsError, quoted
from fanin.aggregator.fanin import Phase, Renewal, Subject
from fanin.aggregator.filters import EVERY, Patterns, parse_patterns
from fanin.aggregator.injected import without_injected
from fanin.aggregator.log import FORMATS
from fanin.aggregator.notify.address import parse as parse_url
from fanin.aggregator.notify.proxy_variables import proxy_of, unusable
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import MESSAGES, Target
from fanin.aggregator.notify.target_file import Configuration, read_targets
from fanin.aggregator.notify.yaml_nodes import NodeError
from fanin.aggregator.proxies import LOOPBACK, Network, parse_proxies
from fanin.aggregator.region_names import parse_region_names
from fanin.aggregator.regions import CACHE_FILE, PREFIX, Registry, RegistryRegions, parse_registry
from fanin.aggregator.secret_files import with_secret_files
from fanin.aggregator.wire import ACTIONS, CORRELATIONS

PORT_MAX = 65_535
# For so long clause 6 of the contract wants an outcome to be remembered.
RETENTION_MS = 7 * 86_400_000
DATA_DIR = Path("fanin-data")
# The management API that is queried for a registry's regions, and how often.
MANAGEMENT_URL = "https://management.azure.com"
REFRESH_MS = 300_000
# Files are the owner's alone, 0600 in folders of 0700, whatever the umask of the shell.
PRIVATE_UMASK = 0o077
_YES = ("yes", "true", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one service. They are validated, so that no other module checks them again."""

    regions: Sequence[str]  # normalised: a tuple in the order given, or a `RegistryRegions`
    timeout_ms: int = 120_000  # the original's default
    targets: tuple[Target, ...] = ()  # of notifications
    data_dir: Path = DATA_DIR
    keys: tuple[str, ...] = field(default=(), repr=False)
    keys_file: Path | None = None  # from which the keys are reloaded
    header_secret: HeaderSecret | None = field(default=None, repr=False)
    signing_secrets: tuple[SigningSecret, ...] = field(default=(), repr=False)
    insecure_no_keys: bool = False  # webhooks without a key are accepted
    correlation: str = "event-id"
    actions: frozenset[str] = frozenset(ACTIONS)
    repositories: Patterns = EVERY  # of events that fan in
    tags: Patterns = EVERY
    tagged_only: bool = False
    skip_attachments: bool = False
    retention_ms: int = RETENTION_MS
    engine: str = "sqlite"
    engine_options: Mapping[str, str] = field(default_factory=dict)  # the engine's own settings, as text
    host: str = "127.0.0.1"
    port: int = 8080
    # Longer than proxies keep theirs (nginx 60 s, Caddy and Go 120 s): one that sends a webhook at the
    # instant at which we close does not know whether it was taken, and does not repeat it.
    keep_alive_ms: int = 150_000
    public_url: str | None = None  # of the status addresses, without a slash at the end
    trusted_proxies: tuple[Network, ...] = LOOPBACK  # whose forwarding headers count
    log_format: str = "text"
    unused_proxies: tuple[str, ...] = ()  # a sentence for each proxy variable that cannot be used

    def retry_policy(self, target: str) -> RetryPolicy:
        """The retry policy of the target of this name."""
        return next((it.retry_policy for it in self.targets if it.name == target), RetryPolicy())

    def renewal(self, subject: Subject) -> Renewal:
        """What a generation begins with that begins now."""
        return Renewal(
            subject=subject,
            expected=tuple(self.regions),
            timeout_ms=self.timeout_ms,
            retention_ms=self.retention_ms,
        )

    def warnings(self) -> list[str]:
        """What is allowed and should not stay so, in sentences without secrets."""
        return credential_warnings(self.keys, self.keys_file, self.header_secret)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], overrides: Mapping[str, str | None] | None = None
    ) -> "Settings":
        """Read the settings from an environment; ``overrides``, by field of this class, win over it.

        Raises:
            SettingsError: a value is invalid, two spellings disagree, a name is misspelt, or the regions are
                missing.
        """
        flags = overrides or {}
        configured = _notify_file(environment, flags)
        environment = with_secret_files(without_injected(environment))
        _refuse_misspelt(environment, known=configured.variables if configured else ())
        found: dict[str, tuple[str, Any]] = {}  # by field: the variable, and its value
        for name, setting in SPELLINGS.items():
            if name not in environment:
                continue
            value = setting.read(name, environment[name])
            if setting.field in found and found[setting.field][1] != value:
                other = found[setting.field][0]
                raise SettingsError(name, f"has another value than {other}; set only one of the two")
            found[setting.field] = (name, value)
        values = {name: value for name, (_, value) in found.items()}
        for name, text in flags.items():
            if text is not None:
                values[name] = _flag(name).read(_flag_name(name), text)
        _resolve_targets(values, configured, flags, environment)
        _notify_on(values, configured)
        if "regions" not in values:
            raise SettingsError(
                "FANIN_REGIONS",
                "not set; name the regions to wait for in it or with --regions, such as eastus,westeurope",
            )
        _read_keys_file(values, _flag_name("keys_file") if flags.get("keys_file") else "FANIN_KEYS_FILE")
        _refuse_unknown_regions(values)
        _resolve_registry(values)
        options = options_of(values.get("engine", "sqlite"), environment)
        return cls(**values, engine_options=options)

    @property
    def requires_credentials(self) -> bool:
        """Whether every endpoint requires a key or the header. Signatures protect webhooks only."""
        return bool(self.keys or self.header_secret)


def options_of(engine: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of one engine, by variable, as text. The engine parses and validates them."""
    return {name: text for name, text in environment.items() if name.startswith(_prefix(engine))}


def _prefix(engine: str) -> str:
    """The prefix of an engine's own settings, as in FANIN_DURABLE_TASK_ADDRESS."""
    return f"FANIN_{engine.upper().replace('-', '_')}_"


@dataclass(frozen=True, slots=True)
class _Setting:
    field: str
    parse: Callable[[str], Any]

    def read(self, name: str, text: str) -> Any:
        if not text.strip():
            raise SettingsError(name, "set but empty; give it a value, or unset it")
        try:
            return self.parse(text)
        except ValueError as exc:
            raise SettingsError(name, str(exc)) from exc


def _regions(text: str) -> tuple[str, ...] | Registry:
    if text.strip().startswith(PREFIX):
        return parse_registry(text)
    return parse_region_names(text)


def _actions(text: str) -> frozenset[str]:
    actions = [part.strip() for part in text.split(",")]
    for action in actions:
        if action not in ACTIONS:
            raise ValueError(f"{quoted(action)} is none of {', '.join(ACTIONS)}")
    return frozenset(actions)


def _patterns(text: str) -> Patterns:
    return parse_patterns(text.split(","))


def _one_of(names: Mapping[str, object]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.strip() not in names:
            raise ValueError(f"{quoted(text)} is none of {', '.join(names)}")
        return text.strip()

    return parse


def _port(text: str) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdecimal() and int(stripped) <= PORT_MAX):
        raise ValueError(f"{quoted(text)} is not a port from 0 to {PORT_MAX}")
    return int(stripped)


def _url(text: str) -> tuple[Target, ...]:
    return (Target(address=parse_url(text)),)


def _messages(text: str) -> tuple[Phase, ...]:
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in MESSAGES:
            raise ValueError(f"{quoted(name)} is none of {', '.join(MESSAGES)}")
    return tuple(it for it in MESSAGES if it in names)


def _yes(text: str) -> bool:
    if text.strip().casefold() not in _YES:
        raise ValueError(f"{quoted(text)} is not yes; to say no, unset it")
    return True


def _resolve_targets(
    values: dict[str, Any],
    configured: Configuration | None,
    flags: Mapping[str, str | None],
    environment: Mapping[str, str],
) -> None:
    """Take the targets of the file, or give that of the URL the environment's proxy."""
    values.pop("notify_file", None)
    if configured:
        if "targets" in values and not flags.get("notify_file"):
            raise SettingsError("FANIN_NOTIFY_FILE", "set together with a notify URL; set one of the two")
        values["targets"] = configured.targets
    elif "targets" in values:
        values["targets"] = tuple(
            replace(target, proxy=proxy_of(target.address, environment)) for target in values["targets"]
        )
    if values.get("targets") or isinstance(values.get("regions"), Registry):
        values["unused_proxies"] = tuple(unusable(environment))


def _notify_on(values: dict[str, Any], configured: Configuration | None) -> None:
    """Notify the one URL of these messages; targets of a file say for themselves what they want."""
    wanted = values.pop("notify_on", None)
    if wanted is None:
        return
    if configured or "targets" not in values:
        problem = "a file of targets says it for each, with on:" if configured else "no notify URL is set"
        raise SettingsError("FANIN_NOTIFY_ON", problem)
    values["targets"] = tuple(replace(target, on=wanted) for target in values["targets"])


def _read_keys_file(values: dict[str, Any], name: str) -> None:
    """Read the keys from their file, which may change while the service runs."""
    path = values.get("keys_file")
    if path is None:
        return
    if "keys" in values:
        raise SettingsError(name, "set together with FANIN_KEYS; set only one of the two")
    try:
        values["keys"] = read_keys(path)
    except ValueError as exc:
        raise SettingsError(name, str(exc)) from exc


def _refuse_unknown_regions(values: Mapping[str, Any]) -> None:
    """Refuse a signing secret of a region that is not configured, which would sign nothing."""
    regions = values["regions"]
    for n, (_, region) in enumerate(values.get("signing_secrets", ()), 1):
        if region is not None and not isinstance(regions, Registry) and region not in regions:
            raise SettingsError(
                "FANIN_SIGNING_SECRETS",
                f"secret {n} is of region {quoted(region)}, which is none of {', '.join(regions)}",
            )


def _resolve_registry(values: dict[str, Any]) -> None:
    """Replace a `Registry` by its regions, which are queried when the service starts."""
    management_url = values.pop("management_url", MANAGEMENT_URL)
    refresh_ms = values.pop("refresh_ms", REFRESH_MS)
    if isinstance(values["regions"], Registry):
        folder = values.get("data_dir", DATA_DIR)
        values["regions"] = RegistryRegions(
            values["regions"],
            cache=folder / CACHE_FILE,
            management_url=management_url,
            refresh_ms=refresh_ms,
        )


def _management_url(text: str) -> str:
    parse_url(text)
    return text.strip().rstrip("/")


def _public_url(text: str) -> str:
    parts = urlsplit(text.strip())
    parse_url(text)
    if parts.query or parts.fragment or parts.username is not None or not text.isprintable():
        raise ValueError("not a URL of scheme, host and path alone, like https://fanin.example.org/prefix")
    return text.strip().rstrip("/")


def _path(text: str) -> Path:
    return Path(text.strip()).expanduser()


# Every variable that is read, in the order in which help and errors list them.
SPELLINGS: Mapping[str, _Setting] = {
    "FANIN_REGIONS": _Setting("regions", _regions),
    "WebhookRegions": _Setting("regions", _regions),
    "FANIN_REGIONS_REFRESH": _Setting("refresh_ms", parse_duration),
    "FANIN_AZURE_MANAGEMENT_URL": _Setting("management_url", _management_url),
    "FANIN_TIMEOUT": _Setting("timeout_ms", parse_duration),
    "WebhookTimeout": _Setting("timeout_ms", parse_time_span),
    "FANIN_NOTIFY_URL": _Setting("targets", _url),
    "NOTIFY_URL": _Setting("targets", _url),
    "FANIN_NOTIFY_ON": _Setting("notify_on", _messages),
    "FANIN_NOTIFY_FILE": _Setting("notify_file", _path),
    "FANIN_DATA_DIR": _Setting("data_dir", _path),
    "DATA_DIR": _Setting("data_dir", _path),
    "FANIN_KEYS": _Setting("keys", parse_keys),
    "FANIN_KEYS_FILE": _Setting("keys_file", _path),
    "FANIN_HEADER_SECRET": _Setting("header_secret", parse_header_secret),
    "FANIN_SIGNING_SECRETS": _Setting("signing_secrets", parse_signing_secrets),
    "FANIN_INSECURE_NO_KEYS": _Setting("insecure_no_keys", _yes),
    "FANIN_CORRELATION": _Setting("correlation", _one_of(CORRELATIONS)),
    "FANIN_ACTIONS": _Setting("actions", _actions),
    "FANIN_REPOSITORIES": _Setting("repositories", _patterns),
    "FANIN_TAGS": _Setting("tags", _patterns),
    "FANIN_TAGGED_ONLY": _Setting("tagged_only", _yes),
    "FANIN_SKIP_ATTACHMENTS": _Setting("skip_attachments", _yes),
    "FANIN_RETENTION": _Setting("retention_ms", parse_duration),
    "FANIN_ENGINE": _Setting("engine", _one_of(ENGINES)),
    "FANIN_HOST": _Setting("host", str.strip),
    "FANIN_PORT": _Setting("port", _port),
    "PORT": _Setting("port", _port),
    "FANIN_KEEP_ALIVE": _Setting("keep_alive_ms", parse_duration),
    "FANIN_PUBLIC_URL": _Setting("public_url", _public_url),
    "FANIN_TRUSTED_PROXIES": _Setting("trusted_proxies", parse_proxies),
    "FORWARDED_ALLOW_IPS": _Setting("trusted_proxies", parse_proxies),
    "FANIN_LOG_FORMAT": _Setting("log_format", _one_of(FORMATS)),
}


# Variables that others read: the harness, the commands that ask a running service, and `azure`.
NOT_OURS = frozenset({"FANIN_TARGET_KEY", "FANIN_KEY", "FANIN_URL", TOKEN_NAME})


def _flag(name: str) -> _Setting:
    return next(setting for setting in SPELLINGS.values() if setting.field == name)


def _flag_name(name: str) -> str:
    return "--" + {"targets": "notify-url"}.get(name, name.removesuffix("_ms").replace("_", "-"))


def _notify_file(environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Configuration | None:
    """Read the file of targets. It is read first, because it may name variables of its own."""
    name, text = "FANIN_NOTIFY_FILE", environment.get("FANIN_NOTIFY_FILE")
    if flags.get("targets") is not None:
        if flags.get("notify_file") is not None:
            raise SettingsError("--notify-file", "set together with --notify-url; set one of the two")
        return None  # the flag wins
    if flags.get("notify_file") is not None:
        name, text = "--notify-file", flags["notify_file"]
    if text is None:
        return None
    path = SPELLINGS["FANIN_NOTIFY_FILE"].read(name, text)
    try:
        return read_targets(path, environment)
    except NodeError as exc:
        raise SettingsError(name, str(exc)) from exc


def _refuse_misspelt(environment: Mapping[str, str], *, known: Collection[str]) -> None:
    """Refuse variables that look like a setting but would be ignored."""
    by_folded = {name.casefold(): name for name in SPELLINGS}
    engines = tuple(map(_prefix, ENGINES))
    for name in sorted(environment):
        if (
            name in SPELLINGS
            or name in NOT_OURS
            or name.startswith(engines)
            or name in known
            or not name.casefold().startswith(("fanin_", "webhookregion", "webhooktimeout"))
        ):
            continue
        if name.casefold() in by_folded:
            meant = by_folded[name.casefold()]
            raise SettingsError(name, f"differs from {meant} in upper and lower case, so it would be ignored")
        near = difflib.get_close_matches(name, SPELLINGS, n=1, cutoff=0)
        raise SettingsError(name, f"no such setting; the nearest is {near[0]}")
