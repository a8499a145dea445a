"""Settings: understood in both naming schemes, or refused by name."""

from pathlib import Path

import pytest

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.target import Target
from fanin.aggregator.settings import SPELLINGS, Settings
from fanin.aggregator.wire import ACTIONS
from tests.paths import DOCS

REGIONS = {"FANIN_REGIONS": "eastus,westeurope"}


def read(**environment: str) -> Settings:
    return Settings.from_environment(REGIONS | environment)


def test_the_defaults_are_the_originals() -> None:
    """Two minutes, every action, the payload's id; a week of retention; loopback only."""
    settings = read()

    assert settings == Settings(
        regions=("eastus", "westeurope"),
        timeout_ms=120_000,
        targets=(),
        data_dir=Path("fanin-data"),
        keys=(),
        correlation="event-id",
        actions=frozenset(ACTIONS),
        retention_ms=7 * 86_400_000,
        engine="sqlite",
        host="127.0.0.1",
        port=8080,
    )


def test_every_name_of_our_own_is_read() -> None:
    """Each into its field."""
    settings = read(
        FANIN_TIMEOUT="80s",
        FANIN_NOTIFY_URL="https://hooks.example/x?y=z",
        FANIN_DATA_DIR="somewhere",
        FANIN_KEYS="first, second==",
        FANIN_CORRELATION="image",
        FANIN_ACTIONS="push, delete",
        FANIN_RETENTION="30d",
        FANIN_ENGINE="sqlite",
        FANIN_HOST="::",
        FANIN_PORT="0",
        FANIN_KEEP_ALIVE="75s",
    )

    assert settings == Settings(
        regions=("eastus", "westeurope"),
        timeout_ms=80_000,
        targets=(Target(address=parse("https://hooks.example/x?y=z")),),
        data_dir=Path("somewhere"),
        keys=("first", "second=="),
        correlation="image",
        actions=frozenset({"push", "delete"}),
        retention_ms=30 * 86_400_000,
        engine="sqlite",
        host="::",
        port=0,
        keep_alive_ms=75_000,
    )


def test_the_originals_names_and_the_platforms_are_read() -> None:
    """What configured the original, or what a platform sets, configures this."""
    settings = Settings.from_environment(
        {
            "WebhookRegions": "NorthEurope, westeurope ",
            "WebhookTimeout": "0:01:20",
            "NOTIFY_URL": "http://sink/",
            "DATA_DIR": "/data",
            "PORT": "5000",
            "PATH": "/bin",
        }
    )

    assert (settings.regions, settings.timeout_ms) == (("northeurope", "westeurope"), 80_000)
    assert settings.targets == (Target(address=parse("http://sink/")),)
    assert (settings.data_dir, settings.port) == (Path("/data"), 5000)


