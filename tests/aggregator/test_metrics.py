"""The page that Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from aggregator.fanin import Phase, Standing
from aggregator.metrics import Metrics


def test_the_page_is_what_was_counted() -> None:
    """Counters by label, gauges, and histograms whose buckets are cumulative."""
    metrics = Metrics()
    metrics.requests[202] += 3
    metrics.arrivals["eastus", Standing.COUNTED] += 2
    metrics.outcomes[Phase.TIMED_OUT] += 1
    metrics.attempts["failed"] += 4
    metrics.waiting, metrics.untold = 5, 6
    for rows in (1, 2, 3, 300):
        metrics.batch.add(rows)

    families = text_string_to_metric_families(metrics.render().decode())
    samples = {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}

    assert samples["fanin_requests_total", "202"] == 3
    assert samples["fanin_arrivals_total", "eastus", "counted"] == 2
    assert samples["fanin_outcomes_total", "timed_out"] == 1
    assert samples["fanin_notification_attempts_total", "failed"] == 4
    assert (samples["fanin_waiting",], samples["fanin_outbox",]) == (5, 6)
    buckets = {key[1]: value for key, value in samples.items() if key[0] == "fanin_commit_batch_rows_bucket"}
    assert (buckets["1"], buckets["2"], buckets["4"], buckets["256"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    assert samples["fanin_commit_batch_rows_sum",] == 306
