"""One scenario explained to somebody who has not seen it: for ``fanin show``."""

from collections.abc import Iterator

from fanin.harness.report.line import Line, Tone, line, wrap
from fanin.harness.report.scenario_text import scenario_sentences
from fanin.simulator.language.scenario import Scenario


def explain(scenario: Scenario, *, path: str, play: str) -> Iterator[Line]:
    """Title, its description, its world, the verdict it must get, where it stands, how to play it."""
    title = f"{scenario.scenario}: {scenario.title}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, hanging="  "))
    if scenario.description:
        yield line("")
        yield from (
            line(text) for text in wrap(" ".join(scenario.description.split()), indent="  ", hanging="  ")
        )
    yield line("")
    yield line("The world", Tone.STRONG)
    for sentence in scenario_sentences(scenario):
        yield from (line(text) for text in wrap(sentence, indent="  ", hanging="    "))
    yield line("")
    yield line(f"Verdict of a healthy aggregator: {scenario.verdict}")
    yield line(f"File: {path}")
    yield line(f"Play: {play}")
