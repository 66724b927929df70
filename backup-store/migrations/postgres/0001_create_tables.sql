-- The three tables of the original come first, with its columns, words and types: what people and their queries read. Nothing
-- that is decided is read from them, so a row that was written or changed by hand changes no decision.
-- Their times are UTC without a zone. A unique key of a partitioned table must contain the partition key.

CREATE TABLE IF NOT EXISTS batch_execution_details (
    batch_id         varchar(255) NOT NULL,
    batch_category   varchar(255) NOT NULL,
    business_date    date NOT NULL,
    batch_mode       varchar(50),
    batch_status     varchar(50),
    start_time       timestamp,
    end_time         timestamp,
    extension_fields jsonb,
    PRIMARY KEY (batch_id, business_date)
) PARTITION BY RANGE (business_date);

COMMENT ON TABLE batch_execution_details IS 'Batches: one requested execution each';
COMMENT ON COLUMN batch_execution_details.batch_id IS 'One requested execution';
COMMENT ON COLUMN batch_execution_details.batch_category IS 'The category as it was asked for';
COMMENT ON COLUMN batch_execution_details.business_date IS 'The date it was asked for';
COMMENT ON COLUMN batch_execution_details.batch_mode IS 'SCHEDULED or MANUAL';
COMMENT ON COLUMN batch_execution_details.batch_status IS 'IN_PROGRESS, COMPLETED or FAILED';
COMMENT ON COLUMN batch_execution_details.start_time IS 'When the current run began, UTC';
COMMENT ON COLUMN batch_execution_details.end_time IS 'When it ended, UTC';
COMMENT ON COLUMN batch_execution_details.extension_fields IS 'backup_response, error_message, error_code';

CREATE TABLE IF NOT EXISTS batch_execution_details_default
    PARTITION OF batch_execution_details DEFAULT;

CREATE TABLE IF NOT EXISTS batch_db_schedule_event_tracker (
    batch_id                varchar(255) NOT NULL,
    backup_job_categorycode varchar(255) NOT NULL,
    backup_status           varchar(50) NOT NULL,
    backup_type             varchar(50),
    business_date           date NOT NULL,
    start_time              timestamp,
    end_time                timestamp,
    backup_response         text,
    PRIMARY KEY (batch_id, business_date)
);

CREATE INDEX IF NOT EXISTS batch_db_schedule_event_tracker_by_date
    ON batch_db_schedule_event_tracker (business_date);

COMMENT ON TABLE batch_db_schedule_event_tracker IS 'Backups: the state of each batch at YugabyteDB Anywhere';
COMMENT ON COLUMN batch_db_schedule_event_tracker.batch_id IS 'The batch';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_job_categorycode IS 'The category as it was asked for';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_status IS 'IN_PROGRESS, SUCCESS or FAILED';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_type IS 'full_backup, incremental_backup or another strategy; NULL: not planned';
COMMENT ON COLUMN batch_db_schedule_event_tracker.business_date IS 'The date it was asked for';
COMMENT ON COLUMN batch_db_schedule_event_tracker.start_time IS 'When the current run began, UTC';
COMMENT ON COLUMN batch_db_schedule_event_tracker.end_time IS 'When it ended, UTC';
COMMENT ON COLUMN batch_db_schedule_event_tracker.backup_response IS 'The last answer of YBA, as JSON; written when the batch ends';

CREATE TABLE IF NOT EXISTS exception_details (
    exception_id     varchar(255) NOT NULL,
    batch_id         varchar(255),
    execution_type   varchar(50),
    error_message    text,
    extension_fields jsonb,
    start_time       timestamp,
    end_time         timestamp,
    business_date    date NOT NULL,
    PRIMARY KEY (exception_id, business_date)
) PARTITION BY RANGE (business_date);

CREATE TABLE IF NOT EXISTS exception_details_default
    PARTITION OF exception_details DEFAULT;

CREATE INDEX IF NOT EXISTS exception_details_by_batch
    ON exception_details (batch_id);

CREATE INDEX IF NOT EXISTS exception_details_refused
    ON exception_details (business_date) WHERE execution_type = 'REQUEST';

COMMENT ON TABLE exception_details IS 'Failures of batches, and requests that never became one';
COMMENT ON COLUMN exception_details.exception_id IS 'The failure';
COMMENT ON COLUMN exception_details.batch_id IS 'The batch; NULL: the request named none';
COMMENT ON COLUMN exception_details.execution_type IS 'BACKUP: a batch that failed; REQUEST: one that was refused; SURPLUS: a backup too many';
COMMENT ON COLUMN exception_details.error_message IS 'What happened';
COMMENT ON COLUMN exception_details.extension_fields IS 'error_code, advice, category';
COMMENT ON COLUMN exception_details.start_time IS 'When the run began, UTC; of a request: when it was refused';
COMMENT ON COLUMN exception_details.end_time IS 'When it failed, UTC';
COMMENT ON COLUMN exception_details.business_date IS 'Its business date, or the day of the request';

