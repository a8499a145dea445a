"""The aggregator's side of the wire: it understands every payload that a registry is documented to send."""

from pathlib import Path

import pytest

from fanin.aggregator.fanin import Subject
from fanin.aggregator.wire import ACTIONS, decode, subject_of

HERE = Path(__file__).parent
APP = Subject(action="push", host="demo.azurecr.io", repository="team/app", tag="1.4.2")
CHART = Subject(action="", repository="repo", tag="web-5.4.0.tgz", name="web", version="5.4.0.tgz")

# By file: what is in it, without the digest.
EXPECTED = {
    "push": APP,
    "push_by_digest": Subject(action="push", host="demo.azurecr.io", repository="team/app"),
    "delete": Subject(action="delete", host="demo.azurecr.io", repository="team/app"),
    "quarantine": None,  # its image is the file's own business
    "chart_push": CHART,
    "chart_delete": CHART,
}


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.json")))
def test_every_example_is_understood(name: str) -> None:
    """No payload is added that the aggregator has not been shown."""
    event = decode((HERE / f"{name}.json").read_bytes())

    assert event.action == ("push" if name == "push_by_digest" else name)
    assert event.id


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_is_in_it_is_what_will_be_notified(name: str) -> None:
    """Repository, tag, digest, chart name and version all come through."""
    subject = subject_of(decode((HERE / f"{name}.json").read_bytes()))

    assert subject.action in ACTIONS
    assert subject.digest is not None
    assert subject.digest.startswith("sha256:")
    expected = EXPECTED[name]
    if expected is not None:
        seen = (subject.host, subject.repository, subject.tag, subject.name, subject.version)
        assert seen == (expected.host, expected.repository, expected.tag, expected.name, expected.version)


def test_what_a_notification_says_besides_comes_through() -> None:
    """The kind of the content, and the registry's own id of the request; a chart has none."""
    push, chart = (
        subject_of(decode((HERE / f"{name}.json").read_bytes())) for name in ("push", "chart_push")
    )

    assert push.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert push.request_id == "9f0d6c55-7a53-4f0e-8f4e-aa55bb66cc77"
    assert (chart.media_type, chart.request_id) == ("application/vnd.acr.helm.chart", None)
