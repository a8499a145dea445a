"""``fanin verify``: its options, what it prints, and how it ends."""

from click.testing import CliRunner

from fanin.harness.cli.main import main
from tests.paths import FOREIGN_APPS

APP = ("--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS))


def fanin(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, words)
    return result.exit_code, result.stdout, result.stderr


def test_verify_plays_an_application_by_what_it_declares() -> None:
    """Without a word it is spared; with it, it is judged and found wanting."""
    _, silent, _ = fanin("verify", *APP, "envelopes")
    code, declared, _ = fanin("verify", *APP, "envelopes", "--capability", "envelopes")

    assert "needs envelopes" in silent
    assert code == 1
    assert "invalid  envelopes" in declared
