-- Who works on what: small tables whose primary keys are the guarantees.
-- The index of due work begins with a bucket, so that it is spread and still ordered on YugabyteDB.

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
    lost_attempts    jsonb
);

CREATE INDEX IF NOT EXISTS backup_work_due
    ON backup_work (bucket, due_at, batch_id) WHERE is_open;

CREATE INDEX IF NOT EXISTS backup_work_queue
    ON backup_work (slot, created_at, batch_id) WHERE is_waiting;

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
COMMENT ON COLUMN backup_work.lost_attempts IS 'Attempts that may have started something that nobody found';

CREATE TABLE IF NOT EXISTS backup_idempotency (
    idempotency_key text NOT NULL PRIMARY KEY,
    batch_id        text NOT NULL
);

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
