"""Values as the page writes them."""

import pytest

from fanin.aggregator.fanin import Subject
from fanin.aggregator.http.page.words import NAME_MAX, clock, digest, image, instant, period, plain

DIGEST = "sha256:" + "5b7c1f0e2f7a" * 5


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min 0 s"),
        (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 0 min"),
        (86_399_999, "23 h 59 min"),
        (86_400_000, "1 d 0 h"),
        (40 * 86_400_000, "40 d 0 h"),
    ],
)
def test_a_period_has_its_two_largest_units(ms: int, shown: str) -> None:
    """What has passed is rounded down, so that nothing is shown as over that is not."""
    assert period(ms) == shown


@pytest.mark.parametrize(
    ("subject", "shown", "beginning"),
    [
        (Subject(action="push", host="a.azurecr.io", repository="app", tag="1"), "a.azurecr.io/app:1", None),
        (Subject(action="push", repository="app", tag="1", digest=DIGEST), "app:1", "sha256:5b7c1f0e2f7a…"),
        (Subject(action="delete", repository="app", digest=DIGEST), f"app@{DIGEST}", None),
        (Subject(action="chart_push", name="web", version="2.0", digest="sha256:1"), "web:2.0", "sha256:1"),
        (Subject(action="push"), "(no repository)", None),
    ],
)  # fmt: skip
def test_an_image_is_named_as_it_is_pulled(subject: Subject, shown: str, beginning: str | None) -> None:
    """By its tag if it has one, with the beginning of the digest beside it; else by the digest."""
    assert (image(subject), digest(subject)) == (shown, beginning)


def test_text_of_senders_cannot_hide_or_reorder_anything() -> None:
    """Control characters, marks of direction and lone surrogates are shown as escapes; long text is cut."""
    assert plain("app\n\u202eexe.\ud800") == r"app\n\u202eexe.\ud800"
    assert plain("é \u05d0 <b>") == "é \u05d0 <b>"
    assert len(plain("a" * 5_000)) == NAME_MAX


def test_instants_are_in_utc() -> None:
    """To the second, with the zone."""
    assert instant(1_772_323_200_999) == "2026-03-01 00:00:00Z"
    assert clock(1_772_323_200_999) == "00:00:00 UTC"
