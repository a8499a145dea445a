"""The bugs that findings look like: what each is like from outside, and what is usually behind it.

Rules of this file: the sentences are those of docs/bugs.md, which cites the reports that they come from; a
test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownBug:
    """One kind of bug that webhook fan-in has had in public."""

    symptom: str  # seen from outside
    cause: str  # usually behind it


KNOWN_BUGS: Mapping[str, KnownBug] = {
    "B01": KnownBug(
        "two regions report almost at once, and one of them is reported missing",
        (
            "the handler looks whether the operation exists and then starts it; both looked"
            " before either had started it"
        ),
    ),
    "B02": KnownBug(
        "an event right after the start is lost, without an error",
        "the instance exists, but a look-up does not find it yet",
    ),
    "B03": KnownBug(
        "an event soon after an id is used again counts for the earlier operation",
        "the engine finds stale state under the same id",
    ),
    "B04": KnownBug(
        "one of several first deliveries is refused, or accepted and lost",
        (
            'the loser of the race to start gets "exists already" and stops, instead of'
            " delivering to the winner"
        ),
    ),
    "B05": KnownBug(
        "the region that started the operation never counts",
        "the operation's code runs before its handler for events is registered",
    ),
    "B06": KnownBug(
        "everything was acknowledged, and there is no outcome",
        "a lost wake-up: the event came between the check for waiters and the registration of the waiter",
    ),
    "B07": KnownBug(
        "an id that is used again completes at once",
        "a promise or event of an earlier operation resolves the wait",
    ),
    "B08": KnownBug(
        "under bursts, some events never count",
        "history is rolled over (continue-as-new), and what arrives in between is dropped or misrouted",
    ),
    "B09": KnownBug(
        "after one wait has timed out, the next event is lost",
        "the cancelled waiter still consumes an event",
    ),
    "B10": KnownBug(
        "every operation times out and reports every region missing",
        "each region is waited for twice, and events go to the waiter whose result is not read",
    ),
    "B11": KnownBug(
        "after a crash or retry, the first region is missing",
        "the engine runs the operation again from its input, which does not hold the event that started it",
    ),
    "B12": KnownBug(
        "an event while the operation closes is lost, or the operation never closes",
        "the inbox is not read before the end; or the engine does not close while events come",
    ),
    "B13": KnownBug(
        "an operation hangs after two events at the same time",
        "one event clears all waits, including one that was just added",
    ),
    "B14": KnownBug(
        "completed, but the notification comes only at the deadline",
        "the timer that lost is still waited for",
    ),
    "B15": KnownBug(
        "the same outcome twice, under two keys",
        "duplicates are recognised by reading and then writing; two copies read before either wrote",
    ),
    "B16": KnownBug(
        "a duplicate counts again after a restart, or at another replica",
        "the deliveries seen are kept in memory",
    ),
    "B17": KnownBug(
        "after a failed first attempt, the retry is dropped",
        "a delivery is marked as seen before it is processed",
    ),
    "B18": KnownBug(
        "a duplicate hours or days later starts the operation again, or notifies again",
        (
            "deliveries are remembered for less time than the sender retries. The Standard"
            " Webhooks text suggests five minutes, beside a schedule of 75 hours"
        ),
    ),
    "B19": KnownBug(
        "only the first region counts; or two operations share a notification key",
        "the identity is too coarse: all regions send the same id and the same body",
    ),
    "B20": KnownBug(
        "duplicates are never recognised",
        "the identity is too fine: an id per attempt, or one that a proxy adds",
    ),
    "B21": KnownBug(
        "the same event many times: three times on average, up to 46 times in 29 hours",
        "at-least-once delivery, as it is specified",
    ),
    "B22": KnownBug(
        "completed with a region missing, after a duplicate",
        "deliveries are counted instead of distinct regions",
    ),
    "B23": KnownBug(
        "of two events at the same time one does not count, or counts twice",
        (
            "the engine tracks one message in flight per operation; or a command is sent again"
            " without deduplication"
        ),
    ),
    "B24": KnownBug(
        "a delivery gets no answer in time, and is sent again",
        "the work is done before the answer, and takes longer than the sender waits",
    ),
    "B25": KnownBug("completed too early", '"all regions seen so far" is taken for "all regions expected"'),
    "B26": KnownBug(
        "with two nodes, an operation never completes",
        "the loser of an insert under a unique key gives up, and is not repeated",
    ),
    "B27": KnownBug(
        "a set of one member, or none, never completes or fails",
        "the smallest sizes are not handled",
    ),
    "B28": KnownBug(
        "completed before the group was stored, and lost",
        "the first member is faster than the write of the group",
    ),
    "B29": KnownBug(
        "an operation hangs or times out after a change of the configuration",
        "the expected set is read when it is needed, instead of stored at the start",
    ),
    "B30": KnownBug(
        "an outcome is reported for the wrong operation",
        "a store or callback is shared, without an owner",
    ),
    "B31": KnownBug(
        "a late event of an older change turns a finished state back",
        "the order of arrival is used instead of the order of the events",
    ),
    "B32": KnownBug(
        "an unknown region counts, or a known one in other letter case does not",
        "region names are not normalised, or not checked",
    ),
    "B33": KnownBug("nothing happens at the deadline", "no timer, or one that is armed only after success"),
    "B34": KnownBug("timed out at the moment of an arrival", "every wake-up is taken for the timer's"),
    "B35": KnownBug(
        "another outcome after a restart",
        "the event and the timer are both in the history, and replay lets the timer win",
    ),
    "B36": KnownBug(
        "completed and timed out",
        "the arrival and the timer decide independently, without compare-and-set",
    ),
    "B37": KnownBug(
        "long deadlines behave unlike short ones",
        "long timers are split into pieces, which are handled differently",
    ),
    "B38": KnownBug("nothing happens at the deadline after a restart", "the timer was in memory"),
    "B39": KnownBug(
        "timed out late, by the time that the aggregator had run before its restart",
        "the timeout is armed again, instead of the deadline stored",
    ),
    "B40": KnownBug(
        "a timer is in the store and never fires",
        "the row was written without the task that fires it",
    ),
    "B41": KnownBug(
        "a deadline weeks ahead passes at once",
        "the delay in milliseconds does not fit 31 bits, about 24.8 days",
    ),
    "B42": KnownBug(
        "timed out hours too early or late, or an hour off twice a year",
        "instants with and without a time zone are mixed; arithmetic in local time",
    ),
    "B43": KnownBug(
        "accepted in time, and judged late",
        "the deadline is compared with the time of processing",
    ),
    "B43b": KnownBug(
        "timed out twice, or notified again after the sink had accepted",
        "two pollers, or the next poll before the row was marked",
    ),
    "B43c": KnownBug(
        "an operation waits for ever after its deadline",
        "expiry and outcome are two transactions",
    ),
    "B43d": KnownBug(
        "timers stop after an operation was completed",
        "the timer of a closed operation fires, and its error ends the loop",
    ),
    "B44": KnownBug(
        "a second outcome, one timeout after a late or repeated delivery",
        "the outcome was deleted, so the delivery started a new operation",
    ),
    "B45": KnownBug(
        "an id that is used again completes without all its regions",
        "the earlier operation's state was not removed",
    ),
    "B46": KnownBug(
        "a late event is answered 2xx and leaves no trace",
        "a finished instance accepts events and drops them",
    ),
    "B47": KnownBug(
        "timed out, and completed when the missing region arrived",
        "the outcome does not fence off late arrivals",
    ),
    "B48": KnownBug(
        "a second, legitimate push under a used id is ignored",
        '"completed" is treated like "exists"',
    ),
    "B49": KnownBug(
        "the store grows without bound",
        "operations, groups or promises that nothing refers to are not removed",
    ),
    "B50": KnownBug(
        "an acknowledged arrival is lost in a crash",
        "2xx was answered before the arrival was durable",
    ),
    "B51": KnownBug(
        "decided, without a notification",
        "outcome and notification are two transactions, or failed attempts are not repeated",
    ),
    "B52": KnownBug(
        "notified twice, and the sink cannot recognise it",
        "no stable notification id; or a crash between sending and marking gives it a new one",
    ),
    "B53": KnownBug(
        "notified twice during a rolling deployment",
        (
            "the old process is stopped after its commit and before its acknowledgement, and the"
            " new one repeats the work"
        ),
    ),
    "B54": KnownBug(
        "after a recovery, two processes work on one operation",
        "recovery does not fence off the other owner",
    ),
    "B55": KnownBug(
        "server errors under load, or now and then",
        (
            "a transaction that reads and then writes fails at once when another one writes; it"
            " must begin as a writer"
        ),
    ),
    "B56": KnownBug(
        "notified again while the sink was still answering",
        "the lease is shorter than the work, so a second worker took over",
    ),
    "B57": KnownBug(
        "an acknowledged record is truncated after a power failure",
        "no fsync, or no atomic rename",
    ),
    "B58": KnownBug(
        "an outage of the sink turns a completion into a timeout, or loses it",
        "the outcome is decided at delivery, not at fan-in",
    ),
    "B59": KnownBug("after an outage the sink is flooded", "unlimited retries are released at once"),
    "B60": KnownBug("a lost request means that the event never comes", "the sender does not retry"),
    "B61": KnownBug(
        "after a restart of the sender, its pending events are lost",
        "the sender's queue is in memory",
    ),
    "B62": KnownBug(
        "one event or notification that is refused blocks all others",
        "one queue, processed strictly in order",
    ),
    "B63": KnownBug(
        "of several events in one request only the first counts",
        "the handler expects one event per request",
    ),
    "B64": KnownBug(
        "retries are refused after some minutes",
        "the signature's timestamp is not renewed, or clocks differ",
    ),
    "B65": KnownBug(
        "a side effect is repeated with every event",
        "it is in code that the engine replays, or the engine replays without end",
    ),
    "B66": KnownBug(
        "an operation changes its outcome after a restart or deployment",
        "the clock or the configuration is read in code that is replayed",
    ),
    "B67": KnownBug(
        "the configured timeout does not apply",
        "the setting is read under another name than the documented one",
    ),
    "B68": KnownBug(
        "a misspelt name is accepted and has no effect",
        "names that are not registered are not refused",
    ),
    "B69": KnownBug(
        "the connection breaks without an answer, or an event is lost without a log line",
        "an exception is not handled, or swallowed",
    ),
}
