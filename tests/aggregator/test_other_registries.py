"""A refusal names the registry that sends such bodies."""

import json
from typing import Any

import pytest

from fanin.aggregator.errors import MalformedError
from fanin.aggregator.other_registries import sender_of
from fanin.aggregator.wire import decode

BODIES: dict[str, Any] = {
    "Harbor": {
        "type": "PUSH_ARTIFACT", "occur_at": 1_680_501_893, "operator": "admin",
        "event_data": {"resources": [{"digest": "sha256:11", "tag": "1.0"}], "repository": {"name": "app"}},
    },
    "Docker Hub": {
        "callback_url": "https://registry.hub.docker.com/u/team/app/hook/1/",
        "push_data": {"pushed_at": 1_417_566_161, "pusher": "ci", "tag": "1.0"},
        "repository": {"name": "app", "namespace": "team", "repo_name": "team/app"},
    },
    "Quay": {
        "name": "app", "repository": "team/app", "namespace": "team", "docker_url": "quay.io/team/app",
        "homepage": "https://quay.io/repository/team/app", "updated_tags": ["1.0"],
    },
    "CNCF Distribution": {
        "events": [{"id": "5b7c", "action": "push", "target": {"repository": "team/app", "tag": "1.0"}}]
    },
    "Amazon ECR": {
        "version": "0", "id": "13cde686", "source": "aws.ecr", "detail-type": "ECR Image Action",
        "detail": {"action-type": "PUSH", "result": "SUCCESS", "repository-name": "app", "image-tag": "1.0"},
    },
}  # fmt: skip


@pytest.mark.parametrize("sender", BODIES)
def test_the_refusal_names_the_sender(sender: str) -> None:
    """It was refused before, too: none has an action of its own."""
    with pytest.raises(MalformedError, match=rf"this looks like one of {sender}, not of Azure"):
        decode(json.dumps(BODIES[sender]).encode())


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"5", b"{", b'{"source":"aws.s3","detail-type":"x","detail":{}}', b'{"type":1}'],
)
def test_other_bodies_are_not_named(body: bytes) -> None:
    """A guess would mislead."""
    assert sender_of(body) is None
