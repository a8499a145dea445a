"""The file of targets: understood, or refused with its place; and its secrets stay in the environment."""

from pathlib import Path

import pytest

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.fanin import Phase
from fanin.aggregator.filters import Filter, parse_patterns
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import Target
from fanin.aggregator.settings import Settings
from tests.aggregator.notify.receivers import authority

DAY_MS = 86_400_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's example
ENVIRONMENT = {
    "SLACK_URL": "https://hooks.slack.example/services/hunter2",
    "TOKEN": "hunter2-token",
    "SECRETS": f"{SECRET}, whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==",
    "HEADER": "hunter2 value",
}


def read(folder: Path, text: str, **environment: str) -> tuple[Target, ...]:
    path = folder / "targets.yaml"
    path.write_text(text, encoding="utf-8")
    said = {"FANIN_REGIONS": "eastus", "FANIN_NOTIFY_FILE": str(path)}
    return Settings.from_environment(said | ENVIRONMENT | environment).targets


def test_everything_that_can_be_said_about_a_target(tmp_path: Path) -> None:
    """Names, addresses, formats, outcomes, secrets, limits; and what is not said has a default."""
    targets = read(
        tmp_path,
        """
targets:
  - name: deploy
    url: https://deploy.example/hook
    format: cloudevents
    source: /registries/demo
    on: [timed_out, completed]
    only: {repositories: ["team/*", "!team/x"], tags: 1.*, actions: [push], tagged: only, attachments: skip}
    signing_secret_env: SECRETS
    bearer_env: TOKEN
    headers_env: {X-Team: HEADER}
    timeout: 1m
    attempts_max: 50
    give_up_after: 7d
  - name: oncall
    url_env: SLACK_URL
    format: slack
    on: timed_out
  - {name: plain, url: "http://plain.example/"}
""",
    )

    deploy, oncall, plain = targets
    assert deploy == Target(
        name="deploy",
        address=parse("https://deploy.example/hook"),
        format="cloudevents",
        source="/registries/demo",
        on=(Phase.COMPLETED, Phase.TIMED_OUT),
        only=Filter(
            repositories=parse_patterns(["team/*", "!team/x"]),
            tags=parse_patterns(["1.*"]),
            actions=frozenset({"push"}),
            tagged_only=True,
            skip_attachments=True,
        ),
        signing_secrets=(SECRET, "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="),
        headers=(("x-team", "hunter2 value"), ("authorization", "Bearer hunter2-token")),
        timeout_ms=60_000,
        retry_policy=RetryPolicy(tried_ms_max=7 * DAY_MS, attempts_max=50),
    )
    assert (oncall.format, oncall.on) == ("slack", (Phase.TIMED_OUT,))
    assert oncall.address == parse(ENVIRONMENT["SLACK_URL"])
    assert plain == Target(name="plain", address=parse("http://plain.example/"))
    assert "hunter2" not in repr(targets)


