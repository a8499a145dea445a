"""What the page about notifications shows is what is sent."""

import re
from pathlib import Path

import msgspec
import pytest

from fanin.aggregator.notify.formats import FORMATS
from fanin.aggregator.notify.formats.template import EXAMPLE
from fanin.aggregator.notify.formats.template import FIELDS as TEMPLATE_FIELDS
from fanin.aggregator.notify.target_file import FIELDS, read_targets
from tests.aggregator.notify.formats.samples import notify, written
from tests.paths import DOCS

PAGE = (DOCS / "notifications.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """What stands under the heading of a format."""
    return re.split(r"^##+ .*$", PAGE.split(f"\n### {name}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "brigade"])
def test_every_format_is_shown_as_it_is_sent(name: str) -> None:
    """Body for body; Brigade's is that of CloudEvents."""
    (shown,) = re.findall(r"```json\n(.*?)```", section(name), re.DOTALL)

    assert msgspec.json.decode(shown) == msgspec.json.decode(written(name, notify()).body)


def test_the_headers_of_a_binary_event_are_shown_as_they_are_sent() -> None:
    """Each of them, and no other."""
    (shown,) = re.findall(r"```http\n(.*?)```", section("cloudevents-binary"), re.DOTALL)

    assert dict(line.split(": ", 1) for line in shown.splitlines()) == dict(
        written("cloudevents-binary", notify()).headers
    )


def test_every_field_of_the_file_is_explained_and_the_example_is_valid(tmp_path: Path) -> None:
    """A copy of it must work."""
    example = re.findall(r"```yaml\n(targets:.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "targets.yaml").write_text(example, encoding="utf-8")
    environment = {
        "DEPLOY_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "SLACK_URL": "https://hooks.slack.com/services/x",
        "AUDIT_KEY": "x",
    }

    targets, names = read_targets(tmp_path / "targets.yaml", environment)

    assert [target.name for target in targets] == ["deploy", "oncall", "audit"]
    assert names == set(environment)
    assert [field for field in FIELDS if f"`{field}`" not in PAGE] == []


def test_the_example_of_a_template_is_what_it_says(tmp_path: Path) -> None:
    """A copy of it must work, and its table has every field."""
    example = re.findall(r"```yaml\n(targets:.*?)```", section("template"), re.DOTALL)[0]
    (tmp_path / "targets.yaml").write_text(example, encoding="utf-8")

    ((target,), _) = read_targets(tmp_path / "targets.yaml", {})

    assert target.template is not None
    assert target.template.text == EXAMPLE.strip()
    assert [field for field in TEMPLATE_FIELDS if f"`{field}`" not in section("template")] == []
