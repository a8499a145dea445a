"""What a commit changes in the figures and adds to the log."""

import logging
from collections.abc import Sequence

from fanin.aggregator import log
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.engines.sqlite.writer import Request, Result, Results
from fanin.aggregator.fanin import ArrivalResult, FanIn, Phase, Region
from fanin.aggregator.metrics import Metrics, record_outcome
from fanin.aggregator.wire import Arrival


def record_commit(
    metrics: Metrics, transaction: Transaction, batch: Sequence[Request], results: Sequence[Result]
) -> None:
    """Count and log a transaction that was committed, with its requests and their results."""
    _count(metrics, transaction, batch)
    every = log.LOGGER.isEnabledFor(logging.DEBUG)
    lines = []
    for request, result in zip(batch, results, strict=True):
        if isinstance(request, Arrival) and isinstance(result, Receipt):
            standing = result.result
            metrics.arrivals[request.region, standing] += 1
            if standing is not ArrivalResult.DUPLICATE:
                metrics.lag_s[request.region].observe(_lag_s(result.state, request.region))
            if every or standing is not ArrivalResult.COUNTED:
                lines.append(log.line(standing, operation=request.operation_id, region=request.region))
    lines += [record_outcome(metrics, effect) for effect in transaction.effects]
    log.lines(logging.INFO, lines)


def _count(metrics: Metrics, transaction: Transaction, batch: Sequence[Request]) -> None:
    rows = sum(len(it.results) if isinstance(it, Results) else 1 for it in batch)
    metrics.batch.observe(rows + (transaction.expired or 0))
    decided = [it for it in transaction.effects if it.outcome is not Phase.COMPLETED_LATE]
    metrics.waiting += transaction.started - len(decided)
    pending, dead = transaction.discarded
    metrics.pending += (
        transaction.enqueued.total() - transaction.delivered - transaction.dead_lettered - pending
    )
    metrics.dead += transaction.dead_lettered - transaction.requeued - dead


def _lag_s(state: FanIn, region: Region) -> float:
    """How long after its operation's first arrival a region reported."""
    at_ms = state.arrived.get(region) or state.late[region]
    return (at_ms - state.started_ms) / 1000
