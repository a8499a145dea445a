"""The service's metrics, and the page at which Prometheus reads them.

Counting is adding to an integer. prometheus_client, which renders the page, is imported by the first scrape.

Why not prometheus_client's own counters and histograms: a webhook moves two counters and two histograms,
which takes 0.7 µs here and 5 to 7 µs there, of the 60 to 90 µs that a webhook costs; with the labels'
children in dicts of our own it would still be 2 µs more. A set of them takes 120 µs to make instead of 4 µs,
and an import of 85 ms, in each of the thousands of applications that a search in virtual time plays.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fanin.aggregator import log
from fanin.aggregator.fanin import Notification, Phase

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Upper bounds of buckets, inclusive: rows of a transaction; seconds from the deadline to its decision;
# seconds that a request or a commit takes; seconds from the first region's arrival to another's.
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
DELAY_BOUNDS_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 60, 3_600)
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LAG_BOUNDS_S = (0.1, 1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400)


class Histogram:
    """Counts of observations by bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, int]]:
        """Cumulative counts by upper bound, as Prometheus reads them."""
        labels = [*map(str, self.bounds), "+Inf"]
        running, rows = 0, []
        for label, count in zip(labels, self.counts, strict=True):
            running += count
            rows.append((label, running))
        return rows


class StoreFigures(NamedTuple):
    """What a scrape measures of the file of the SQLite engine."""

    log_bytes: int = 0  # the write-ahead log
    free_bytes: int | None = None  # of the disk; None: not known
    checkpoints_failed: int = 0  # since the start


