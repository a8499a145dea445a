"""Several events in one request."""

import json

from fanin.simulator.envelope import MEDIA_TYPE, enveloped
from fanin.simulator.wire import address, webhook_request

TO = address("/api/ImagePush?region={region}", "eastus")


def test_an_envelope_carries_each_event_as_it_would_come_alone() -> None:
    """In their order, a broken one too; type and length are the envelope's."""
    bodies = (b'{"id":"a"}', b'{"no":"id"}', b'[{"id":"c"}]')

    whole = enveloped([webhook_request(TO, {"X-Team": "blue"}, body) for body in bodies])

    headers = {name.lower(): value for name, value in whole.headers}
    assert json.loads(whole.body) == {"events": [{"id": "a"}, {"no": "id"}, [{"id": "c"}]]}
    assert headers["content-type"] == MEDIA_TYPE
    assert headers["content-length"] == str(len(whole.body))
    assert (headers["x-team"], whole.target) == ("blue", "/api/ImagePush?region=eastus")
