-- While a backup runs, only its row here changes: the task and YBA's answer move to the tracker when the batch waits or ends.

ALTER TABLE backup_work ADD COLUMN IF NOT EXISTS task_id text;

ALTER TABLE backup_work ADD COLUMN IF NOT EXISTS backup_response jsonb;

COMMENT ON COLUMN backup_work.task_id IS 'The task of YBA, while it runs';
COMMENT ON COLUMN backup_work.backup_response IS 'The last answer of YBA, while its task runs';

-- A row grows once, when its batch ends: with room for that on its page no index is written again. YugabyteDB has no pages.
DO $$ BEGIN
    IF version() NOT LIKE '%-YB-%' THEN ALTER TABLE batch_db_schedule_event_tracker SET (fillfactor = 50); END IF; END $$;

DO $$ BEGIN
    IF version() NOT LIKE '%-YB-%' THEN ALTER TABLE batch_execution_details_default SET (fillfactor = 25); END IF; END $$;
