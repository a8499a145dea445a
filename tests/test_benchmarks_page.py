"""Figures of the throughput stand in one page; the others quote them word for word. Nothing is timed here."""

import re

from benchmarks import throughput

PAGE = throughput.TABLE_PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_table_that_the_command_prints() -> None:
    """A row for each state of the sink, and one for the plain route; the sentence stands below."""
    match = throughput.TABLE.search(PAGE)
    assert match
    measured = match[2]

    titles = [line.split(" | ")[0].removeprefix("| ") for line in measured.splitlines() if line[:2] == "| "]
    assert titles == ["|", *throughput.TITLES.values()]
    assert "On one core `fanin serve` acknowledged" in measured.splitlines()[-1]


def test_other_pages_quote_its_sentence() -> None:
    """The same text, wherever the figures are said."""
    match = throughput.TABLE.search(PAGE)
    assert match
    sentence = match[2].splitlines()[-1] + "\n"
    pages = throughput.quoting_pages()

    assert {page.name for page in pages} >= {"engines.md", "deploy.md"}
    for page in pages:
        assert [it[1] for it in throughput.SENTENCE.findall(page.read_text(encoding="utf-8"))] == [sentence]


def test_no_page_has_figures_of_its_own() -> None:
    """Thousands of webhooks a second are said in quotations only."""
    pages = [*throughput.DOCS.parent.glob("*.md"), *throughput.DOCS.glob("*.md")]
    for page in pages:
        if page != throughput.TABLE_PAGE:
            text = throughput.SENTENCE.sub("", page.read_text(encoding="utf-8"))
            assert not re.search(r"\d,\d{3} webhooks a second", text), page.name


def test_a_measurement_is_written_where_it_belongs() -> None:
    """The table and the sentence come from the same rounds."""
    rounds = {
        name: [throughput.Round(rate=100.0 * n, p50_ms=1.0, p99_ms=2.0, work_us=50.0)] * 3
        for n, name in enumerate(throughput.TITLES, 1)
    }

    assert "| with the sink up | 200 | 2.00 | 1.00 | 1.0 | 2.0 | 50 |" in throughput.table(rounds)
    assert throughput.sentence(rounds).startswith("On one core `fanin serve` acknowledged 200 webhooks")
    assert "2.00 of what a plain Starlette route did that stores nothing; 3.00 w" in throughput.sentence(
        rounds
    )
