"""What `fanin.check` refuses before it plays anything."""

from typing import Any

import pytest

from fanin.pytest_plugin import Fanin


@pytest.mark.parametrize(
    ("scenario", "options", "complaint"),
    [
        (5, {}, "5 is no scenario; give the name of a built-in one, or a file"),
        ("", {}, "'' is no scenario; give the name"),
        ("one-region", {"seed": -1}, "seed=-1 is no seed; give a whole number from 0 on"),
        ("one-region", {"seed": "x"}, "seed='x' is no seed"),
        ("one-region", {"seed": 1.5}, "seed=1.5 is no seed"),
        ("one-region", {"seed": True}, "seed=True is no seed"),
        ("one-region", {"has": "replicas"}, "has='replicas' is no list of names; write has=['replicas']"),
        ("one-region", {"lacks": "process"}, "lacks='process' is no list of names; write lacks=['process']"),
        ("one-region", {"has": 5}, "has=5 is no list of names; write has=['replicas']"),
        ("one-region", {"has": [["replicas"]]}, "has=['replicas'] is no capability; there are"),
        ("one-region", {"has": ["keys"]}, "has='keys' is no capability; there are"),
        ("one-region", {"has": ["replicas"], "lacks": ["replicas"]}, "'replicas' is in lacks and in has"),
    ],
)
def test_a_wrong_argument_is_one_sentence(
    request: pytest.FixtureRequest, scenario: Any, options: dict[str, Any], complaint: str
) -> None:
    """It names the argument; no exception comes from inside."""
    with pytest.raises(pytest.fail.Exception) as failed:
        Fanin(request).check(scenario, app="nowhere:app", **options)

    assert str(failed.value).startswith(complaint)
    assert failed.value.pytrace is False
