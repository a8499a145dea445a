"""Bodies of one's own: what a template may say, and what is found wrong with it at the start."""

from pathlib import Path

import msgspec
import pytest

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.fanin import Subject
from fanin.aggregator.notify.formats.template import FIELDS, compile_template
from fanin.aggregator.notify.port import NotDeliveredError
from tests.aggregator.notify.formats.samples import NASTY, nasty, notify
from tests.aggregator.notify.test_target_file import read

JSON, TEXT = "application/json", "text/plain; charset=utf-8"


def rendered(template: str, content_type: str = TEXT, **changes: object) -> str:
    return compile_template(template, content_type)(notify(**changes)).body.decode()


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("{{ repository }}:{{ tag }}", "team/app:1.4.2"),
        ("{{ reference }}", "demo.azurecr.io/team/app@sha256:1"),
        ("{{ image }} {{ outcome }}", "team/app:1.4.2 timed_out"),
        ("{{ arrived }} / {{ missing | join('+') }}", "eastus, northeurope / westeurope"),
        ("{{ missing | length }} of {{ arrived | count }}", "1 of 2"),
        ("{% for it in arrived %}{{ loop.index }}{{ it }}{% endfor %}", "1eastus2northeurope"),
        ("{% if outcome == 'completed' %}yes{% else %}no{% endif %}", "no"),
        ("[{{ name }}{{ version }}{{ mediaType }}]", "[]"),
        ("{{ name or 'no chart' }}", "no chart"),
        ("{{ headline | upper | truncate(11, true, '') }}", "TEAM/APP:1."),
        ("a={{ '&/' | urlencode }}&b={{ '<' | e }}", "a=%26/&b=&lt;"),
        ("{{ started }} {{ decided }} {{ key }}", "2026-03-01T00:00:00.000Z 2026-03-01T00:02:00.000Z c0ffee"),
        ("ünïcode", "ünïcode"),
    ],
)
def test_a_template_says_what_it_is_told(template: str, body: str) -> None:
    """Fields, conditions, loops and a few filters; what is missing is nothing, and lists have commas."""
    assert rendered(template) == body


def test_in_json_every_value_is_escaped() -> None:
    """Whatever is in a name, the body is JSON and says it."""
    template = '{"text": "{{ repository }}", "tag": {{ tag | json }}, "digest": {{ digest | tojson }}}'

    message = compile_template(template, JSON)(nasty())

    assert msgspec.json.decode(message.body) == {"text": NASTY, "tag": NASTY, "digest": None}
    assert message.headers == {"content-type": JSON}


@pytest.mark.parametrize("content_type", ["application/vnd.example+json; charset=utf-8", "APPLICATION/JSON"])
def test_what_json_is_follows_from_the_content_type(content_type: str) -> None:
    """Its suffix says so as well."""
    with pytest.raises(ValueError, match="is not JSON"):
        compile_template("{{ tag }}", content_type)


@pytest.mark.parametrize(
    ("template", "content_type", "message"),
    [
        ("{{ repositry }}", TEXT, "no field 'repositry'; did you mean 'repository'?"),
        ("{% if tag == 'never' %}{{ nope }}{% endif %}", TEXT, "no field 'nope'; there are "),
        ("a\n{{ tag", TEXT, "line 2 of the template: unexpected end of template"),
        ("{{ tag | shout }}", TEXT, "line 1 of the template: No filter named 'shout'"),
        ('{"tag": {{ tag }}}', JSON, "for a push: the template's body is not JSON"),
        ('{"a": [{{ missing | json }} {{ arrived | json }}]}', JSON, "or set another content_type"),
        ("{{ missing[0] | upper }}", TEXT, "for a push: the template cannot be rendered"),
        ('{"name": "{{ name }}"{% if not digest %},{% endif %}}', JSON, "for a push that timed out"),
        ("{% if outcome == 'completed_late' %}{{ arrived[9] }}{% endif %}", TEXT, "that completed late"),
        ('{"a": 1{% if test %},{% endif %}}', JSON, "for a test message: the template's body is not JSON"),
    ],
)
def test_a_template_that_is_wrong_is_found_at_the_start(
    template: str, content_type: str, message: str
) -> None:
    """Fields in branches that are rarely taken as well, and what goes wrong for some operations only."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the message is looked at
        compile_template(template, content_type)

    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ tag.__class__ }}",
        "{{ tag.upper() }}",
        "{{ tag.center(99999999) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ tag | attr('__class__') }}",
        "{{ 'a' * 999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ tag | center(99999999) }}",
        "{% for n in range(99999) %}{% endfor %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ missing.append('x') }}",
        "{{ lipsum.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ loop._iterator }}",
    ],
)
def test_a_template_calls_nothing_and_computes_nothing(template: str) -> None:
    """Nothing of Python can be reached, and little cannot be made into much."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own message
        compile_template(template, TEXT)


def test_a_failure_at_a_later_time_fails_the_attempt() -> None:
    """Of an operation that is unlike all those of the start; it is tried again, as others are."""
    render = compile_template("{% if missing | length == 3 %}{{ missing[7] }}{% endif %}", TEXT)

    with pytest.raises(NotDeliveredError, match="the template cannot be rendered"):
        render(notify(missing=("a", "b", "c")))


def test_what_a_value_says_is_not_a_template() -> None:
    """A tag with braces stays a tag with braces."""
    assert rendered("{{ tag }}", subject=Subject(action="push", tag="{{ key }}")) == "{{ key }}"


# --- in the file of targets ---

A = "targets:\n- {name: a, url: 'http://a/', format: template"


def test_a_template_may_be_in_a_file(tmp_path: Path) -> None:
    """Beside the file of targets; its type is said, or JSON."""
    (tmp_path / "body.j2").write_text('{"tag": "{{ tag }}"}\n', encoding="utf-8")

    (by_file,) = read(tmp_path, f"{A}, template_file: body.j2}}")
    (inline,) = read(tmp_path, f"{A}, template: 'tag={{{{ tag | urlencode }}}}', content_type: text/plain}}")

    assert by_file.template == ('{"tag": "{{ tag }}"}', "application/json")
    assert inline.template == ("tag={{ tag | urlencode }}", "text/plain")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A}}}", ":2:39: 'template' needs a template or a template_file"),
        (f"{A}, template: '{{{{ repo }}}}'}}", ":2:59: the template has no field 'repo'"),
        (f"{A}, template: a, template_file: b}}", "the target has template and template_file; set one"),
        (f"{A}, template: a, content_type: json}}", "expected a type such as text/plain"),
        (f"{A.replace('template', 'json')}, template: a}}", "'json' has no template; these have: template"),
        (f"{A.replace('template', 'json')}, content_type: a/b}}", "'json' has no template; these have"),
    ],
)
def test_a_mistake_about_a_template_names_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Like all others in the file."""
    with pytest.raises(SettingsError) as refusal:
        read(tmp_path, text)

    assert message in str(refusal.value)


def test_the_fields_are_those_of_json_and_more() -> None:
    """None of them depends on the operation."""
    plain = {"id", "outcome", "arrived", "missing", "action", "repository", "tag", "digest", "deadline"}

    assert plain < FIELDS.keys()
