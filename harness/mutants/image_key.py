"""The image as the key: host, action, repository, tag and digest all belong to it."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

DIGEST_LENGTH = 19  # as docker prints them: sha256: and twelve digits

type Parts = tuple[str, str, str, str, str]  # host, action, repository, tag, digest


def _keyed_by(key: Callable[[Parts], object]) -> AppFactory:
    """Where the image is the key: take images for one whose ``key`` is equal."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        if environment.get("FANIN_CORRELATION") != "image":
            return vary()(environment, epoch_ms)
        first: dict[object, Parts] = {}

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            payload = call.payload
            if not isinstance(payload.get("target"), dict):
                return await forward(call)
            host, action, repository, tag, digest = first.setdefault(key(_parts(payload)), _parts(payload))
            request = {**payload.get("request", {}), "host": host}
            target = {**payload["target"], "repository": repository, "tag": tag, "digest": digest}
            return await forward(call.with_payload(action=action, target=target, request=request))

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _parts(payload: Mapping[str, Any]) -> Parts:
    target, request = payload["target"], payload.get("request") or {}
    of_target = (target.get(name) or "" for name in ("repository", "tag", "digest"))
    repository, tag, digest = map(str, of_target)
    return str(request.get("host") or ""), str(payload.get("action")), repository, tag, digest


def _without(index: int) -> Callable[[Parts], object]:
    return lambda parts: parts[:index] + parts[index + 1 :]


def _last_segment(parts: Parts) -> object:
    host, action, repository, tag, digest = parts
    return host, action, repository.rpartition("/")[2], tag, digest


def _in_one_case(parts: Parts) -> object:
    return tuple(part.lower() for part in parts)


def _with_short_digest(parts: Parts) -> object:
    return *parts[:4], parts[4][:DIGEST_LENGTH]


def _joined(parts: Parts) -> object:
    return sha256("-".join(parts).encode()).digest()


def _mutant(name: str, what: str, key: Callable[[Parts], object]) -> Mutant:
    return Mutant(name, ("B19",), what, "images-alike", _keyed_by(key))


MUTANTS = (
    _mutant(
        "image-without-host",
        "Leaves the host out of an image's key, so what another registry announces counts for this one.",
        _without(0),
    ),
    _mutant(
        "image-without-action",
        "Leaves the action out of an image's key, so a quarantine counts for the push.",
        _without(1),
    ),
    _mutant(
        "image-without-path",
        "Takes the last part of the repository's name for an image's key, so other/app counts for team/app.",
        _last_segment,
    ),
    _mutant(
        "image-without-tag",
        "Leaves the tag out of an image's key, so two tags of one image are one operation.",
        _without(3),
    ),
    _mutant(
        "image-without-digest",
        "Leaves the digest out of an image's key, so a tag that is pushed again is the operation of before.",
        _without(4),
    ),
    _mutant(
        "image-in-one-case",
        "Makes lower case of an image's key, so the tags V1.0 and v1.0 are one.",
        _in_one_case,
    ),
    _mutant(
        "image-with-short-digest",
        "Keeps the first twelve digits of a digest in an image's key, so two that begin alike are one.",
        _with_short_digest,
    ),
    _mutant(
        "image-parts-run-together",
        "Joins the parts of an image's key with hyphens, so app-1 with tag 0 is app with tag 1-0.",
        _joined,
    ),
)