A = "targets:\n- {name: a, url: 'http://a/'"
S = "targets:\n- {name: s, url: 'https://s/'"
BAD = [
    ("", "empty; expected targets:"),
    ("targets: [", "not YAML: "),
    ("- name: a", ":1:1: expected targets: and a list of them"),
    ("target: []", ":1:1: no such field 'target'; did you mean 'targets'?"),
    ("targets: []", ":1:10: expected a list of targets"),
    ("targets: {a: b}", ":1:10: expected a list of targets"),
    ("targets: [a]", ":1:11: expected a target, with a name and a url"),
    ("targets:\n- url: http://a/", ":2:3: a target needs a name"),
    ("targets:\n- name: 'a b'", ":2:9: expected a name of letters"),
    ("targets:\n- name: a", ":2:3: the target has no url, no url_env and no url_file; set one of them"),
    (f"{A}, url_env: SLACK_URL}}", ":2:40: the target has url and url_env; set one of them"),
    (f"{A}, name: b}}", "'name' occurs twice"),
    (f"{A}, formatt: slack}}", ":2:31: no such field 'formatt'; did you mean 'format'?"),
    (f"{A}, format: slak}}", ":2:39: no such format 'slak'; did you mean 'slack'?"),
    (f"{A}, format: [slack]}}", "expected one of json, cloudevents"),
    (f"{A}, on: complete}}", "no such outcome 'complete'; did you mean 'completed'?"),
    (f"{A}, on: []}}", "expected a list of outcomes: completed, timed_out"),
    (f"{A}, only: {{repository: x}}}}", "no such field 'repository'; did you mean 'repositories'?"),
    (f"{A}, only: {{tags: [a b]}}}}", "'a b' is not a pattern"),
    (f"{A}, only: {{tagged: yes}}}}", "no such tagged 'yes'; there are only, any"),
    (f"{A}, only: {{actions: [pull]}}}}", "no such action 'pull'"),
    (f"{A}, only: team}}", "expected repositories, tags, actions, tagged or attachments"),
    (f"{A}, give_up_after: 3}}", "'3' has no unit; write 3s, 3m, 3h or 3d"),
    (
        f"{A}, bearer_env: TOKEN, bearer_file: x}}",
        "the target has bearer_env and bearer_file; set one of them",
    ),
    (f"{A}, bearer_file: nowhere}}", "nowhere: No such file or directory"),
    (f"{A}, headers_file: {{X-Key: targets.yaml}}}}", "the value is not printable ASCII on one line"),
    (
        f"{A}, proxy: 'socks5://hunter2@p:1'}}",
        "a proxy of the kind socks5 is not supported; http and",
    ),
    (f"{A}, proxy: 'http://hunter2 @p'}}", "not a proxy's URL like http://proxy.example.org:3128"),
    (f"{A}, ca_file: targets.yaml}}", "the target's URL is not https, so no certificate is looked at"),
    (f"{S}, ca_file: nowhere}}", "nowhere: no certificates can be read: No such file or directory"),
    (f"{S}, ca_file: targets.yaml}}", "targets.yaml: no certificates can be read: "),
    (f"{S}, client_cert: targets.yaml}}", "targets.yaml: no certificate with its key: "),
    (f"{S}, client_key: targets.yaml}}", "a key without a certificate; name that with client_cert"),
    (f"{A}, timeout: 30}}", "'30' has no unit; write 30s, 30m, 30h or 30d"),
    (f"{A}, timeout: 5m}}", "'5m' is not a timeout from 1s to 2m"),
    (f"{A}, timeout: 10ms}}", "'10ms' is not a timeout from 1s to 2m"),
    (f"{A}, attempts_max: many}}", "'many' is not a number of attempts from 1 to"),
    (f"{A}, attempts_max: 0}}", "'0' is not a number of attempts"),
    (f"{A}, format: github}}", "'github' needs a token; name its variable with bearer_env"),
    (f"{A}, format: slack, source: /x}}", "'slack' has no source; these have: cloudevents"),
    (f"{A}, format: cloudevents, source: a b}}", "expected a URI such as /fanin"),
    (f"{A}, bearer_env: NOWHERE}}", "the environment has no 'NOWHERE', or it is empty"),
    (f"{A}, headers_env: {{'x y': TOKEN}}}}", "'x y' is not a header's name"),
    (f"{A}, headers_env: {{Webhook-Id: TOKEN}}}}", "the header 'Webhook-Id' is set already"),
    (f"{A}, bearer_env: TOKEN, headers_env: {{authorization: TOKEN}}}}", "sets an authorization already"),
    (f"{A}, signing_secret_env: TOKEN}}", "not a Standard Webhooks secret: expected whsec_"),
    (f"{A}}}\n- {{name: a, url: 'http://b/'}}", ":3:10: a second target with the name 'a'"),
    ("targets:\n- {name: a, url: hunter2}", ":2:18: not a URL like https://host/path"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_mistake_names_its_place_and_what_would_be_right(tmp_path: Path, text: str, message: str) -> None:
    """File, line and column; never a value that may be a secret."""
    with pytest.raises(SettingsError) as refusal:
        read(tmp_path, text)

    assert str(refusal.value).startswith(f"FANIN_NOTIFY_FILE: {tmp_path / 'targets.yaml'}")
    assert message in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("value", ["two\nlines hunter2", "ünicode hunter2"])
def test_a_header_that_would_break_the_request_is_refused(tmp_path: Path, value: str) -> None:
    """A line break in a variable must not make another header."""
    with pytest.raises(SettingsError, match="not printable ASCII on one line") as refusal:
        read(tmp_path, f"{A}, bearer_env: TOKEN}}", TOKEN=value)

    assert "hunter2" not in str(refusal.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(SettingsError, match=r"FANIN_NOTIFY_FILE: .*nowhere.yaml: No such file"):
        Settings.from_environment(
            {"FANIN_REGIONS": "eastus", "FANIN_NOTIFY_FILE": str(tmp_path / "nowhere.yaml")}
        )


def test_a_variable_that_the_file_names_is_not_misspelt(tmp_path: Path) -> None:
    """It may look like ours."""
    text = "targets:\n- {name: a, url_env: FANIN_SLACK_URL}"

    (target,) = read(tmp_path, text, FANIN_SLACK_URL="http://a/")

    assert target.address == parse("http://a/")


def test_a_url_and_a_file_together_are_one_too_many(tmp_path: Path) -> None:
    """In the environment; a flag of either kind wins over it."""
    path = tmp_path / "targets.yaml"
    path.write_text(f"{A}}}", encoding="utf-8")
    both = {"FANIN_REGIONS": "r", "FANIN_NOTIFY_FILE": str(path), "NOTIFY_URL": "http://b/"}

    with pytest.raises(SettingsError, match="FANIN_NOTIFY_FILE: set together with a notify URL"):
        Settings.from_environment(both)
    with pytest.raises(SettingsError, match="--notify-file: set together with --notify-url"):
        Settings.from_environment(both, {"targets": "http://c/", "notify_file": str(path)})
    by_url = Settings.from_environment(both, {"targets": "http://c/"})
    by_file = Settings.from_environment(both, {"notify_file": str(path)})

    assert [target.name for target in by_url.targets] == ["default"]
    assert [target.name for target in by_file.targets] == ["a"]


# --- secrets in files, proxies, certificates ---


def test_every_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """Beside the file of targets, or anywhere; with the line break that editors add."""
    url = "https://hooks.example/hunter2"
    files = {"url": url, "secret": SECRET, "token": "hunter2", "key": "hunter2 too"}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")

    (target,) = read(
        tmp_path,
        f"""
targets:
  - name: files
    url_file: url
    signing_secret_file: {tmp_path / "secret"}
    bearer_file: token
    headers_file: {{x-key: key}}
    headers_env: {{x-team: HEADER}}
    proxy_file: url
""",
    )

    assert target.address == target.proxy == parse(url)
    assert target.signing_secrets == (SECRET,)
    assert dict(target.headers) == {
        "x-key": "hunter2 too",
        "x-team": "hunter2 value",
        "authorization": "Bearer hunter2",
    }
    assert "hunter2" not in repr(target)


def test_a_variable_may_be_in_the_file_that_its_name_with_file_names(tmp_path: Path) -> None:
    """As the secrets of the settings, and as images do that read /run/secrets."""
    (tmp_path / "token").write_text("hunter2", encoding="utf-8")
    text = f"{A}, bearer_env: FANIN_DEPLOY_TOKEN}}"

    (target,) = read(tmp_path, text, FANIN_DEPLOY_TOKEN_FILE=str(tmp_path / "token"))

    assert dict(target.headers) == {"authorization": "Bearer hunter2"}


def test_a_proxy_is_the_targets_own_or_that_of_the_environment(tmp_path: Path) -> None:
    """`none` reaches it directly whatever the environment says."""
    text = """
targets:
  - {name: own, url: "https://a.example/", proxy: "http://own.example:3128"}
  - {name: environment, url: "https://a.example/"}
  - {name: direct, url: "https://a.example/", proxy: none}
  - {name: exempt, url: "https://b.example/"}
"""
    variables = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "b.example"}

    own, environment, direct, exempt = read(tmp_path, text, **variables)
    (by_url,) = Settings.from_environment(
        {"FANIN_REGIONS": "eastus", "FANIN_NOTIFY_URL": "https://a.example/"} | variables
    ).targets

    assert own.proxy == parse("http://own.example:3128")
    assert environment.proxy == by_url.proxy == parse("http://proxy.example:3128")
    assert (direct.proxy, exempt.proxy) == (None, None)


@pytest.mark.parametrize("password", [None, "hunter2"])
def test_a_key_may_be_encrypted(tmp_path: Path, password: str | None) -> None:
    """Its password is a secret like others; without it, the start ends, and does not ask at the terminal."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    made = authority().issue_cert("fanin.example")
    key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    (tmp_path / "client.pem").write_bytes(made.cert_chain_pems[0].bytes())
    (tmp_path / "client.key").write_bytes(encrypted)
    text = f"{S}, client_cert: client.pem, client_key: client.key"

    if password:
        (target,) = read(tmp_path, f"{text}, client_key_password_env: PASSWORD}}", PASSWORD=password)
        assert target.tls_files.client_key_password == password
    else:
        with pytest.raises(SettingsError, match="the key is encrypted, and client_key_password_env or _file"):
            read(tmp_path, f"{text}}}")
