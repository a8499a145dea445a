"""How it is said which runs of an exploration are played."""

from math import factorial

import pytest

from fanin.harness.cli.explore_numbers import orders_text


@pytest.mark.parametrize(
    ("webhooks", "said"),
    [
        (3, "3 simultaneous webhooks in 1 group: all 6 orders"),
        (10, "10 simultaneous webhooks in 1 group: a sample of 500 of 3,628,800 orders"),
        (120, "120 simultaneous webhooks in 1 group: a sample of 500 of some 10^198 orders"),
        (2_000, "2000 simultaneous webhooks in 1 group: a sample of 500 of some 10^5735 orders"),
    ],
)
def test_the_number_of_orders_can_be_read_however_many_there_are(webhooks: int, said: str) -> None:
    """Python refuses to write a number of more than 4,300 digits."""
    possible = factorial(webhooks)

    assert orders_text([webhooks], min(possible, 500), possible) == said
