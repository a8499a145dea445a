"""Draws come from the seed alone, and a delay spreads as it says."""

import random
import subprocess
import sys

import pytest

from fanin.simulator.rng import LazyRandom, sample_ms, seeded_random
from fanin.simulator.shapes import Delay


class Fixed:
    """Always draws the same number, and counts."""

    def __init__(self, number: float) -> None:
        self.number, self.drawn = number, 0

    def random(self) -> float:
        self.drawn += 1
        return self.number


def test_a_stream_belongs_to_its_seed_and_its_concern() -> None:
    """Equal names draw equally; another seed or another concern draws something else."""
    same = [seeded_random(7, "replication", "op1").random() for _ in range(2)]

    assert same[0] == same[1]
    assert (
        len(
            {
                same[0],
                seeded_random(8, "replication", "op1").random(),
                seeded_random(7, "fault", "op1").random(),
            }
        )
        == 3
    )


def test_lazy_draws_are_the_stream_they_stand_for() -> None:
    """Laziness must not be visible in the numbers."""
    lazy, eager = LazyRandom(7, "fault", 0), seeded_random(7, "fault", 0)

    assert [lazy.random() for _ in range(3)] == [eager.random() for _ in range(3)]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_draws_the_same(hash_seed: str) -> None:
    """A seed must reproduce a run elsewhere, whatever PYTHONHASHSEED is there."""
    program = (
        "from fanin.simulator.rng import seeded_random; "
        "print(seeded_random(7, 'replication', 'op1').random())"
    )

    output = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert float(output) == seeded_random(7, "replication", "op1").random()


@pytest.mark.parametrize(
    ("delay", "number", "expected_ms", "drawn"),
    [
        (Delay(), 0.5, 0, 1),
        (Delay(fixed=250), 0.5, 250, 0),
        (Delay(min=500, max=5_000), 0.0, 500, 1),
        (Delay(min=500, max=5_000), 1 - 2**-53, 5_000, 1),
        (Delay(min=500, max=500), 0.9, 500, 1),
        (Delay(min=700), 0.9, 700, 1),
        (Delay(max=1), 0.4, 0, 1),
        (Delay(max=1), 0.6, 1, 1),
        (Delay(median=3_000, sigma=0.8), 0.5, 3_000, 1),
        (
            Delay(median=1_000, sigma=1.0),
            0.8413447460685429,
            2_718,
            1,
        ),  # one standard deviation up is a factor e
        (Delay(median=1_000, sigma=1.0), 0.0, 0, 1),
        (Delay(median=1_000, sigma=0.0), 0.99, 1_000, 1),
    ],
)
def test_a_delay_is_a_function_of_at_most_one_number(
    delay: Delay, number: float, expected_ms: int, drawn: int
) -> None:
    """Both ends of a spread are in; a fixed delay costs no draw, so that it moves nothing else."""
    numbers = Fixed(number)

    assert sample_ms(delay, numbers) == expected_ms
    assert numbers.drawn == drawn


def test_a_log_normal_delay_has_the_median_that_it_names() -> None:
    """Half of the draws are below the median, and the middle half is as wide as sigma says."""
    numbers = random.Random(1)
    drawn = sorted(sample_ms(Delay(median=3_000, sigma=0.5), numbers) for _ in range(4_001))

    assert drawn[2_000] == pytest.approx(3_000, rel=0.05)
    assert drawn[3_000] / drawn[1_000] == pytest.approx(1.963, rel=0.1)  # exp(2 * 0.6745 * 0.5)
