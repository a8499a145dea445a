"""The engine on Restate, as far as it can be tested without a server: services, stored states, options."""

import json
import re
from typing import Any

import pytest

pytest.importorskip("restate", reason="make restate do=install brings the SDK")

from fanin.aggregator import engines
from fanin.aggregator.engine import Capabilities
from fanin.aggregator.engines.restate import sort_key
from fanin.aggregator.engines.restate.operation import dump, load
from fanin.aggregator.engines.restate.options import RestateOptions
from fanin.aggregator.engines.restate.services import ServiceNames, services
from fanin.aggregator.errors import SettingsError
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Subject, start, step

EAST, WEST = "eastus", "westus"


def waiting(id_: str = "op-1", at_ms: int = 1_000) -> FanIn:
    subject = Subject(action="push")
    begun = start(id_, subject, Arrived(EAST, at_ms), expected=(EAST, WEST), timeout_ms=60_000)
    return begun.state


def manifest() -> dict[str, Any]:
    from restate.discovery import compute_discovery_json

    said: dict[str, Any] = json.loads(
        compute_discovery_json(services(ServiceNames("FanIn")), 4, "request_response")
    )
    return said


def test_the_server_never_gives_up() -> None:
    """However long no process of ours can be reached: its default is 70 attempts, some minutes."""
    for service in manifest()["services"]:
        assert service["retryPolicyMaxAttempts"] >= 1_000_000_000
        assert service["retryPolicyMaxInterval"] <= 2_000


def test_the_server_keeps_no_journal_of_what_has_ended() -> None:
    """A day of them, which is its default, costs disk and time."""
    assert {service["journalRetention"] for service in manifest()["services"]} == {0}


def test_only_the_server_itself_can_call_the_sender() -> None:
    """A client of the ingress must not make us send arbitrary notifications."""
    private = {service["name"]: service.get("ingressPrivate") for service in manifest()["services"]}

    assert private == {"FanIn": None, "FanInSender": True, "FanInOutbox": None}


def test_a_stored_state_is_read_back() -> None:
    """Whatever phase it is in."""
    begun = waiting()
    for state in (begun, step(begun, Arrived(WEST, 2_000)).state, step(begun, DeadlineReached(70_000)).state):
        assert load(dump(state)) == state


def test_stored_states_sort_in_the_order_of_lists() -> None:
    """Waiting ones by deadline, then decided ones by decision, as text."""
    early, late = waiting(at_ms=1_000), waiting(at_ms=900_000_000_000)
    done = step(early, Arrived(WEST, 2_000)).state
    timed_out = step(early, DeadlineReached(70_000)).state

    assert sorted([timed_out, done, late, early], key=dump) == [early, late, done, timed_out]


def test_a_page_token_is_taken_apart_again() -> None:
    """Also when the key contains the token's separator."""
    stored = dump(waiting("a:b")).decode()

    assert sort_key.split(sort_key.token(stored, "a:b")) == (stored[: sort_key.LENGTH], "a:b")


@pytest.mark.parametrize("text", ["", "tomorrow", "1-0000000000000001-w", "9-0000000000000001-w:op"])
def test_an_invalid_token_is_refused(text: str) -> None:
    """Its parts go into a query."""
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        sort_key.split(text)


def test_options_are_parsed() -> None:
    """Several nodes, an address to be called at, and that address as the server sees it."""
    options = RestateOptions.read(
        {
            "FANIN_RESTATE_URL": "http://node-1:8080, https://node-2",
            "FANIN_RESTATE_LISTEN": "[::1]:9081",
            "FANIN_RESTATE_SERVICE_URL": "http://fanin:9080",
        }
    )

    assert [(it.host, it.port, it.tls) for it in options.urls] == [
        ("node-1", 8080, False),
        ("node-2", 443, True),
    ]
    assert options.listen == ("::1", 9081)
    assert options.service_url == "http://fanin:9080"
    assert RestateOptions.read({"FANIN_RESTATE_LISTEN": "none"}).listen is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("FANIN_RESTATE_URL", "node-1:8080", "not a URL"),
        ("FANIN_RESTATE_URL", " ", "set but empty"),
        ("FANIN_RESTATE_LISTEN", "9080", "neither ADDRESS:PORT"),
        ("FANIN_RESTATE_LISTEN", "127.0.0.1:99999", "neither ADDRESS:PORT"),
        ("FANIN_RESTATE_NAME", "fan/in", "begins with a letter"),
        ("FANIN_RESTATE_IDENTITY_KEYS", "secret", "publickeyv1_"),
        ("FANIN_RESTATE_ADRESS", "x", "the nearest is FANIN_RESTATE_"),
    ],
)
def test_a_wrong_option_is_named(name: str, text: str, message: str) -> None:
    """Never a default, and never a traceback."""
    with pytest.raises(SettingsError, match=message) as refusal:
        RestateOptions.read({name: text})

    assert refusal.value.setting == name


def test_its_capabilities_are_known_without_building_it() -> None:
    """Tests and the engine matrix ask."""
    found = engines.capabilities("restate")

    assert found == Capabilities(survives_kill=True, exclusive=False, has_retention=True, lists_outbox=True)
