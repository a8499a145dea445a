"""What the registry puts on the wire is what its documentation shows."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from fanin.simulator.wire import (
    CHART,
    ENVELOPE_MEDIA_TYPE,
    USER_AGENT,
    Address,
    Event,
    Image,
    Quirk,
    WebhookRequest,
    address,
    chart_names,
    encode,
    envelope_request,
    parse_image,
    payload,
    timestamp,
    webhook_request,
    with_address,
    with_body,
)
from tests.paths import ROOT

CONTRACT = ROOT / "tests" / "contract"
EXAMPLES = sorted(CONTRACT.glob("*.json"))

PUSH = Event(
    action="push",
    id="5b7c1f0e-2f7a-4a53-9a37-0d4c0a1b2c3d",
    timestamp="2026-03-04T05:06:07.0958813Z",
    repository="team/app",
    tag="1.4.2",
    digest="sha256:11",
    size=856,
    request_id="9f0d6c55-7a53-4f0e-8f4e-aa55bb66cc77",
    host="demo.azurecr.io",
    useragent="docker/27.3.1",
)


def event_of(example: dict[str, Any]) -> Event:
    """The event of a documented payload."""
    target, request = example.get("target", {}), example.get("request", {})
    return Event(
        action=example["action"],
        id=example["id"],
        timestamp=example["timestamp"],
        repository=target.get("repository", ""),
        tag=target.get("tag"),
        digest=target.get("digest", ""),
        size=target.get("size", 0),
        media_type=target.get("mediaType", ""),
        request_id=request.get("id", ""),
        host=request.get("host", ""),
        useragent=request.get("useragent"),
    )


def request_to(uri: str, region: str = "eastus", *, key: str = "", **headers: str) -> WebhookRequest:
    return webhook_request(address(uri, region, key), headers, b'{"id":"1"}')


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_payload_is_the_documented_one_field_by_field(path: Path) -> None:
    """Names, values and order; nothing missing and nothing more."""
    example = json.loads(path.read_text(encoding="utf-8"))

    made = json.loads(encode(payload(event_of(example))))

    assert json.dumps(made, indent=2) == json.dumps(example, indent=2)


def test_every_action_has_its_example() -> None:
    """The contract files are what both sides of the wire are held to."""
    assert [path.stem for path in EXAMPLES] == [
        "chart_delete", "chart_push", "delete", "ping", "push", "push_by_digest", "quarantine",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("quirk", "path", "value"),
    [
        ("no-useragent", ("request", "useragent"), None),
        ("no-request", ("request",), None),
        ("no-media-type", ("target", "mediaType"), None),
        ("empty-tag", ("target", "tag"), ""),
        ("extra-fields", ("source", "instanceID"), "r0"),
        ("nine-digit-timestamp", ("timestamp",), "2026-03-04T05:06:07.0958813Z"),  # the registry's to write
    ],
)
def test_a_quirk_bends_one_thing(quirk: Quirk, path: tuple[str, ...], value: str | None) -> None:
    """Each of these was seen in a real payload or is tolerated by a real receiver."""
    found: Any = payload(PUSH, (quirk,))
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None

    assert found == value


def test_quirks_add_up_and_leave_charts_and_pings_alone_where_they_do_not_apply() -> None:
    """A chart has no request to lose, a ping nothing at all; with extra fields a ping has empty objects."""
    bare = payload(PUSH, ("no-request", "no-useragent", "no-media-type"))
    chart = payload(replace(PUSH, action="chart_push"), ("no-useragent", "no-request"))

    assert "request" not in bare
    assert "mediaType" not in bare["target"]
    assert chart["target"]["mediaType"] == CHART
    assert list(payload(replace(PUSH, action="ping"), ("no-request",))) == ["id", "timestamp", "action"]
    assert payload(replace(PUSH, action="ping"), ("extra-fields",))["target"] == {}


@pytest.mark.parametrize(
    ("epoch_ms", "nanos", "digits", "text"),
    [
        (1_772_600_767_095, 881_300, 7, "2026-03-04T05:06:07.0958813Z"),
        (1_772_600_767_095, 881_347, 9, "2026-03-04T05:06:07.095881347Z"),
        (1_772_600_767_000, 0, 7, "2026-03-04T05:06:07.0000000Z"),
        (0, 1, 9, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_timestamps_have_seven_digits_or_nine(epoch_ms: int, nanos: int, digits: int, text: str) -> None:
    """Seven as real payloads have, nine as the documentation shows."""
    assert timestamp(epoch_ms, nanos, digits=digits) == text


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("team/app:1.0", Image("team/app", "1.0", None)),
        ("team/app", Image("team/app", "latest", None)),
        ("team/app@sha256:ab", Image("team/app", None, "sha256:ab")),
        ("team/app@", Image("team/app", None, None)),
        ("team/app:1.0@sha256:ab", Image("team/app", "1.0", "sha256:ab")),
    ],
)
def test_an_image_is_read_as_docker_writes_it(text: str, image: Image) -> None:
    """Without tag and digest it is ``latest``; with a digest alone it has no tag."""
    assert parse_image(text) == image


@pytest.mark.parametrize("text", ["", ":1.0", "team/app:", "@sha256:ab", "team/app:@sha256:ab"])
def test_what_is_no_image_is_refused_by_name(text: str) -> None:
    """The message quotes what was found and says what is accepted."""
    with pytest.raises(ValueError, match="is not an image") as caught:
        parse_image(text)

    assert str(caught.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("repository", "tag", "names"),
    [
        ("repo", "web-5.4.0.tgz", ("web-5.4.0.tgz", "web", "5.4.0.tgz")),
        ("repo", "my-2-web-5.4.0-rc.1.tgz", ("my-2-web-5.4.0-rc.1.tgz", "my-2-web", "5.4.0-rc.1.tgz")),
        ("charts/web", "5.4.0", ("web-5.4.0.tgz", "web", "5.4.0.tgz")),
        ("charts/web", "latest", ("web-latest.tgz", "web", "latest.tgz")),
        ("web", None, ("web-latest.tgz", "web", "latest.tgz")),
    ],
)
def test_a_chart_is_named_by_its_file(repository: str, tag: str | None, names: tuple[str, str, str]) -> None:
    """The tag is the file's name and the version carries its suffix, as the webhook reference shows."""
    assert chart_names(repository, tag) == names


