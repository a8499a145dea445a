"""Paths and variables of an application's own, and what is said of templates that mean nothing."""

import pytest

from fanin.harness.placement import path_problem, placed, variable_problem, variables
from fanin.simulator.wire import Address, address, webhook_request

SETTINGS = {
    "FANIN_REGIONS": "east,west",
    "WebhookTimeout": "0:01:30.500",
    "FANIN_TIMEOUT": "1m30s500ms",
    "NOTIFY_URL": "http://sink/",
    "DATA_DIR": "/data",
    "FANIN_ACTIONS": "push",
    "FANIN_CORRELATION": "event-id",
    "FANIN_KEYS": "s3cret",
    "WEBHOOK_SECRETS": "whsec_a",
    "PORT": "8080",
}


@pytest.mark.parametrize(
    ("path", "to", "target"),
    [
        ("/hooks/{region}", address("/api/ImagePush?region={region}", "east"), "/hooks/east"),
        ("/hooks/{region}", address("/api/ImagePush?region=%20East%20", "east"), "/hooks/%20East%20"),
        ("/hooks/{region}", address("/api/ImagePush", "east"), "/hooks/"),
        ("/hooks?at={region}", address("/api/ImagePush", "east"), "/hooks"),
        (
            "/hooks/{region}",
            address("/api/ImagePush?region={region}", "east", "a&b"),
            "/hooks/east?code=a%26b",
        ),
        ("/k/{key}/{region}", address("/api/ImagePush?region={region}", "east", "a&b"), "/k/a%26b/east"),
        ("/k/{key}/{region}", Address("/x?region={region}", "mars"), "/k//mars"),
    ],
)
def test_a_webhook_goes_to_the_path_of_the_application(path: str, to: Address, target: str) -> None:
    """With the region spelled as its webhook spells it, and the key where the path wants it."""
    request = webhook_request(to, {}, b"{}")

    moved = placed(request, path)

    assert moved.target == target
    assert (moved.url_region, moved.body, moved.headers) == (
        request.url_region,
        request.body,
        request.headers,
    )


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{regions}", "east,west"),
        ("{timeout}", "0:01:30.500"),
        ("{timeout_s}", "90.5"),
        ("PT{timeout_ms}", "PT90500"),
        ("{notify_url}hook", "http://sink/hook"),
        ("{data_dir}/a.db", "/data/a.db"),
        ("{actions};{correlation}", "push;event-id"),
        ("{key}{secrets}{port}", "s3cretwhsec_a8080"),
        ("as it stands", "as it stands"),
    ],
)
def test_a_variable_holds_what_its_template_says(template: str, value: str) -> None:
    """Each placeholder is a setting of the start."""
    assert variable_problem(template) == ""
    assert variables({"X": template}, SETTINGS) == {"X": value}


def test_a_setting_that_is_not_there_is_empty() -> None:
    """Most scenarios configure no key, and no secret."""
    without = {
        name: value for name, value in SETTINGS.items() if name not in ("FANIN_KEYS", "WEBHOOK_SECRETS")
    }

    assert variables({"X": "<{key}{secrets}>"}, without) == {"X": "<>"}


def test_placeholders_that_mean_nothing_are_named() -> None:
    """With those that there are."""
    assert path_problem("/a/{region}") == ""
    assert path_problem("/a/{zone}") == "{zone} stands for nothing; there are {region} and {key}"
    assert "it names no region" in path_problem("/a/{key}")
    assert variable_problem("{timeout_h}").startswith("{timeout_h} stands for nothing; there are {regions}, ")
