"""A body of the settings' own: a Jinja template, whose fields are those of ``json`` and a few more.

Rules of this file: what is wrong with a template is found at the start, by its fields, by its filters, and by
rendering it for operations of every kind. A template has fields, conditions, loops over lists, and a few
filters; it calls nothing, has no attributes of Python's, and multiplies nothing. So it takes neither much
time nor much memory, and reaches nothing.

In a body of JSON every value is escaped for the inside of a string; ``| json`` writes it as a JSON value.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.formats import Format, Message, Render
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.notify.formats.text import headline, image
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.yaml_nodes import nearest
from fanin.aggregator.wire import rfc3339

BODY_LENGTH_MAX = 1 << 20

EXAMPLE = """\
{
  "text": "{{ headline }}",
  "image": "{{ reference or image }}",
  "missing": {{ missing | json }},
  "run": "{{ id }}"
}
"""
# By name; each of one argument or more, and none that makes much out of little.
_FILTERS = (
    "capitalize", "count", "d", "default", "e", "escape", "first", "int", "join", "last", "length", "list",
    "lower", "replace", "reverse", "sort", "string", "title", "trim", "truncate", "unique", "upper",
    "urlencode",
)  # fmt: skip


class _Literal(str):
    """Text that stands in the body as it is."""

    __slots__ = ()


def fields_of(notification: Notification) -> dict[str, Any]:
    """What a template knows of a notification. None: the webhook lacks it."""
    plain = msgspec.to_builtins(body_of(notification))
    subject = notification.subject
    version = f"@{subject.digest}" if subject.digest else f":{subject.tag}" if subject.tag else ""
    reference = f"{subject.host}/{subject.repository}{version}"
    return {
        **dict.fromkeys(("registry", "name", "version", "mediaType", "requestId")),
        **plain,
        "key": notification.key,
        "started": rfc3339(notification.started_ms),
        "decided": rfc3339(notification.decided_ms),
        "image": image(notification),
        "reference": reference if subject.host and subject.repository and version else None,
        "headline": headline(notification),
        "test": notification.test,
    }


def compile_template(text: str, content_type: str) -> Render:
    """Make a renderer of a template.

    Raises:
        ValueError: the template is wrong; the message says where, and what would be right.
    """
    import jinja2
    from jinja2 import meta

    is_json = _is_json(content_type)
    environment = _environment(escapes_json=is_json)
    try:
        unknown = meta.find_undeclared_variables(environment.parse(text)) - FIELDS.keys()
        if unknown:
            name = min(unknown)
            raise ValueError(f"the template has no field {name!r}; {nearest(name, FIELDS)}")
        template = environment.from_string(text)
    except jinja2.TemplateSyntaxError as exc:
        raise ValueError(f"line {exc.lineno} of the template: {exc.message}") from None

    def render(notification: Notification) -> Message:
        try:
            body = template.render(fields_of(notification))
        except Exception as exc:
            raise NotDeliveredError(f"the template cannot be rendered: {exc}") from exc
        if len(body) > BODY_LENGTH_MAX:
            raise NotDeliveredError(f"the template's body has more than {BODY_LENGTH_MAX >> 20} MiB")
        return Message({"content-type": content_type}, body.encode())

    for what, sample in _SAMPLES.items():
        try:
            body = render(sample).body
            if is_json:
                msgspec.json.decode(body)
        except NotDeliveredError as exc:
            raise ValueError(f"{what}: {exc}") from exc
        except msgspec.DecodeError as exc:
            raise ValueError(
                f'{what}: the template\'s body is not JSON ({exc}); write texts as "{{{{ tag }}}}" in quotes '
                f"and anything else as {{{{ missing | json }}}}, or set another content_type"
            ) from exc
    return render


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().casefold()
    return media_type.endswith(("/json", "+json"))


def _environment(*, escapes_json: bool) -> Any:
    """What a template may use."""
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%", "//", "/"})

        def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002 - nothing is
            return False

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002
            return type(obj).__name__ == "LoopContext" and not attr.startswith("_")

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
            raise SecurityError(f"a template has no arithmetic but + and -, and this one has {operator!r}")

    environment = Environment(
        undefined=StrictUndefined,
        finalize=_finalized_in_json if escapes_json else _finalized,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    filters: dict[str, Callable[..., Any]] = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {**filters, "json": _json, "tojson": _json}
    return environment


def _json(value: Any) -> _Literal:
    return _Literal(msgspec.json.encode(value).decode())


def _finalized(value: Any) -> str:
    """A value as text: nothing for what is missing, lists with commas."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _finalized_in_json(value: Any) -> str:
    """The same inside a JSON string."""
    return value if isinstance(value, _Literal) else _json(_finalized(value))[1:-1]


def _sample(outcome: Phase, subject: Subject, *, missing: tuple[str, ...]) -> Notification:
    return Notification(
        key="c0ffee",
        operation_id='op-1 "quoted" \\',
        outcome=outcome,
        subject=subject,
        arrived=("eastus",),
        missing=missing,
        started_ms=0,
        deadline_ms=120_000,
        decided_ms=120_000,
    )


_DIGEST = "sha256:" + "0" * 64
_SAMPLES: Mapping[str, Notification] = {
    "for a push": _sample(
        Phase.COMPLETED,
        Subject(
            action="push", host="demo.azurecr.io", repository="team/app", tag='"1.0"', digest=_DIGEST,
            media_type="application/x", request_id="r-1",
        ),
        missing=(),
    ),
    "for a push that timed out": _sample(
        Phase.TIMED_OUT, Subject(action="push", repository="team/app"), missing=("westus", "northeurope")
    ),
    "for a push that completed late": _sample(
        Phase.COMPLETED_LATE, Subject(action="push", repository="team/app", tag="1.0"), missing=()
    ),
    "for a chart": _sample(
        Phase.COMPLETED,
        Subject(action="chart_push", repository="charts", tag="web-1.tgz", name="web", version="1.tgz"),
        missing=(),
    ),
    "for a delete that says nothing": _sample(
        Phase.TIMED_OUT, Subject(action="delete"), missing=("westus",)
    ),
}  # fmt: skip
_SAMPLES = {
    **_SAMPLES,
    "for a test message": msgspec.structs.replace(_SAMPLES["for a push"], test=True),
}
FIELDS: Mapping[str, Any] = fields_of(_SAMPLES["for a push"])


@cache
def _example() -> Render:
    return compile_template(EXAMPLE, "application/json")


def render(notification: Notification) -> Message:
    """The documentation's example. Targets have templates of their own (`Format.compile`)."""
    return _example()(notification)


FORMAT = Format(render=render, compile=compile_template)
