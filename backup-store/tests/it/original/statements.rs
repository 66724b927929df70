//! The statements of the original, as its specification prints them: sections 2.4, 4.4, 10.3 and 12.1, and the columns of 6.

/// Records a backup that begins.
pub(super) const INSERT: &str = "
    INSERT INTO epricing.batch_db_schedule_event_tracker(
      batch_id, backup_job_categorycode, backup_status, backup_type,
      business_date, start_time
    ) VALUES (
      :batch_id, :batchCategoryCode, :backup_status, :backup_type,
      :businessDate, now()
    )";

/// Records how it ended.
pub(super) const UPDATE: &str = "
    UPDATE batch_db_schedule_event_tracker
    SET backup_status = :status,
        end_time = now(),
        backup_response = :ydbResponse
    WHERE batch_id = :batch_id
      AND business_date = :businessDate";

/// What an operator types for a backup that hangs.
pub(super) const MANUAL_UPDATE: &str = "
    UPDATE batch_db_schedule_event_tracker
    SET backup_status = 'SUCCESS', end_time = now()
    WHERE batch_id = 'BATCH_001';";

/// What an operator types to see a day.
pub(super) const STATUS: &str = "
    SELECT batch_id, backup_status, backup_type, start_time, end_time
    FROM batch_db_schedule_event_tracker
    WHERE business_date = '2025-03-25'
    ORDER BY start_time DESC;";

/// Table, column, type and length, whether it may be empty (our `exception_details.batch_id` may, for refused requests).
#[cfg(feature = "postgres")]
pub(super) const COLUMNS: &str = "\
batch_db_schedule_event_tracker|batch_id|character varying|255|NO
batch_db_schedule_event_tracker|backup_job_categorycode|character varying|255|NO
batch_db_schedule_event_tracker|backup_status|character varying|50|NO
batch_db_schedule_event_tracker|backup_type|character varying|50|YES
batch_db_schedule_event_tracker|business_date|date||NO
batch_db_schedule_event_tracker|start_time|timestamp without time zone||YES
batch_db_schedule_event_tracker|end_time|timestamp without time zone||YES
batch_db_schedule_event_tracker|backup_response|text||YES
batch_execution_details|batch_id|character varying|255|NO
batch_execution_details|batch_category|character varying|255|NO
batch_execution_details|business_date|date||NO
batch_execution_details|batch_mode|character varying|50|YES
batch_execution_details|batch_status|character varying|50|YES
batch_execution_details|start_time|timestamp without time zone||YES
batch_execution_details|end_time|timestamp without time zone||YES
batch_execution_details|extension_fields|jsonb||YES
exception_details|exception_id|character varying|255|NO
exception_details|batch_id|character varying|255|YES
exception_details|execution_type|character varying|50|YES
exception_details|error_message|text||YES
exception_details|extension_fields|jsonb||YES
exception_details|start_time|timestamp without time zone||YES
exception_details|end_time|timestamp without time zone||YES
exception_details|business_date|date||NO";

/// What people do to rows, whatever their batch is doing. `:batch_id` is the batch.
pub(super) const CHANGES: &[&str] = &[
    "UPDATE batch_db_schedule_event_tracker SET backup_status = 'SUCCESS', end_time = now() WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_status = 'FAILED', end_time = now() WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_status = 'IN_PROGRESS', end_time = NULL WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_status = 'success' WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_status = '' WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_status = 'closed by the night shift' WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET start_time = NULL, backup_type = NULL WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_type = 'FULL' WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_job_categorycode = 'other' WHERE batch_id = :batch_id",
    "UPDATE batch_execution_details SET extension_fields = NULL WHERE batch_id = :batch_id",
    "UPDATE batch_execution_details SET extension_fields = '[1]' WHERE batch_id = :batch_id",
    "UPDATE batch_execution_details SET extension_fields = '\"a text\"' WHERE batch_id = :batch_id",
    "UPDATE batch_execution_details SET batch_status = 'done', end_time = NULL, batch_mode = NULL WHERE batch_id = :batch_id",
    "UPDATE exception_details SET extension_fields = NULL, execution_type = NULL, end_time = NULL WHERE batch_id = :batch_id",
    "DELETE FROM exception_details WHERE batch_id = :batch_id",
    "DELETE FROM batch_execution_details WHERE batch_id = :batch_id",
    "UPDATE batch_execution_details SET business_date = '1999-12-31' WHERE batch_id = :batch_id",
];

/// Changes after which the tracker has no answer of YBA any more.
pub(super) const LOSSES: &[&str] = &[
    "DELETE FROM batch_db_schedule_event_tracker WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET business_date = '1999-12-31' WHERE batch_id = :batch_id",
    "UPDATE batch_db_schedule_event_tracker SET backup_response = NULL WHERE batch_id = :batch_id",
];
