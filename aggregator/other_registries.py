"""Webhooks of other registries, recognised so that a refusal can name them.

Rules of this file: nothing here decides whether a body is accepted; it is read only after it was refused.

Sources: the webhook references of Harbor ("Payload format"), Docker Hub ("Webhooks: example payload"), Quay
("Repository notifications") and CNCF Distribution ("Notifications: envelope"); Amazon ECR ("Events and
EventBridge").
"""

import msgspec

# By sender: fields of the body's object that are all there in its webhooks, and in none of a registry's.
_FIELDS = (
    ("Harbor", {"type", "event_data"}),
    ("Docker Hub", {"push_data", "repository"}),
    ("Quay", {"docker_url", "namespace", "repository"}),
    ("CNCF Distribution", {"events"}),
    ("Amazon ECR", {"source", "detail-type", "detail"}),
)
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def sender_of(body: bytes) -> str | None:
    """The kind of registry that sends bodies like this one; None if it is not known."""
    try:
        fields = _decoder.decode(body)
    except msgspec.MsgspecError:
        return None
    for sender, marks in _FIELDS:
        if marks <= fields.keys() and (sender != "Amazon ECR" or bytes(fields["source"]) == b'"aws.ecr"'):
            return sender
    return None


def is_of_event_grid(body: bytes) -> bool:
    """Whether a body looks like events of Azure Event Grid, which this registry's events come by, too."""
    return b"Microsoft.ContainerRegistry." in body and (b'"eventType"' in body or b'"specversion"' in body)
