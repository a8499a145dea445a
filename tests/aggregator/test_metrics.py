"""The page that Prometheus reads."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fanin.aggregator.fanin import ArrivalResult, Phase
from fanin.aggregator.metrics import Metrics
from tests.aggregator.services import EAST, PUSH, WEST, Hand, service


def test_the_page_is_what_was_counted() -> None:
    """Counters by label, gauges, and histograms whose buckets are cumulative."""
    metrics = Metrics()
    metrics.requests[202] += 3
    metrics.arrivals["eastus", ArrivalResult.COUNTED] += 2
    metrics.outcomes[Phase.TIMED_OUT] += 1
    metrics.attempts["failed"] += 4
    metrics.dead_lettered["oncall"] += 1
    metrics.owns_store, metrics.waiting, metrics.pending = True, 5, 6
    for rows in (1, 2, 3, 300):
        metrics.batch.observe(rows)

    families = text_string_to_metric_families(metrics.render().decode())
    samples = {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}

    assert samples["fanin_requests_total", "202"] == 3
    assert samples["fanin_arrivals_total", "eastus", "counted"] == 2
    assert samples["fanin_outcomes_total", "timed_out"] == 1
    assert samples["fanin_notification_attempts_total", "failed"] == 4
    assert samples["fanin_notifications_dead_lettered_total", "oncall"] == 1
    assert (samples["fanin_waiting",], samples["fanin_outbox",]) == (5, 6)
    buckets = {key[1]: value for key, value in samples.items() if key[0] == "fanin_commit_batch_rows_bucket"}
    assert (buckets["1"], buckets["2"], buckets["4"], buckets["256"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    assert samples["fanin_commit_batch_rows_sum",] == 306


def test_an_age_that_cannot_be_read_is_left_out() -> None:
    """The rest of the page is worth more on a bad day, not less."""
    metrics = Metrics()
    metrics.owns_store = True
    metrics.outbox_age_s = lambda: None
    silent = metrics.render().decode()
    metrics.outbox_age_s = lambda: 2.5

    assert "fanin_outbox_age_seconds" not in silent
    assert "fanin_outbox_age_seconds 2.5\n" in metrics.render().decode()


def test_gauges_of_a_shared_store_are_left_out() -> None:
    """An engine whose operations are elsewhere must not say that none of them waits."""
    page = Metrics().render().decode()

    assert not [it for it in ("fanin_waiting", "fanin_outbox", "fanin_dead_letters") if it in page]


@pytest.mark.anyio
async def test_the_service_measures_itself(tmp_path: Path) -> None:
    """How far regions are behind the first, how old the outbox is, how long answers and commits take."""
    clock = Hand()
    async with service(tmp_path, clock=clock, NOTIFY_URL="http://127.0.0.1:1/") as client:
        await client.post(EAST, json=PUSH)
        clock.ms += 30_000
        await client.post(WEST, json=PUSH)
        await client.post(WEST, json=PUSH)  # a duplicate has no lag
        await client.post(EAST, content=b"{")  # what is refused is no acknowledgement
        clock.ms += 7_500
        page = (await client.get("/metrics")).text

    families = text_string_to_metric_families(page)
    samples = {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}
    assert samples["fanin_region_lag_seconds_sum", "eastus"] == 0
    assert samples["fanin_region_lag_seconds_sum", "westus"] == 30
    assert samples["fanin_region_lag_seconds_count", "westus"] == 1
    assert samples["fanin_region_lag_seconds_bucket", "15", "westus"] == 0
    assert samples["fanin_region_lag_seconds_bucket", "60", "westus"] == 1
    assert samples["fanin_outbox_age_seconds",] == 7.5
    assert samples["fanin_ack_seconds_count",] == 3
    assert samples["fanin_commit_seconds_count",] >= 3
    assert samples["fanin_commit_seconds_sum",] > 0
