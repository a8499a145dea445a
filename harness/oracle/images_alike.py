"""Images that differ in nothing but their host, which payloads may leave out: operations of their own.

What a notification says may fit all of them (contract, clauses 1 and 9).
"""

from collections.abc import Iterable, Sequence

from fanin.harness.oracle.bounds import Bounds
from fanin.harness.oracle.evidence import Evidence, Notification, Operation


def images_alike(operations: Iterable[Operation]) -> Iterable[list[Operation]]:
    """Those of images that differ in nothing but the host, which payloads may leave out."""
    found: dict[tuple[str | None, ...], list[Operation]] = {}
    for operation in operations:
        event = operation.events[0]
        content = (event.action, event.repository, event.tag or None, event.digest or None)
        found.setdefault(content, []).append(operation)
    return found.values()


def of_image(
    notification: Notification, bounded: Sequence[tuple[Operation, Bounds]], evidence: Evidence
) -> Sequence[tuple[Operation, Bounds]]:
    """The pushes of the image that a notification names by id, request id or host; all if it names none."""
    body, registry = notification.body, evidence.scenario.registry
    request = body.details.get("requestId")
    host = body.details.get("registry")
    if host is None and registry in (body.id or ""):
        host = registry
    events = [(image_of(part), event) for part, _ in bounded for event in part.events]
    by_id = {image for image, event in events if body.id in event.ids.values()}
    by_request = {
        image for image, event in events if request and (event.details or {}).get("requestId") == request
    }
    by_host = {image for image, event in events if event.host == host}
    images = next((it for it in (by_id, by_request, by_host) if len(it) == 1), None)
    return bounded if images is None else [it for it in bounded if image_of(it[0]) in images]


def image_of(part: Operation) -> str:
    return part.image or part.key
