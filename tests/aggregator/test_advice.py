"""Settings that are probably a mistake: said at the start and by `--check`, without secrets."""

import logging
from pathlib import Path

import pytest

from fanin.aggregator.advice import advice
from fanin.aggregator.cli.check import checked
from fanin.aggregator.settings import Settings
from tests.aggregator.services import service

SLACK = "https://hooks.slack.com/services/T0/B0/hunter2"


def settings(**environment: str) -> Settings:
    return Settings.from_environment({"FANIN_REGIONS": "eastus"} | environment)


def of_target(folder: Path, url: str, form: str) -> list[str]:
    text = f"targets:\n- {{name: chat, url: '{url}', format: {form}, bearer_env: TOKEN}}"
    (folder / "targets.yaml").write_text(text, encoding="utf-8")
    return advice(settings(FANIN_NOTIFY_FILE=str(folder / "targets.yaml"), TOKEN="x"))  # noqa: S106


def test_settings_without_a_doubt_get_no_advice() -> None:
    """The defaults above all."""
    assert advice(settings(FANIN_NOTIFY_URL="https://deploy.example/hook", FANIN_RETENTION="30d")) == []


def test_a_retention_under_the_contracts_is_doubted() -> None:
    """Senders retry for days."""
    (sentence,) = advice(settings(FANIN_RETENTION="6d"))

    assert sentence.startswith("the retention is 6d: a webhook that comes later")
    assert sentence.endswith("the default is 7d")


def test_a_proxy_variable_that_is_not_used_is_named() -> None:
    """Only where something is sent."""
    variables = {"HTTPS_PROXY": "socks5://me:hunter2@proxy.example:1080"}
    (sentence,) = advice(settings(FANIN_NOTIFY_URL="https://deploy.example/", **variables))

    assert sentence.startswith("HTTPS_PROXY is not used: a proxy of the kind socks5")
    assert "hunter2" not in sentence
    assert advice(settings(**variables)) == []


@pytest.mark.parametrize(
    ("url", "form", "wanted"),
    [
        (SLACK, "json", "slack"),
        (SLACK, "slack", None),
        (SLACK.replace("services", "triggers"), "json", None),
        ("https://discord.com/api/webhooks/1/hunter2", "slack", "discord"),
        ("https://canary.discord.com/api/v10/webhooks/1/hunter2?wait=true", "json", "discord"),
        ("https://discord.com/api/webhooks/1/hunter2/slack", "slack", None),
        ("https://discord.com/api/webhooks/1/hunter2", "discord", None),
        ("https://prod-1.westus.logic.azure.com/workflows/hunter2", "json", "teams"),
        ("https://a.b.environment.api.powerplatform.com/powerautomate/hunter2", "slack", "teams"),
        ("https://a.b.environment.api.powerplatform.com/powerautomate/hunter2", "teams", None),
        ("https://api.github.com/repos/a/b/dispatches", "json", "github"),
        ("https://api.github.com/repos/a/b/dispatches", "github", None),
        ("https://api.github.com/repos/a/b/actions/workflows/c/dispatches", "json", None),
        ("https://slack.example/services/hunter2", "json", None),
    ],
)
def test_an_address_whose_format_is_another_one_is_doubted(
    tmp_path: Path, url: str, form: str, wanted: str | None
) -> None:
    """By the providers' hosts and paths; what takes other bodies there is left alone."""
    found = of_target(tmp_path, url, form)

    assert [f"which takes the format {wanted}" in sentence for sentence in found] == [True] * bool(wanted)
    assert all(sentence.startswith(f"target 'chat' sends the format {form} to ") for sentence in found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("form", ["teams", "json"])
def test_an_address_that_its_provider_switched_off_is_named(tmp_path: Path, form: str) -> None:
    """Connectors of Office 365, whatever is sent there."""
    (sentence,) = of_target(tmp_path, "https://contoso.webhook.office.com/webhookb2/hunter2", form)

    assert sentence == (
        "target 'chat' posts to contoso.webhook.office.com, which its provider has switched off; make a new "
        "webhook for the format teams"
    )


@pytest.mark.anyio
async def test_advice_is_logged_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As warnings, which stop nothing."""
    with caplog.at_level(logging.WARNING, "fanin"):
        async with service(tmp_path, FANIN_RETENTION="1h"):
            pass

    assert any("the retention is 1h" in str(vars(record)) for record in caplog.records)


def test_the_check_lists_targets_and_what_is_doubtful(tmp_path: Path) -> None:
    """By name, outcomes, format and host; the rest of an address may be a secret."""
    (tmp_path / "targets.yaml").write_text(
        f"""
targets:
- {{name: chat, url: '{SLACK}', on: timed_out}}
- {{name: inside, url: 'http://inside.example:8080/hunter2', format: cloudevents}}
- {{name: outside, url: 'https://outside.example/', on: timed_out, proxy: 'http://me:hunter2@proxy.example:3128'}}
""",
        encoding="utf-8",
    )
    variables = {"FANIN_NOTIFY_FILE": str(tmp_path / "targets.yaml"), "FANIN_DATA_DIR": str(tmp_path)}

    report = checked(settings(**variables)).splitlines()

    assert report[2:6] == [
        "notifies 3 targets",
        "  chat: timed_out as json to https://hooks.slack.com",
        "  inside: completed, timed_out as cloudevents to http://inside.example:8080",
        "  outside: timed_out as json to https://outside.example, through the proxy proxy.example:3128",
    ]
    assert report[6].startswith("warning: target 'chat' sends the format json to hooks.slack.com")
    assert "hunter2" not in str(report)
