-- What happened: the tables that people read. One row per batch in the first two, one per failure in the third.
-- A unique key of a partitioned table must contain the partition key: uniqueness lives in the plain tables.

CREATE TABLE IF NOT EXISTS batch_execution_details (
    batch_id         text NOT NULL,
    business_date    date NOT NULL,
    batch_category   text NOT NULL,
    batch_mode       text NOT NULL,
    status           text NOT NULL,
    start_time       timestamptz NOT NULL,
    end_time         timestamptz,
    extension_fields jsonb,
    PRIMARY KEY (batch_id, business_date)
) PARTITION BY RANGE (business_date);

COMMENT ON TABLE batch_execution_details IS 'Batches: one requested execution each';
COMMENT ON COLUMN batch_execution_details.batch_id IS 'One requested execution';
COMMENT ON COLUMN batch_execution_details.business_date IS 'The date it was asked for';
COMMENT ON COLUMN batch_execution_details.batch_category IS 'The category as it was asked for';
COMMENT ON COLUMN batch_execution_details.batch_mode IS 'SCHEDULED or MANUAL';
COMMENT ON COLUMN batch_execution_details.status IS 'IN_PROGRESS, COMPLETED or FAILED';
COMMENT ON COLUMN batch_execution_details.start_time IS 'When the current run began';
COMMENT ON COLUMN batch_execution_details.end_time IS 'When it ended';
COMMENT ON COLUMN batch_execution_details.extension_fields IS 'backup_response, error_message, error_code';

CREATE TABLE IF NOT EXISTS batch_execution_details_default
    PARTITION OF batch_execution_details DEFAULT;

CREATE TABLE IF NOT EXISTS batch_db_schedule_event_tracker (
    batch_id        text NOT NULL PRIMARY KEY,
    business_date   date NOT NULL,
    backup_status   text NOT NULL,
    backup_type     text,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz,
    backup_response jsonb,
    batch_category  text NOT NULL,
    batch_mode      text NOT NULL,
    target          text NOT NULL,
    created_at      timestamptz NOT NULL,
    deadline_at     timestamptz NOT NULL,
    plan_base       text,
    plan_reason     text,
    task_id         text,
    backup_id       text,
    error_code      text,
    error_message   text,
    error_advice    text
);

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_date
    ON batch_db_schedule_event_tracker (business_date);

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_age
    ON batch_db_schedule_event_tracker (created_at, batch_id);

COMMENT ON TABLE batch_db_schedule_event_tracker IS 'Backups: the state of each batch at YugabyteDB Anywhere';
COMMENT ON COLUMN batch_db_schedule_event_tracker.batch_id IS 'The batch: its first writer owns the id';
COMMENT ON COLUMN batch_db_schedule_event_tracker.business_date IS 'The date it was asked for';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_status IS 'IN_PROGRESS, SUCCESS or FAILED';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_type IS 'full_backup, incremental_backup or another strategy; NULL: not planned';
COMMENT ON COLUMN batch_db_schedule_event_tracker.start_time IS 'When the current run began';
COMMENT ON COLUMN batch_db_schedule_event_tracker.end_time IS 'When it ended';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_response IS 'The last answer of YBA';
COMMENT ON COLUMN batch_db_schedule_event_tracker.batch_category IS 'The category as it was asked for';
COMMENT ON COLUMN batch_db_schedule_event_tracker.batch_mode IS 'SCHEDULED or MANUAL';
COMMENT ON COLUMN batch_db_schedule_event_tracker.target IS 'The key of the target it resolved to';
COMMENT ON COLUMN batch_db_schedule_event_tracker.created_at IS 'When the batch was first recorded';
COMMENT ON COLUMN batch_db_schedule_event_tracker.deadline_at IS 'When the current run ends, whatever YBA does';
COMMENT ON COLUMN batch_db_schedule_event_tracker.plan_base IS 'The full backup that an increment builds on';
COMMENT ON COLUMN batch_db_schedule_event_tracker.plan_reason IS 'Why it was planned so';
COMMENT ON COLUMN batch_db_schedule_event_tracker.task_id IS 'The task of YBA';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_id IS 'The backup of YBA';
COMMENT ON COLUMN batch_db_schedule_event_tracker.error_code IS 'The stable code of the failure';
COMMENT ON COLUMN batch_db_schedule_event_tracker.error_message IS 'What happened';
COMMENT ON COLUMN batch_db_schedule_event_tracker.error_advice IS 'What to do next';

CREATE TABLE IF NOT EXISTS exception_details (
    exception_id   uuid NOT NULL,
    batch_id       text,
    business_date  date NOT NULL,
    batch_category text,
    error_code     text NOT NULL,
    error_message  text NOT NULL,
    error_advice   text,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (exception_id, business_date)
) PARTITION BY RANGE (business_date);

CREATE TABLE IF NOT EXISTS exception_details_default
    PARTITION OF exception_details DEFAULT;

CREATE INDEX IF NOT EXISTS exception_details_by_batch
    ON exception_details (batch_id);

COMMENT ON TABLE exception_details IS 'Failures of batches, and requests that never became one';
COMMENT ON COLUMN exception_details.exception_id IS 'The failure';
COMMENT ON COLUMN exception_details.batch_id IS 'The batch; NULL: the request named none';
COMMENT ON COLUMN exception_details.business_date IS 'Its business date, or the day of the request';
COMMENT ON COLUMN exception_details.batch_category IS 'The category as it was asked for';
COMMENT ON COLUMN exception_details.error_code IS 'The stable code';
COMMENT ON COLUMN exception_details.error_message IS 'What happened';
COMMENT ON COLUMN exception_details.error_advice IS 'What to do next';
COMMENT ON COLUMN exception_details.created_at IS 'When it was recorded';
