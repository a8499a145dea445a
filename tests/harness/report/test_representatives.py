"""Which operations stand for the others, and how outcomes are counted."""

import msgspec

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import analyse
from fanin.harness.report.representatives import examples
from fanin.harness.verdict import Finding, Rule
from tests.harness.report.reported import many


def test_representatives_are_what_each_broken_rule_is_about_then_one_of_each_kind() -> None:
    """Nobody needs a thousand pictures, and nobody does without the accused one."""
    played = many(30)
    accused = msgspec.structs.replace(
        judge(played),
        findings=(
            Finding(Rule.CONTENT, "one", "push/20"), Finding(Rule.CONTENT, "two", "push/21"),
            Finding(Rule.DEADLINE, "three", "push/25"),
        ),
    )  # fmt: skip

    chosen = examples(analyse(played, accused), accused)

    assert [operation.name for operation in chosen] == ["push/1", "push/20", "push/25"]
