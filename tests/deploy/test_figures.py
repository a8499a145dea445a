"""The dashboard and the alerts: every expression is PromQL, and asks for series that the service writes."""

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from fanin.aggregator.metrics import Metrics, StoreFigures
from tests.heavy import needs
from tests.paths import ROOT

DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
# Labels that Prometheus adds.
SCRAPED = {"job", "instance"}
# What Grafana puts in place of its own variables; those of the dashboard stand in label values only.
INTERVALS = {"$__rate_interval": "5m", "$__range": "6h"}
GET = ".venv/bin/pip install -c constraints.txt -e '.[manifests]'"
promql = needs("promql-parser", there=find_spec("promql_parser") is not None, get=GET)


def series() -> dict[str, set[str]]:
    """The labels of every series that the service can write, by name."""
    metrics = Metrics()
    metrics.requests[202] = metrics.arrivals["eastus", "counted"] = metrics.outcomes["completed"] = 1
    metrics.attempts["ok"] = metrics.dead_lettered["default"] = metrics.unreadable_rows["outbox"] = 1
    metrics.ignored["ping"] = metrics.region_refreshes["ok"] = 1
    metrics.lag_s["eastus"].observe(1)
    metrics.owns_store = True
    metrics.breakers["default"], metrics.paused["default"] = "open", True
    metrics.measure_store = lambda: StoreFigures(free_bytes=1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Every expression and where it is, with intervals for Grafana's own variables."""
    found = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    alerts = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))
    found += [(rule["alert"], rule["expr"]) for group in alerts["groups"] for rule in group["rules"]]
    plain = []
    for where, text in found:
        for name, value in INTERVALS.items():
            text = text.replace(name, value)  # noqa: PLW2901 - step by step
        plain.append((where, text))
    return plain


def nodes(node: Any) -> Iterator[Any]:
    """An expression's parts, itself included."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (inner := getattr(node, name, None)) is not None:
            yield from nodes(inner)
    for inner in getattr(node, "args", None) or ():
        yield from nodes(inner)


@promql
def test_every_expression_asks_for_what_is_written() -> None:
    """Its series exist, and have the labels that it compares and groups by."""
    import promql_parser

    known = series()
    wrong: dict[str, set[str]] = {}
    for where, text in expressions():
        tree = promql_parser.parse(text)
        selected = [node for node in nodes(tree) if isinstance(node, promql_parser.VectorSelector)]
        names = {str(node.name) for node in selected}
        labels = SCRAPED.union(*(known.get(name, set()) for name in names))
        used = {matcher.name for node in selected for matcher in node.matchers.matchers}
        used |= {label for found in re.findall(r"\bby \(([\w, ]+)\)", text) for label in found.split(", ")}
        if unknown := (names - set(known) - {"up"}) | (used - labels):
            wrong[where] = unknown
        assert names, where

    assert wrong == {}


def test_every_figure_has_its_place_on_the_dashboard() -> None:
    """What is worth writing is worth looking at."""
    suffix = re.compile(r"_(?:total|bucket|count|sum)$")
    shown = {
        suffix.sub("", name)
        for panel in panels()
        for target in panel["targets"]
        for name in re.findall(r"\bfanin_\w+", target["expr"])
    }

    assert {suffix.sub("", name) for name in series()} - shown == set()


def test_panels_have_names_places_and_legends_of_their_own() -> None:
    """Numbers are unique, nothing overlaps, and a legend names a label that the expression keeps."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", target["expr"]))))
            assert shown <= kept, panel["title"]
            assert 'job=~"$job"' in target["expr"]

    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_panel_takes_the_data_source_that_is_chosen() -> None:
    """A dashboard that names the data source of another Grafana shows nothing."""
    sources = {json.dumps(it) for panel in panels() for it in [panel["datasource"],
               *(target["datasource"] for target in panel["targets"])]}  # fmt: skip
    variables = {it["name"] for it in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(DASHBOARD)))

    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert used == variables
