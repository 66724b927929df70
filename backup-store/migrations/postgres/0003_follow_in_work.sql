-- While a backup runs, only its row here changes: the task and YBA's answer move to the tracker when the batch waits or ends.

ALTER TABLE backup_work ADD COLUMN IF NOT EXISTS task_id text;

ALTER TABLE backup_work ADD COLUMN IF NOT EXISTS backup_response jsonb;

COMMENT ON COLUMN backup_work.task_id IS 'The task of YBA, while it runs';
COMMENT ON COLUMN backup_work.backup_response IS 'The last answer of YBA, while its task runs';