-- What is true: tables of our own, not partitioned, whose primary keys are the guarantees.

CREATE TABLE IF NOT EXISTS backup_batch (
    batch_id       text NOT NULL PRIMARY KEY,
    business_date  date NOT NULL,
    batch_category text NOT NULL,
    category_key   text,
    batch_mode     text NOT NULL,
    target         text NOT NULL,
    created_at     timestamptz NOT NULL,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    deadline_at    timestamptz NOT NULL,
    strategy       text,
    plan_base      text,
    plan_reason    text,
    task_id        text,
    backup_id      text,
    error_code     text,
    error_message  text,
    error_advice   text
);

CREATE INDEX IF NOT EXISTS backup_batch_by_date
    ON backup_batch (business_date, target);

CREATE INDEX IF NOT EXISTS backup_batch_by_age
    ON backup_batch (created_at, batch_id);

COMMENT ON TABLE backup_batch IS 'Batches: what was asked for, what was planned, and what came of it';
COMMENT ON COLUMN backup_batch.batch_id IS 'The batch: its first writer owns the id';
COMMENT ON COLUMN backup_batch.business_date IS 'The date it was asked for';
COMMENT ON COLUMN backup_batch.batch_category IS 'The category as it was asked for';
COMMENT ON COLUMN backup_batch.category_key IS 'The category as categories are compared: without regard to case';
COMMENT ON COLUMN backup_batch.batch_mode IS 'SCHEDULED or MANUAL';
COMMENT ON COLUMN backup_batch.target IS 'The key of the target it resolved to';
COMMENT ON COLUMN backup_batch.created_at IS 'When the batch was first recorded';
COMMENT ON COLUMN backup_batch.started_at IS 'When the current run began';
COMMENT ON COLUMN backup_batch.ended_at IS 'When it ended';
COMMENT ON COLUMN backup_batch.deadline_at IS 'When the current run ends, whatever YBA does';
COMMENT ON COLUMN backup_batch.strategy IS 'What is posted: full_backup, incremental_backup or another; NULL: not planned';
COMMENT ON COLUMN backup_batch.plan_base IS 'The full backup that an increment builds on';
COMMENT ON COLUMN backup_batch.plan_reason IS 'Why it was planned so';
COMMENT ON COLUMN backup_batch.task_id IS 'The task of YBA, once the batch ended';
COMMENT ON COLUMN backup_batch.backup_id IS 'The backup of YBA';
COMMENT ON COLUMN backup_batch.error_code IS 'The stable code of the failure; NULL and ended: it succeeded';
COMMENT ON COLUMN backup_batch.error_message IS 'What happened';
COMMENT ON COLUMN backup_batch.error_advice IS 'What to do next';

-- Who works on what. The indexes of due work begin with a bucket, so that they are spread and still ordered on YugabyteDB.
-- While a backup runs, only its row here changes.

CREATE TABLE IF NOT EXISTS backup_work (
    batch_id         text NOT NULL PRIMARY KEY,
    business_date    date NOT NULL,
    bucket           smallint NOT NULL,
    slot             text NOT NULL,
    created_at       timestamptz NOT NULL,
    phase            text NOT NULL,
    phase_since      timestamptz NOT NULL,
    waiting_since    timestamptz,
    note             jsonb,
    cancel_requested boolean NOT NULL,
    is_open          boolean NOT NULL,
    is_waiting       boolean NOT NULL,
    due_at           timestamptz NOT NULL,
    epoch            bigint NOT NULL,
    owner            uuid,
    task_id          text,
    backup_response  text,
    lost_attempts    jsonb,
    in_doubt         boolean NOT NULL DEFAULT false,
    surplus          jsonb,
    audit_due_at     timestamptz,
    audit_until      timestamptz
);

CREATE INDEX IF NOT EXISTS backup_work_due
    ON backup_work (bucket, due_at, batch_id) WHERE is_open;

CREATE INDEX IF NOT EXISTS backup_work_queue
    ON backup_work (slot, created_at, batch_id) WHERE is_waiting;

CREATE INDEX IF NOT EXISTS backup_work_audit
    ON backup_work (bucket, audit_due_at, batch_id) WHERE audit_due_at IS NOT NULL;

