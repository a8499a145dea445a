"""The file of targets: understood, or refused with its place; and its secrets stay in the environment."""

from pathlib import Path

import pytest

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import Target
from fanin.aggregator.settings import Settings

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
    signing_secret_env: SECRETS
    bearer_env: TOKEN
    headers_env: {X-Team: HEADER}
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
        signing_secrets=(SECRET, "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="),
        headers=(("x-team", "hunter2 value"), ("authorization", "Bearer hunter2-token")),
        retry_policy=RetryPolicy(tried_ms_max=7 * DAY_MS, attempts_max=50),
    )
    assert (oncall.format, oncall.on) == ("slack", (Phase.TIMED_OUT,))
    assert oncall.address == parse(ENVIRONMENT["SLACK_URL"])
    assert plain == Target(name="plain", address=parse("http://plain.example/"))
    assert "hunter2" not in repr(targets)


A = "targets:\n- {name: a, url: 'http://a/'"
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
    ("targets:\n- name: a", ":2:3: the target has neither a url nor a url_env; set one of the two"),
    (f"{A}, url_env: SLACK_URL}}", ":2:3: the target has both a url and a url_env"),
    (f"{A}, name: b}}", "'name' occurs twice"),
    (f"{A}, formatt: slack}}", ":2:31: no such field 'formatt'; did you mean 'format'?"),
    (f"{A}, format: slak}}", ":2:39: no such format 'slak'; did you mean 'slack'?"),
    (f"{A}, format: [slack]}}", "expected one of json, cloudevents"),
    (f"{A}, on: complete}}", "no such outcome 'complete'; did you mean 'completed'?"),
    (f"{A}, on: []}}", "expected a list of outcomes: completed, timed_out"),
    (f"{A}, give_up_after: 3}}", "'3' has no unit; write 3s, 3m, 3h or 3d"),
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