@pytest.mark.parametrize(
    ("uri", "region", "target", "url_region"),
    [
        ("/api/ImagePush?region={region}", "eastus", "/api/ImagePush?region=eastus", "eastus"),
        (
            "/api/ImagePush?region={region}",
            "east us/é",
            "/api/ImagePush?region=east%20us%2F%C3%A9",
            "east us/é",
        ),
        ("/api/ImagePush?region={region}", "a&b=c", "/api/ImagePush?region=a%26b%3Dc", "a&b=c"),
        ("/webhooks/{region}", "a/b?c", "/webhooks/a%2Fb%3Fc", "a/b?c"),
        ("/webhooks/{region}?x=1", "eastus", "/webhooks/eastus?x=1", "eastus"),
        ("/hook?where={region}&x=1", "eastus", "/hook?where=eastus&x=1", "eastus"),
        ("/api/ImagePush?region=%20EastUS%20", "eastus", "/api/ImagePush?region=%20EastUS%20", " EastUS "),
        ("/api/ImagePush?x=1&region=mars", "eastus", "/api/ImagePush?x=1&region=mars", "mars"),
        ("/api/ImagePush?region=West+US", "eastus", "/api/ImagePush?region=West+US", "West US"),
        ("/api/ImagePush?region=", "eastus", "/api/ImagePush?region=", ""),
        ("/webhooks/web", "eastus", "/webhooks/web", "web"),
        ("/webhooks/a+b%c3%a9", "eastus", "/webhooks/a+b%c3%a9", "a+bé"),
        ("/webhooks/West%20US", "eastus", "/webhooks/West%20US", "West US"),
        ("/api/ImagePush", "eastus", "/api/ImagePush", None),
        ("/somewhere/eastus?q=ä b", "eastus", "/somewhere/eastus?q=%C3%A4%20b", None),
    ],
)
def test_the_url_names_the_region_and_is_percent_encoded(
    uri: str, region: str, target: str, url_region: str | None
) -> None:
    """What a receiver decodes is what ``url_region`` says; what was encoded already stays as it is."""
    request = request_to(uri, region)

    assert (request.target, request.url_region) == (target, url_region)
    assert request.target.isascii()
    if url_region and "region=" in target:
        assert parse_qs(urlsplit(target).query)["region"] == [url_region]


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("/api/ImagePush?region={region}", "/api/ImagePush?code=k%3D%3D"),
        ("/api/ImagePush?region={region}&x=1", "/api/ImagePush?x=1&code=k%3D%3D"),
        ("/api/ImagePush?region=eastus", "/api/ImagePush?code=k%3D%3D"),
        ("/webhooks/{region}", "/webhooks/?code=k%3D%3D"),
    ],
)
def test_a_request_can_be_made_to_name_no_region(uri: str, target: str) -> None:
    """The parameter goes with its name; the function key stays, its padding encoded."""
    sent = request_to(uri, key="k==")
    assert sent.address is not None
    anonymous = with_address(sent, sent.address.with_region(None))

    assert (anonymous.target, anonymous.url_region) == (target, None)
    assert anonymous.body == sent.body