def test_two_spellings_may_agree() -> None:
    """Both names, one meaning."""
    assert read(FANIN_TIMEOUT="80s", WebhookTimeout="0:01:20", WebhookRegions="EastUS,westeurope") == read(
        FANIN_TIMEOUT="1m20s"
    )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"FANIN_TIMEOUT": "80s", "WebhookTimeout": "0:02:00"}, "WebhookTimeout: has another value than"),
        ({"WebhookRegions": "eastus"}, "WebhookRegions: has another value than FANIN_REGIONS"),
        ({"FANIN_NOTIFY_URL": "http://a/", "NOTIFY_URL": "http://b/"}, "NOTIFY_URL: has another value"),
        ({"FANIN_PORT": "1", "PORT": "2"}, "PORT: has another value than FANIN_PORT"),
        ({"WebhookTimeOut": "0:01:20"}, "WebhookTimeOut: differs from WebhookTimeout in upper"),
        ({"fanin_timeout": "80s"}, "fanin_timeout: differs from FANIN_TIMEOUT in upper and lower case"),
        ({"FANIN_TIMOUT": "80s"}, "FANIN_TIMOUT: no such setting; the nearest is FANIN_TIMEOUT"),
        ({"FANIN_REGION": "x"}, "FANIN_REGION: no such setting; the nearest is FANIN_REGIONS"),
        ({"WebhookRegion": "x"}, "WebhookRegion: no such setting; the nearest is WebhookRegions"),
        ({"WebhookTimeout": "80"}, "WebhookTimeout: '80' is a bare number, which .NET would read as 80 days"),
        ({"FANIN_TIMEOUT": "80"}, "FANIN_TIMEOUT: '80' has no unit"),
        ({"FANIN_TIMEOUT": "soon"}, "FANIN_TIMEOUT: 'soon' is not a duration"),
        ({"FANIN_RETENTION": "1"}, "FANIN_RETENTION: '1' has no unit"),
        ({"FANIN_REGIONS": "eastus,,westus"}, "FANIN_REGIONS: 'eastus,,westus' has an empty name"),
        ({"FANIN_REGIONS": "eastus,EastUS"}, "FANIN_REGIONS: names 'eastus' twice"),
        ({"FANIN_REGIONS": "West Europe,westeurope"}, "FANIN_REGIONS: names 'west europe' twice"),
        ({"FANIN_REGIONS": "x" * 65}, "is not a region name: at most 64 letters, digits"),
        ({"FANIN_REGIONS": ""}, "FANIN_REGIONS: set but empty"),
        ({"FANIN_KEYS": " "}, "FANIN_KEYS: set but empty"),
        ({"FANIN_KEYS": "secret-one,"}, "FANIN_KEYS: has an empty key between its commas"),
        ({"FANIN_KEYS": '"hunter2"'}, "FANIN_KEYS: key 1 is in quotes, which `docker"),
        ({"FANIN_KEYS": "'hunter2,other'"}, "FANIN_KEYS: key 1 is in quotes"),
        ({"FANIN_KEYS": "first,${FANIN_KEY}"}, "FANIN_KEYS: key 2 is a placeholder that was not replaced"),
        ({"FANIN_KEYS": "schlüssel"}, "FANIN_KEYS: key 1 is not of 1 to 1024 printable ASCII characters"),
        ({"FANIN_KEYS": "a", "FANIN_KEYS_FILE": "b"}, "FANIN_KEYS_FILE: set together with FANIN_KEYS"),
        ({"FANIN_KEYS_FILE": "/no/such"}, "FANIN_KEYS_FILE: cannot read /no/such: No such file or directory"),
        ({"FANIN_HEADER_SECRET": "t0ken"}, "FANIN_HEADER_SECRET: not of the form 'Name: value'"),
        ({"FANIN_SIGNING_SECRETS": "t0ken"}, "FANIN_SIGNING_SECRETS: secret 1 is not 'whsec_' and the"),
        ({"FANIN_INSECURE_NO_KEYS": "no"}, "FANIN_INSECURE_NO_KEYS: 'no' is not yes"),
        ({"FANIN_LOG_FORMAT": "xml"}, "FANIN_LOG_FORMAT: 'xml' is none of text, json"),
        ({"FANIN_CORRELATION": "tag"}, "FANIN_CORRELATION: 'tag' is none of event-id, image"),
        ({"FANIN_ACTIONS": "push,pull"}, "FANIN_ACTIONS: 'pull' is none of push, delete, chart_push"),
        ({"FANIN_ENGINE": "postgres"}, "FANIN_ENGINE: 'postgres' is none of "),
        ({"FANIN_PORT": "http"}, "FANIN_PORT: 'http' is not a port from 0 to 65535"),
        ({"PORT": "65536"}, "PORT: '65536' is not a port"),
        ({"FANIN_NOTIFY_URL": "hooks.example/x"}, "FANIN_NOTIFY_URL: not a URL like https://host/path"),
        ({"FANIN_NOTIFY_URL": "ftp://hooks.example/"}, "FANIN_NOTIFY_URL: not a URL"),
        ({"NOTIFY_URL": "http://host:99999/"}, "NOTIFY_URL: not a URL"),
        ({"FANIN_PUBLIC_URL": "fanin.example.org"}, "FANIN_PUBLIC_URL: not a URL like https://host/path"),
        ({"FANIN_PUBLIC_URL": "https://a.example/?code=hunter2"}, "FANIN_PUBLIC_URL: not a URL of scheme, "),
        ({"FANIN_TRUSTED_PROXIES": "gateway"}, "FANIN_TRUSTED_PROXIES: 'gateway' does not appear to be an"),
        ({"FANIN_TRUSTED_PROXIES": "10.0.0.1", "FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS: has an"),
        ({"NOTIFY_URL": "http:///path"}, "NOTIFY_URL: not a URL"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_an_error_that_names_it(environment: dict[str, str], message: str) -> None:
    """Never a default, never silence."""
    with pytest.raises(SettingsError) as refusal:
        read(**environment)

    assert message in str(refusal.value)


def test_without_regions_there_is_nothing_to_wait_for() -> None:
    """Zero regions: no start."""
    with pytest.raises(SettingsError, match=r"FANIN_REGIONS: not set; .* in it or with --regions, such as"):
        Settings.from_environment({})


def test_a_keys_file_is_named_as_it_was_given() -> None:
    """By its option, or by its variable."""
    with pytest.raises(SettingsError, match=r"^--keys-file: cannot read /no/such"):
        Settings.from_environment({"FANIN_REGIONS": "a"}, {"keys_file": "/no/such"})


def test_what_the_harness_reads_is_left_to_it() -> None:
    """Its key for judging a service may be set in the shell that starts one."""
    assert read(FANIN_TARGET_KEY="hunter2") == read()


def test_every_name_is_documented() -> None:
    """What can be set stands in the table of the manual."""
    manual = (DOCS / "aggregator.md").read_text(encoding="utf-8")

    assert [name for name in SPELLINGS if f"`{name}`" not in manual] == []


def test_flags_win_over_the_environment() -> None:
    """A flag that was not given leaves the environment's value."""
    flags = {"regions": "mars", "timeout_ms": "5s", "port": None}

    settings = Settings.from_environment(
        {"FANIN_REGIONS": "eastus", "WebhookTimeout": "0:01:20", "PORT": "1"}, flags
    )

    assert (settings.regions, settings.timeout_ms, settings.port) == (("mars",), 5_000, 1)


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    """The person typed ``--timeout``, not a variable."""
    with pytest.raises(SettingsError, match=r"^--timeout: '80' has no unit"):
        Settings.from_environment(REGIONS, {"timeout_ms": "80"})


@pytest.mark.parametrize(
    "environment",
    [
        {"FANIN_KEYS": "hunter2hunter2"},
        {"FANIN_NOTIFY_URL": "https://hooks.example/hunter2?hunter2"},
        {"FANIN_NOTIFY_URL": "https://hunter2:hunter2@hooks.example/"},
    ],
)
def test_secrets_stay_out_of_the_representation(environment: dict[str, str]) -> None:
    """A settings object may end up in a log."""
    assert "hunter2" not in repr(read(**environment))


@pytest.mark.parametrize(
    "environment",
    [
        {"FANIN_KEYS": "hunter2,,x"},
        {"FANIN_NOTIFY_URL": "hunter2 is no URL"},
        {"FANIN_NOTIFY_URL": "http://a/hunter2", "NOTIFY_URL": "http://b/hunter2"},
    ],
)
def test_secrets_stay_out_of_complaints(environment: dict[str, str]) -> None:
    """An error is printed, and kept by whatever keeps the output."""
    with pytest.raises(SettingsError) as refusal:
        read(**environment)

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None or "hunter2" not in str(refusal.value.__cause__)