class Metrics:
    """The metrics of one service since it started. Gauges that cost a query are set just before a scrape."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()  # by status
        self.arrivals: Counter[tuple[str, str]] = Counter()  # by region and result
        self.ignored: Counter[str] = Counter()  # events that did not fan in, by reason
        self.outcomes: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()  # notifications: ok or failed
        self.dead_lettered: Counter[str] = Counter()  # notifications, by target
        self.batch = Histogram(BATCH_BOUNDS)
        self.timer_delay_s = Histogram(DELAY_BOUNDS_S)
        self.ack_s = Histogram(LATENCY_BOUNDS_S)
        self.commit_s = Histogram(LATENCY_BOUNDS_S)
        self.lag_s: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(LAG_BOUNDS_S))  # by region
        self.region_refreshes: Counter[str] = Counter()  # of the registry: ok or failed
        self.unreadable_rows: Counter[str] = Counter()  # of the file, by table
        # An engine that shares its store does not know what it holds, and shows no gauge instead of a 0.
        self.owns_store = False
        self.waiting = 0
        self.pending = 0
        self.dead = 0
        self.measure_store: Callable[[], StoreFigures] = StoreFigures
        # By target: the state of its breaker (`fanin.aggregator.notify.breaker.BreakerState`).
        self.breakers: dict[str, str] = {}
        self.paused: dict[str, bool] = {}  # by target, those that were ever paused
        # Seconds since the oldest pending notification was decided; None when that cannot be read now.
        self.outbox_age_s: Callable[[], float | None] = lambda: 0.0

    def render(self) -> bytes:
        """The page at ``/metrics``, in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.registry import Collector

        metrics = self

        class _All(Collector):
            def collect(self) -> Iterable["Metric"]:
                return metrics._families()

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_All())
        return generate_latest(registry)

    def _families(self) -> Iterable["Metric"]:
        from prometheus_client.core import HistogramMetricFamily

        yield _counter("fanin_requests", "Webhook requests by status answered.", ("status",), self.requests)
        yield _counter(
            "fanin_arrivals", "Arrivals by region and result.", ("region", "result"), self.arrivals
        )
        doc = "Events that were answered 200 and do not fan in, by reason."
        yield _counter("fanin_ignored", doc, ("reason",), self.ignored)
        yield _counter("fanin_outcomes", "Operations decided, by outcome.", ("outcome",), self.outcomes)
        yield _counter(
            "fanin_notification_attempts", "Attempts at notifying, by result.", ("result",), self.attempts
        )
        yield _counter(
            "fanin_notifications_dead_lettered",
            "Notifications that became dead letters, by target.",
            ("target",),
            self.dead_lettered,
        )
        if self.owns_store:
            yield from self._stored()
        doc = "Lines of the log that could not be written."
        yield _counter("fanin_log_lines_dropped", doc, (), {(): log.dropped_lines()})
        if self.region_refreshes:
            doc = "Queries of the registry for its regions, by result."
            yield _counter("fanin_region_refreshes", doc, ("result",), self.region_refreshes)
        for name, doc, histogram in (
            ("fanin_ack_seconds", "From a webhook's head to its 2xx.", self.ack_s),
            ("fanin_commit_seconds", "One transaction, with its flush.", self.commit_s),
            ("fanin_commit_batch_rows", "Arrivals, deadlines and marks per transaction.", self.batch),
            ("fanin_timer_delay_seconds", "From a deadline to its decision.", self.timer_delay_s),
        ):
            yield HistogramMetricFamily(name, doc, histogram.buckets(), histogram.total)
        lag = HistogramMetricFamily(
            "fanin_region_lag_seconds", "From an operation's first arrival to a region's.", labels=("region",)
        )
        for region, histogram in sorted(self.lag_s.items()):
            lag.add_metric([region], histogram.buckets(), histogram.total)
        yield lag

    def _stored(self) -> Iterable["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily("fanin_waiting", "Operations without an outcome.", self.waiting)
        yield GaugeMetricFamily("fanin_outbox", "Notifications not accepted yet.", self.pending)
        yield GaugeMetricFamily(
            "fanin_dead_letters", "Notifications that are not retried any more.", self.dead
        )
        if self.breakers:
            doc = "Whether a target is taken to be down: 0 no, 1 yes, and notifications wait for a probe."
            down = GaugeMetricFamily("fanin_target_down", doc, labels=("target",))
            for target, state in sorted(self.breakers.items()):
                down.add_metric([target], state != "closed")
            yield down
        if self.paused:
            doc = "Whether an operator has paused a target."
            paused = GaugeMetricFamily("fanin_target_paused", doc, labels=("target",))
            for target, value in sorted(self.paused.items()):
                paused.add_metric([target], value)
            yield paused
        if (age_s := self.outbox_age_s()) is not None:
            yield GaugeMetricFamily("fanin_outbox_age_seconds", "Age of the oldest in the outbox.", age_s)
        figures = self.measure_store()
        yield GaugeMetricFamily("fanin_wal_bytes", "Size of SQLite's write-ahead log.", figures.log_bytes)
        if figures.free_bytes is not None:
            yield GaugeMetricFamily("fanin_disk_free_bytes", "Room on the data's disk.", figures.free_bytes)
        doc = "Checkpoints at a scrape that failed or could not end."
        yield _counter("fanin_checkpoints_failed", doc, (), {(): figures.checkpoints_failed})
        yield _counter(
            "fanin_unreadable_rows",
            "Rows of the file that cannot be read, each counted once.",
            ("table",),
            self.unreadable_rows,
        )


def _counter(name: str, doc: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, doc, labels=labels)
    for key, value in sorted(values.items(), key=lambda item: str(item[0])):
        family.add_metric([str(part) for part in (key if isinstance(key, tuple) else (key,))], value)
    return family


def record_outcome(metrics: Metrics, notification: Notification) -> str:
    """Count an operation's outcome, once; return its line for `fanin.aggregator.log.lines`."""
    metrics.outcomes[notification.outcome] += 1
    if notification.outcome is Phase.COMPLETED_LATE:
        return log.line("completed-late", operation=notification.operation_id)
    if notification.outcome is Phase.TIMED_OUT:
        metrics.timer_delay_s.observe((notification.decided_ms - notification.deadline_ms) / 1000)
    return log.line(
        "decided",
        operation=notification.operation_id,
        outcome=notification.outcome,
        arrived=notification.arrived,
        missing=notification.missing or None,
    )
