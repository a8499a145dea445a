"""Exceptions that escape an application, as reports show them."""

import json

import pytest

from fanin.harness.world.app_errors import AppErrors


def look_up(name: str) -> None:
    found: dict[str, str] = {}
    found[name].strip()


def raised(name: str) -> BaseException:
    with pytest.raises(KeyError) as info:
        look_up(name)
    return info.value


def test_the_first_exception_of_each_life_is_kept() -> None:
    """What and where on one line, then the traceback."""
    errors = AppErrors()
    errors.begin_life()
    errors.take(raised("first"), 5)
    errors.take(raised("second"), 6)
    errors.begin_life()
    errors.take(raised("third"), 2_000)

    assert [(it.life, it.at) for it in errors.found] == [(1, 5), (2, 2_000)]
    summary, _, traceback = errors.found[0].text.partition("\n")
    assert summary.startswith("life 1, at +0.005s: KeyError: 'first' (test_app_errors.py:")
    assert summary.endswith(", in look_up)")
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("KeyError: 'first'")


def deep(levels: int) -> None:
    if levels:
        deep(levels - 1)
    json.loads("not json")


def test_the_line_that_is_named_is_the_applications_own() -> None:
    """Not the library's in which it ended, which is shown after the innermost of the application's."""
    errors = AppErrors()
    errors.begin_life()
    with pytest.raises(json.JSONDecodeError) as info:
        deep(30)
    errors.take(info.value, 0)

    assert errors.found[0].summary.endswith(", in deep)")
    assert errors.found[0].traceback.count("in deep\n") == 4  # and "repeated", by Python
    assert "in raw_decode" in errors.found[0].traceback


def test_what_a_kill_makes_it_raise_is_not_its_fault() -> None:
    """Its tasks are cancelled, which no killed process sees."""
    errors = AppErrors()
    errors.begin_life()
    errors.end_life()
    errors.take(raised("cancelled"), 5)

    assert errors.found == []