COMMENT ON TABLE backup_work IS 'The claimable work: one row per batch, open ones in the index of due work';
COMMENT ON COLUMN backup_work.batch_id IS 'The batch';
COMMENT ON COLUMN backup_work.business_date IS 'Its business date';
COMMENT ON COLUMN backup_work.bucket IS '0 to 15, from the batch';
COMMENT ON COLUMN backup_work.slot IS 'The instance and universe that it locks';
COMMENT ON COLUMN backup_work.created_at IS 'When the batch was first recorded: the order of a queue';
COMMENT ON COLUMN backup_work.phase IS 'PLANNED, WAITING, SUBMITTING, RUNNING, SETTLING or DONE';
COMMENT ON COLUMN backup_work.phase_since IS 'Since when';
COMMENT ON COLUMN backup_work.waiting_since IS 'Since when nothing could be started';
COMMENT ON COLUMN backup_work.note IS 'Why it waits or settles';
COMMENT ON COLUMN backup_work.cancel_requested IS 'Whether somebody asked to cancel it';
COMMENT ON COLUMN backup_work.is_open IS 'Not DONE';
COMMENT ON COLUMN backup_work.is_waiting IS 'WAITING';
COMMENT ON COLUMN backup_work.due_at IS 'Owned: when the lease ends; else: not before';
COMMENT ON COLUMN backup_work.epoch IS 'The fencing token: one more for each new ownership';
COMMENT ON COLUMN backup_work.owner IS 'The orchestrator that works on it';
COMMENT ON COLUMN backup_work.task_id IS 'The task of YBA, until the batch ends';
COMMENT ON COLUMN backup_work.backup_response IS 'The last answer of YBA as JSON, until the batch ends';
COMMENT ON COLUMN backup_work.lost_attempts IS 'Attempts that may have started something that nobody found';
COMMENT ON COLUMN backup_work.in_doubt IS 'Whether an attempt had no definite answer, or there was more than one';
COMMENT ON COLUMN backup_work.surplus IS 'Tasks of this batch that are not the one it counts';
COMMENT ON COLUMN backup_work.audit_due_at IS 'When YBA is next asked for a surplus; NULL: no audit';
COMMENT ON COLUMN backup_work.audit_until IS 'When the audit ends';

CREATE TABLE IF NOT EXISTS backup_idempotency (
    idempotency_key text NOT NULL PRIMARY KEY,
    batch_id        text NOT NULL
);

CREATE INDEX IF NOT EXISTS backup_idempotency_by_batch
    ON backup_idempotency (batch_id);

COMMENT ON TABLE backup_idempotency IS 'Keys that make the creation of a batch safe to repeat';
COMMENT ON COLUMN backup_idempotency.idempotency_key IS 'The key of a caller';
COMMENT ON COLUMN backup_idempotency.batch_id IS 'The one batch that it created';

CREATE TABLE IF NOT EXISTS backup_attempt (
    attempt_id     uuid NOT NULL PRIMARY KEY,
    batch_id       text NOT NULL,
    attempt_number integer NOT NULL,
    attempted_at   timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS backup_attempt_by_batch
    ON backup_attempt (batch_id, attempt_number);

COMMENT ON TABLE backup_attempt IS 'Requests to YBA, each recorded before it was sent';
COMMENT ON COLUMN backup_attempt.attempt_id IS 'Sent to YBA as X-REQUEST-ID';
COMMENT ON COLUMN backup_attempt.batch_id IS 'The batch';
COMMENT ON COLUMN backup_attempt.attempt_number IS '1 for the first of the batch';
COMMENT ON COLUMN backup_attempt.attempted_at IS 'When it was recorded';

CREATE TABLE IF NOT EXISTS universe_slot (
    slot     text NOT NULL PRIMARY KEY,
    batch_id text NOT NULL
);

COMMENT ON TABLE universe_slot IS 'Universes with a batch under way';
COMMENT ON COLUMN universe_slot.slot IS 'An instance and a universe';
COMMENT ON COLUMN universe_slot.batch_id IS 'The one batch that is under way there';

-- A row grows once, when its batch ends: with room for that on its page no index is written again. YugabyteDB has no pages.
DO $$ BEGIN
    IF version() NOT LIKE '%-YB-%' THEN ALTER TABLE backup_batch SET (fillfactor = 50); END IF; END $$;

DO $$ BEGIN
    IF version() NOT LIKE '%-YB-%' THEN ALTER TABLE batch_db_schedule_event_tracker SET (fillfactor = 50); END IF; END $$;

DO $$ BEGIN
    IF version() NOT LIKE '%-YB-%' THEN ALTER TABLE batch_execution_details_default SET (fillfactor = 25); END IF; END $$;
