"""Contradictions in the configuration of a target."""

import pytest

from fanin.harness.verify.config_file import ScenarioError, loads
from tests.paths import FOREIGN_APPS

APP = ("--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "command: x\ncapabilities: [stepping-clock]",
            "'stepping-clock' cannot be declared for a target given by command; there are replicas,",
        ),
        (
            "app: a:b\ncapabilities: [function-keys]",
            "'function-keys' cannot be declared for a target given by app; there are replicas,",
        ),
        (
            "url: 'https://h/{region}'\ncapabilities: [replicas]",
            "'replicas' cannot be declared for a target given by url; there are image-correlation,",
        ),
    ],
)
def test_what_a_kind_of_target_cannot_have_is_refused(text: str, message: str) -> None:
    """It would be skipped for ever, and nobody would know why."""
    with pytest.raises(ScenarioError) as caught:
        loads(text)

    assert message in str(caught.value)


def test_a_target_file_may_declare_them() -> None:
    """As the command line does."""
    assert loads("app: a:b\ncapabilities: [replicas, stepping-clock]").capabilities == (
        "replicas",
        "stepping-clock",
    )
