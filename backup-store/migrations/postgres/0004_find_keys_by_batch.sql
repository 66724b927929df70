-- A batch that is deleted takes its key with it.

CREATE INDEX IF NOT EXISTS backup_idempotency_by_batch
    ON backup_idempotency (batch_id);
