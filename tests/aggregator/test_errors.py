"""Errors: their names and statuses in responses, and messages of one line."""

import pytest

from fanin.aggregator import errors
from fanin.aggregator.errors import (
    AggregatorError,
    RegionsUnknownError,
    RequestError,
    StoreError,
    StoreFailedError,
    UnexpectedRegionError,
    UnknownRegionError,
    UnsupportedEncodingError,
    quoted,
)

ALL = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, AggregatorError) and each is not AggregatorError
]


@pytest.mark.parametrize("error", ALL)
def test_a_request_error_is_a_4xx_and_any_other_a_503(error: type[AggregatorError]) -> None:
    """A sender repeats what got a 503, and changes what got a 4xx."""
    if issubclass(error, RequestError):
        assert error.status in range(400, 500)
    else:
        assert error.status == 503


@pytest.mark.parametrize("error", [each for each in ALL if issubclass(each, StoreError)])
def test_a_sender_is_asked_to_come_back_after_a_store_error(error: type[StoreError]) -> None:
    """Soon, but not at once."""
    assert error.retry_after_s


def test_only_a_failed_commit_is_indefinite() -> None:
    """After every other error nothing was stored."""
    assert [each for each in ALL if not each.definite] == [StoreFailedError]


def test_the_tree_is_drawn_in_the_docstring() -> None:
    """Every class, and no other."""
    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}

    assert drawn == {"AggregatorError", *(each.__name__ for each in ALL)}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            UnknownRegionError("mars", ["westus", "eastus"]), "unknown-region",
            "unknown region 'mars'; expected one of eastus, westus",
        ),
        (
            UnknownRegionError(None, ["eastus"]), "unknown-region",
            "the request names no region; expected one of eastus",
        ),
        (
            UnexpectedRegionError("op-1", "mars", ["eastus"]), "unexpected-region",
            "operation 'op-1' does not wait for region 'mars'; it waits for eastus",
        ),
        (
            UnsupportedEncodingError("gzip"), "unsupported-encoding",
            "content-encoding 'gzip' is not supported; send the body uncompressed",
        ),
        (
            RegionsUnknownError("demo", "https://management.example", "responded 403"), "regions-unknown",
            (
                "the regions of registry 'demo' are not known: https://management.example: responded 403; "
                "give this process an identity with the role Reader on the registry, or name the regions"
            ),
        ),
    ],
)  # fmt: skip
def test_an_error_has_a_code_and_a_message(error: AggregatorError, code: str, message: str) -> None:
    """The code is for programs, the message for people."""
    assert (error.code, str(error)) == (code, message)


def test_a_quoted_value_fits_a_line() -> None:
    """Whatever a sender puts into it."""
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted("x" * 80) == repr("x" * 80)
    assert quoted("x" * 81) == repr("x" * 79 + "…")
