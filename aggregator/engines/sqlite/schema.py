"""What the SQLite file looks like, and how a file of an earlier version becomes one of this version."""

from collections.abc import Mapping

VERSION = 3
APPLICATION_ID = 0x66616E69  # "fani", so that another program's database is not taken for ours

# As of version 2. One row per notification and target. Dead letters have a table of their own, so that
# nothing that is busy looks through them, however many they are.
_OUTBOX_2 = """
CREATE TABLE outbox (
    n         INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: first attempts are found by it
    target    TEXT    NOT NULL,                  -- its name in the settings
    operation TEXT    NOT NULL,                  -- its id: not deleted while this row is here
    notify    TEXT    NOT NULL,                  -- JSON: fanin.aggregator.fanin.Notification
    attempts  INTEGER NOT NULL DEFAULT 0,        -- that failed
    tried_ms  INTEGER NOT NULL DEFAULT 0,        -- the pauses between attempts, added up
    due_ms    INTEGER,                           -- when it is attempted again; NULL before the first attempt
    error     TEXT                               -- why the last one failed
) STRICT;
CREATE INDEX outbox_retry ON outbox (target, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX outbox_operation ON outbox (operation);
CREATE TABLE dead_letter (
    n         INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they became dead letters
    target    TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    notify    TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    dead_ms   INTEGER NOT NULL,
    error     TEXT
) STRICT;
"""

# As of version 3. Dead letters of one target, or of one operation, are found among a million others.
_OUTBOX_3 = """
CREATE INDEX dead_letter_target ON dead_letter (target, n);
CREATE INDEX dead_letter_operation ON dead_letter (operation);
CREATE TABLE paused_target (
    target TEXT PRIMARY KEY -- nothing is sent to it until an operator resumes it
) STRICT;
"""

SCHEMA = f"""
CREATE TABLE operation (
    n           INTEGER PRIMARY KEY,     -- in order of their start
    id          TEXT    NOT NULL UNIQUE, -- the correlation key
    deadline_ms INTEGER NOT NULL,        -- Unix epoch; never changes
    outcome     TEXT,                    -- NULL while it waits; written once
    decided_ms  INTEGER,
    state       TEXT    NOT NULL         -- JSON: aggregator.fanin.FanIn
) STRICT;
CREATE INDEX operation_waiting ON operation (deadline_ms) WHERE outcome IS NULL;
CREATE INDEX operation_decided ON operation (outcome, decided_ms) WHERE outcome IS NOT NULL;
{_OUTBOX_2}{_OUTBOX_3}
PRAGMA user_version = {VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""

# By the version that a file has: what makes it one of the next version. All steps that a file needs run in
# one transaction. A step that was released is never changed: it meets files of its own time.
MIGRATIONS: Mapping[int, str] = {
    # Targets got names; until then there was one.
    1: f"""
ALTER TABLE outbox RENAME TO outbox_1;
DROP INDEX outbox_retry;
{_OUTBOX_2}
INSERT INTO outbox (n, target, operation, notify, attempts, due_ms, error)
SELECT n, 'default', json_extract(notify, '$.operation_id'), notify, attempts,
       iif(attempts > 0, due_ms, NULL), error
FROM outbox_1 ORDER BY n;
DROP TABLE outbox_1;
""",  # noqa: S608 - our own words
    # Targets can be paused; dead letters are found by target and by operation.
    2: _OUTBOX_3,
}
