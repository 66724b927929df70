-- The three tables of the original come first, with its columns and words: what people and their queries read. Nothing that is
-- decided is read from them, so a row that was written or changed by hand changes no decision.
-- Their times are UTC text (yyyy-MM-dd HH:mm:ss.SSS), their dates yyyy-MM-dd.

CREATE TABLE IF NOT EXISTS batch_execution_details (
    batch_id         TEXT NOT NULL, -- one requested execution
    batch_category   TEXT NOT NULL, -- the category as it was asked for
    business_date    TEXT NOT NULL, -- the date it was asked for
    batch_mode       TEXT,          -- SCHEDULED or MANUAL
    batch_status     TEXT,          -- IN_PROGRESS, COMPLETED or FAILED
    start_time       TEXT,          -- when the current run began
    end_time         TEXT,          -- when it ended
    extension_fields TEXT,          -- JSON: backup_response, error_message, error_code
    PRIMARY KEY (batch_id, business_date)
) STRICT;

CREATE INDEX IF NOT EXISTS batch_execution_details_by_date
    ON batch_execution_details (business_date);

CREATE TABLE IF NOT EXISTS batch_db_schedule_event_tracker (
    batch_id                TEXT NOT NULL, -- the batch
    backup_job_categorycode TEXT NOT NULL, -- the category as it was asked for
    backup_status           TEXT NOT NULL, -- IN_PROGRESS, SUCCESS or FAILED
    backup_type             TEXT,          -- full_backup, incremental_backup or another strategy; NULL: not planned
    business_date           TEXT NOT NULL, -- the date it was asked for
    start_time              TEXT,          -- when the current run began
    end_time                TEXT,          -- when it ended
    backup_response         TEXT,          -- JSON: the last answer of YBA; written when the batch ends
    PRIMARY KEY (batch_id, business_date)
) STRICT;

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_date
    ON batch_db_schedule_event_tracker (business_date);

CREATE TABLE IF NOT EXISTS exception_details (
    exception_id     TEXT NOT NULL, -- the failure
    batch_id         TEXT,          -- the batch; NULL: the request named none
    execution_type   TEXT,          -- BACKUP: a batch that failed; REQUEST: one that was refused; SURPLUS: a backup too many
    error_message    TEXT,          -- what happened
    extension_fields TEXT,          -- JSON: error_code, advice, category
    start_time       TEXT,          -- when the run began; of a request: when it was refused
    end_time         TEXT,          -- when it failed
    business_date    TEXT NOT NULL, -- its business date, or the day of the request
    PRIMARY KEY (exception_id, business_date)
) STRICT;

CREATE INDEX IF NOT EXISTS exception_details_by_batch
    ON exception_details (batch_id);

CREATE INDEX IF NOT EXISTS exception_details_refused
    ON exception_details (business_date) WHERE execution_type = 'REQUEST';

-- What is true: tables of our own, whose primary keys are the guarantees. Their instants are UTC text of one width, so that they
-- sort.

CREATE TABLE IF NOT EXISTS backup_batch (
    batch_id       TEXT NOT NULL PRIMARY KEY, -- the batch
    business_date  TEXT NOT NULL,             -- the date it was asked for
    batch_category TEXT NOT NULL,             -- the category as it was asked for
    category_key   TEXT,                      -- the category as categories are compared: without regard to case
    batch_mode     TEXT NOT NULL,             -- SCHEDULED or MANUAL
    target         TEXT NOT NULL,             -- the key of the target it resolved to
    created_at     TEXT NOT NULL,             -- when the batch was first recorded
    started_at     TEXT NOT NULL,             -- when the current run began
    ended_at       TEXT,                      -- when it ended
    deadline_at    TEXT NOT NULL,             -- when the current run ends, whatever YBA does
    strategy       TEXT,                      -- what is posted: full_backup, incremental_backup or another; NULL: not planned
    plan_base      TEXT,                      -- the full backup that an increment builds on
    plan_reason    TEXT,                      -- why it was planned so
    task_id        TEXT,                      -- the task of YBA, once the batch ended
    backup_id      TEXT,                      -- the backup of YBA
    error_code     TEXT,                      -- the stable code of the failure; NULL and ended: it succeeded
    error_message  TEXT,                      -- what happened
    error_advice   TEXT                       -- what to do next
) STRICT;

CREATE INDEX IF NOT EXISTS backup_batch_by_date
    ON backup_batch (business_date, target);

CREATE INDEX IF NOT EXISTS backup_batch_by_age
    ON backup_batch (created_at, batch_id);

-- Who works on what. While a backup runs, only its row here changes.

CREATE TABLE IF NOT EXISTS backup_work (
    batch_id         TEXT NOT NULL PRIMARY KEY,  -- the batch
    business_date    TEXT NOT NULL,              -- its business date
    slot             TEXT NOT NULL,              -- the instance and universe that it locks
    created_at       TEXT NOT NULL,              -- when the batch was first recorded: the order of a queue
    phase            TEXT NOT NULL,              -- PLANNED, WAITING, SUBMITTING, RUNNING, SETTLING or DONE
    phase_since      TEXT NOT NULL,              -- since when
    waiting_since    TEXT,                       -- since when nothing could be started
    note             TEXT,                       -- JSON: why it waits or settles
    cancel_requested INTEGER NOT NULL,           -- 1: somebody asked to cancel it
    is_open          INTEGER NOT NULL,           -- 1: not DONE
    is_waiting       INTEGER NOT NULL,           -- 1: WAITING
    due_at           INTEGER NOT NULL,           -- owned: when the lease ends; else: not before. Milliseconds, UTC
    epoch            INTEGER NOT NULL,           -- the fencing token: one more for each new ownership
    owner            TEXT,                       -- the orchestrator that works on it
    task_id          TEXT,                       -- the task of YBA, until the batch ends
    backup_response  TEXT,                       -- JSON: the last answer of YBA, until the batch ends
    lost_attempts    TEXT,                       -- JSON: attempts that may have started something that nobody found
    in_doubt         INTEGER NOT NULL DEFAULT 0, -- 1: an attempt had no definite answer, or there was more than one
    surplus          TEXT,                       -- JSON: tasks of this batch that are not the one it counts
    audit_due_at     INTEGER,                    -- when YBA is next asked for a surplus; NULL: no audit. Milliseconds, UTC
    audit_until      INTEGER                     -- when the audit ends. Milliseconds, UTC
) STRICT;

CREATE INDEX IF NOT EXISTS backup_work_due
    ON backup_work (due_at, batch_id) WHERE is_open = 1;

CREATE INDEX IF NOT EXISTS backup_work_queue
    ON backup_work (slot, created_at, batch_id) WHERE is_waiting = 1;

CREATE INDEX IF NOT EXISTS backup_work_audit
    ON backup_work (audit_due_at, batch_id) WHERE audit_due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS backup_idempotency (
    idempotency_key TEXT NOT NULL PRIMARY KEY, -- the key of a caller
    batch_id        TEXT NOT NULL              -- the one batch that it created
) STRICT;

CREATE INDEX IF NOT EXISTS backup_idempotency_by_batch
    ON backup_idempotency (batch_id);

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
