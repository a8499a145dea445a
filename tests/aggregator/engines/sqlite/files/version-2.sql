PRAGMA application_id = 1717661289;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE dead_letter (
    n         INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they became dead letters
    target    TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    notify    TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    dead_ms   INTEGER NOT NULL,
    error     TEXT
) STRICT;
CREATE TABLE operation (
    n           INTEGER PRIMARY KEY,     -- in order of their start
    id          TEXT    NOT NULL UNIQUE, -- the correlation key
    deadline_ms INTEGER NOT NULL,        -- Unix epoch; never changes
    outcome     TEXT,                    -- NULL while it waits; written once
    decided_ms  INTEGER,
    state       TEXT    NOT NULL         -- JSON: aggregator.fanin.FanIn
) STRICT;
INSERT INTO "operation" VALUES(1,'completed',1772323320000,'completed',1772323201000,'{"operation_id":"completed","subject":{"action":"push","host":"demo.azurecr.io","repository":"team/app","tag":"completed","digest":"sha256:11"},"expected":["eastus","westus"],"started_ms":1772323200000,"deadline_ms":1772323320000,"arrived":{"eastus":1772323200000,"westus":1772323201000},"duplicates":1,"phase":"completed","decided_ms":1772323201000}');
INSERT INTO "operation" VALUES(2,'timed-out',1772323321000,'timed_out',1772323321000,'{"operation_id":"timed-out","subject":{"action":"push","host":"demo.azurecr.io","repository":"team/app","tag":"timed-out","digest":"sha256:11"},"expected":["eastus","westus"],"started_ms":1772323201000,"deadline_ms":1772323321000,"arrived":{"eastus":1772323201000},"late":{"westus":1772323321000},"phase":"timed_out","decided_ms":1772323321000}');
INSERT INTO "operation" VALUES(3,'waiting',1772323446000,NULL,NULL,'{"operation_id":"waiting","subject":{"action":"push","host":"demo.azurecr.io","repository":"team/app","tag":"waiting","digest":"sha256:11"},"expected":["eastus","westus"],"started_ms":1772323326000,"deadline_ms":1772323446000,"arrived":{"westus":1772323326000}}');
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
INSERT INTO "outbox" VALUES(1,'default','completed','{"key":"34b2e10021ddfcf416ff0bb13bcfd3d1","operation_id":"completed","outcome":"completed","subject":{"action":"push","host":"demo.azurecr.io","repository":"team/app","tag":"completed","digest":"sha256:11"},"arrived":["eastus","westus"],"missing":[],"started_ms":1772323200000,"deadline_ms":1772323320000,"decided_ms":1772323201000}',2,0,1772323328234,'Connection refused');
INSERT INTO "outbox" VALUES(2,'default','timed-out','{"key":"cf4bda4b58ac6c6f0e021216b8fef319","operation_id":"timed-out","outcome":"timed_out","subject":{"action":"push","host":"demo.azurecr.io","repository":"team/app","tag":"timed-out","digest":"sha256:11"},"arrived":["eastus"],"missing":["westus"],"started_ms":1772323201000,"deadline_ms":1772323321000,"decided_ms":1772323321000}',1,0,1772323326991,'Connection refused');
CREATE INDEX operation_waiting ON operation (deadline_ms) WHERE outcome IS NULL;
CREATE INDEX operation_decided ON operation (outcome, decided_ms) WHERE outcome IS NOT NULL;
CREATE INDEX outbox_retry ON outbox (target, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX outbox_operation ON outbox (operation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',2);
COMMIT;
