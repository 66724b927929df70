-- What happened: the tables that people read. One row per batch in the first two, one per failure in the third.
-- Instants are UTC text of one width, so that they sort; business dates are yyyy-MM-dd.

CREATE TABLE IF NOT EXISTS batch_execution_details (
    batch_id         TEXT NOT NULL PRIMARY KEY, -- one requested execution
    business_date    TEXT NOT NULL,             -- the date it was asked for
    batch_category   TEXT NOT NULL,             -- the category as it was asked for
    batch_mode       TEXT NOT NULL,             -- SCHEDULED or MANUAL
    status           TEXT NOT NULL,             -- IN_PROGRESS, COMPLETED or FAILED
    start_time       TEXT NOT NULL,             -- when the current run began
    end_time         TEXT,                      -- when it ended
    extension_fields TEXT                       -- JSON: backup_response, error_message, error_code
) STRICT;

CREATE INDEX IF NOT EXISTS batch_execution_details_by_date
    ON batch_execution_details (business_date);

CREATE TABLE IF NOT EXISTS batch_db_schedule_event_tracker (
    batch_id        TEXT NOT NULL PRIMARY KEY, -- the batch: its first writer owns the id
    business_date   TEXT NOT NULL,             -- the date it was asked for
    backup_status   TEXT NOT NULL,             -- IN_PROGRESS, SUCCESS or FAILED
    backup_type     TEXT,                      -- full_backup, incremental_backup or another strategy; NULL: not planned
    start_time      TEXT NOT NULL,             -- when the current run began
    end_time        TEXT,                      -- when it ended
    backup_response TEXT,                      -- JSON: the last answer of YBA
    batch_category  TEXT NOT NULL,             -- the category as it was asked for
    batch_mode      TEXT NOT NULL,             -- SCHEDULED or MANUAL
    target          TEXT NOT NULL,             -- the key of the target it resolved to
    created_at      TEXT NOT NULL,             -- when the batch was first recorded
    deadline_at     TEXT NOT NULL,             -- when the current run ends, whatever YBA does
    plan_base       TEXT,                      -- the full backup that an increment builds on
    plan_reason     TEXT,                      -- why it was planned so
    task_id         TEXT,                      -- the task of YBA
    backup_id       TEXT,                      -- the backup of YBA
    error_code      TEXT,                      -- the stable code of the failure
    error_message   TEXT,                      -- what happened
    error_advice    TEXT                       -- what to do next
) STRICT;

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_date
    ON batch_db_schedule_event_tracker (business_date);

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_age
    ON batch_db_schedule_event_tracker (created_at, batch_id);

CREATE TABLE IF NOT EXISTS exception_details (
    exception_id   TEXT NOT NULL PRIMARY KEY, -- a UUID
    batch_id       TEXT,                      -- the batch; NULL: the request named none
    business_date  TEXT NOT NULL,             -- its business date, or the day of the request
    batch_category TEXT,                      -- the category as it was asked for
    error_code     TEXT NOT NULL,             -- the stable code
    error_message  TEXT NOT NULL,             -- what happened
    error_advice   TEXT,                      -- what to do next
    created_at     TEXT NOT NULL              -- when it was recorded
) STRICT;

CREATE INDEX IF NOT EXISTS exception_details_by_batch
    ON exception_details (batch_id);