def test_the_key_is_the_last_parameter_of_the_query() -> None:
    """As Azure Functions reads it; with a question mark where there was no query yet."""
    assert request_to("/api/ImagePush?region={region}", key="s3/cr=").target.endswith(
        "?region=eastus&code=s3%2Fcr%3D"
    )
    assert Address("/webhooks/{region}", "eastus", "s3").target == "/webhooks/eastus?code=s3"


def test_headers_are_ours_then_the_webhooks_own() -> None:
    """Bare application/json, the User-Agent that a production receiver looks for, and the body's length."""
    assert request_to("/", Authorization="Bearer t").headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("Content-Length", "10"),
        ("Authorization", "Bearer t"),
    )
    assert USER_AGENT.startswith("AzureContainerRegistry/")


def test_a_custom_header_takes_the_place_of_ours() -> None:
    """In any letter case."""
    custom = {"content-type": "application/json; charset=utf-8", "USER-AGENT": "x/1"}

    assert request_to("/", **custom).headers == (
        ("Content-Length", "10"),
        ("content-type", "application/json; charset=utf-8"),
        ("USER-AGENT", "x/1"),
    )


def test_another_body_has_another_length() -> None:
    """A malformed body must be wrong by its content, not by its framing."""
    sent = with_body(request_to("/", **{"X-Custom": "Content-Length"}), b"{}")

    assert sent.body == b"{}"
    assert sent.headers[2:] == (("Content-Length", "2"), ("X-Custom", "Content-Length"))


def test_an_envelope_carries_each_event_as_it_would_come_alone() -> None:
    """In their order, a broken one too; type and length are the envelope's."""
    bodies = (b'{"id":"a"}', b'{"no":"id"}', b'[{"id":"c"}]')
    to = address("/api/ImagePush?region={region}", "eastus")

    whole = envelope_request([webhook_request(to, {"X-Team": "blue"}, body) for body in bodies])

    headers = {name.lower(): value for name, value in whole.headers}
    assert json.loads(whole.body) == {"events": [{"id": "a"}, {"no": "id"}, [{"id": "c"}]]}
    assert headers["content-type"] == ENVELOPE_MEDIA_TYPE
    assert headers["content-length"] == str(len(whole.body))
    assert (headers["x-team"], whole.target) == ("blue", "/api/ImagePush?region=eastus")
