-- While a backup runs, only its row here changes: the task and YBA's answer move to the tracker when the batch waits or ends.

ALTER TABLE backup_work ADD COLUMN task_id TEXT;

ALTER TABLE backup_work ADD COLUMN backup_response TEXT;
