"""Several events in one request, as CNCF Distribution sends them: ``{"events": [...]}``.

The events are what this registry would send one by one; a broken one stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from fanin.simulator.wire import WebhookRequest, with_body

# [Distribution's "Work with notifications"]
MEDIA_TYPE = "application/vnd.docker.distribution.events.v1+json"


def enveloped(requests: Sequence[WebhookRequest]) -> WebhookRequest:
    """One request to where the first one goes, with the bodies of all of them."""
    first = requests[0]
    headers = tuple(
        (name, MEDIA_TYPE if name.lower() == "content-type" else value) for name, value in first.headers
    )
    body = msgspec.json.encode({"events": [msgspec.Raw(each.body) for each in requests]})
    return with_body(replace(first, headers=headers), body)
