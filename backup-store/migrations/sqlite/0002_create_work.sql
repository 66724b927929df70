-- Who works on what: small tables whose primary keys are the guarantees.

CREATE TABLE IF NOT EXISTS backup_work (
    batch_id         TEXT NOT NULL PRIMARY KEY, -- the batch
    business_date    TEXT NOT NULL,             -- its business date
    slot             TEXT NOT NULL,             -- the instance and universe that it locks
    created_at       TEXT NOT NULL,             -- when the batch was first recorded: the order of a queue
    phase            TEXT NOT NULL,             -- PLANNED, WAITING, SUBMITTING, RUNNING, SETTLING or DONE
    phase_since      TEXT NOT NULL,             -- since when
    waiting_since    TEXT,                      -- since when nothing could be started
    note             TEXT,                      -- JSON: why it waits or settles
    cancel_requested INTEGER NOT NULL,          -- 1: somebody asked to cancel it
    is_open          INTEGER NOT NULL,          -- 1: not DONE
    is_waiting       INTEGER NOT NULL,          -- 1: WAITING
    due_at           INTEGER NOT NULL,          -- owned: when the lease ends; else: not before. Milliseconds, UTC
    epoch            INTEGER NOT NULL,          -- the fencing token: one more for each new ownership
    owner            TEXT,                      -- the orchestrator that works on it
    lost_attempts    TEXT                       -- JSON: attempts that may have started something that nobody found
) STRICT;

CREATE INDEX IF NOT EXISTS backup_work_due
    ON backup_work (due_at, batch_id) WHERE is_open = 1;

CREATE INDEX IF NOT EXISTS backup_work_queue
    ON backup_work (slot, created_at, batch_id) WHERE is_waiting = 1;

CREATE TABLE IF NOT EXISTS backup_idempotency (
    idempotency_key TEXT NOT NULL PRIMARY KEY, -- the key of a caller
    batch_id        TEXT NOT NULL              -- the one batch that it created
) STRICT;

CREATE TABLE IF NOT EXISTS backup_attempt (
    attempt_id     TEXT NOT NULL PRIMARY KEY, -- sent to YBA as X-REQUEST-ID
    batch_id       TEXT NOT NULL,             -- the batch
    attempt_number INTEGER NOT NULL,          -- 1 for the first of the batch
    attempted_at   TEXT NOT NULL              -- when it was recorded, before it was sent
) STRICT;

CREATE INDEX IF NOT EXISTS backup_attempt_by_batch
    ON backup_attempt (batch_id, attempt_number);

CREATE TABLE IF NOT EXISTS universe_slot (
    slot     TEXT NOT NULL PRIMARY KEY, -- an instance and a universe
    batch_id TEXT NOT NULL              -- the one batch that is under way there
) STRICT;
