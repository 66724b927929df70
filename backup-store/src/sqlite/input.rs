//! The rows that a statement writes: any number of them as one JSON array, so that a group of batches costs as many statements as
//! one batch does.
//!
//! Several statements may stand in one text. They are carried out one after the other, share their parameters, and cost one call
//! to the thread that owns the connection.

use backup_core::{Attempt, AttemptId, BackupId, BackupRecord, IdempotencyKey, Phase, TaskId, fold_case};
use serde::Serialize;
use uuid::Uuid;

use super::{
    millis,
    rows::{instant, time},
};
use crate::{
    fields::{
        exception_fields, extension_fields, final_failure, is_worked_on, lost_attempts, note,
        outcome_response, surplus,
    },
    step::{New, Step},
};

/// A new batch, all of whose columns are known.
#[derive(Serialize)]
struct NewRow<'a> {
    batch_id: &'a str,
    business_date: String,
    idempotency_key: Option<&'a str>,
    slot: &'a str,
    holds_slot: bool,
    phase: &'a str,
    phase_since: String,
    waiting_since: Option<String>,
    note: Option<String>,
    owner: Option<Uuid>,
    lease: i64,
    strategy: Option<&'a str>,
    started_at: String,
    start_time: String,
    batch_category: &'a str,
    category_key: String,
    batch_mode: &'a str,
    target: &'a str,
    created_at: String,
    deadline_at: String,
    plan_base: Option<&'a str>,
    plan_reason: Option<&'a str>,
    lost_attempts: Option<String>,
    attempt_id: Option<AttemptId>,
    attempt_number: Option<u32>,
    attempted_at: Option<String>,
}

impl<'a> From<&New<'a>> for NewRow<'a> {
    fn from(new: &New<'a>) -> Self {
        let record = new.record;
        let (plan, attempt) = (record.plan.as_ref(), to_send(record));
        let is_owned = is_worked_on(record.phase);
        Self {
            batch_id: record.batch.as_str(),
            business_date: record.business_date.to_string(),
            idempotency_key: new.key.map(IdempotencyKey::as_str),
            slot: &record.slot,
            holds_slot: record.phase.holds_slot(),
            phase: record.phase.as_str(),
            phase_since: instant(record.phase_since),
            waiting_since: record.waiting_since.map(instant),
            note: note(record).map(|note| note.to_string()),
            owner: is_owned.then(|| new.hold.owner.as_uuid()),
            lease: if is_owned { millis(new.hold.lease) } else { 0 },
            strategy: record.strategy(),
            started_at: instant(record.started_at),
            start_time: time(record.started_at),
            batch_category: &record.category,
            category_key: fold_case(&record.category),
            batch_mode: record.mode.as_str(),
            target: record.target.as_str(),
            created_at: instant(record.created_at),
            deadline_at: instant(record.deadline_at),
            plan_base: plan.and_then(|plan| plan.base.as_ref()).map(BackupId::as_str),
            plan_reason: plan.map(|plan| plan.reason.as_str()),
            lost_attempts: lost_attempts(&record.lost).map(|lost| lost.to_string()),
            attempt_id: attempt.map(|attempt| attempt.id),
            attempt_number: attempt.map(|attempt| attempt.number),
            attempted_at: attempt.map(|attempt| instant(attempt.at)),
        }
    }
}

/// A step, and the lease that it is fenced by.
#[derive(Serialize)]
struct StepRow<'a> {
    batch_id: &'a str,
    owner: Uuid,
    epoch: i64,
    from_phase: &'a str,
    phase: &'a str,
    phase_since: String,
    waiting_since: Option<String>,
    note: Option<String>,
    lost_attempts: Option<String>,
    in_doubt: bool,
    surplus: Option<String>,
    audit_until: Option<i64>,
    cancel_requested: bool,
    is_open: bool,
    retry_in: i64,
    backup_status: &'a str,
    batch_status: &'a str,
    strategy: Option<&'a str>,
    start_time: String,
    ended_at: Option<String>,
    end_time: Option<String>,
    backup_response: Option<String>,
    extension_fields: Option<String>,
    exception_fields: Option<String>,
    plan_base: Option<&'a str>,
    plan_reason: Option<&'a str>,
    task_id: Option<&'a str>,
    backup_id: Option<&'a str>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    error_advice: Option<&'a str>,
    exception_id: Option<Uuid>,
    attempt_id: Option<AttemptId>,
    attempt_number: Option<u32>,
    attempted_at: Option<String>,
}

impl<'a> From<&Step<'a>> for StepRow<'a> {
    fn from(step: &Step<'a>) -> Self {
        let record = step.record;
        let (plan, failure, attempt) = (record.plan.as_ref(), record.failure.as_ref(), to_send(record));
        Self {
            batch_id: step.lease.batch.as_str(),
            owner: step.lease.owner.as_uuid(),
            epoch: step.lease.epoch,
            from_phase: step.from.as_str(),
            phase: record.phase.as_str(),
            phase_since: instant(record.phase_since),
            waiting_since: record.waiting_since.map(instant),
            note: note(record).map(|note| note.to_string()),
            lost_attempts: lost_attempts(&record.lost).map(|lost| lost.to_string()),
            in_doubt: record.in_doubt,
            surplus: surplus(&record.surplus).map(|surplus| surplus.to_string()),
            audit_until: record.audit_until.map(|until| until.timestamp_millis()),
            cancel_requested: record.cancel_requested,
            is_open: !record.is_done(),
            retry_in: millis(step.retry_in),
            backup_status: record.status().as_str(),
            batch_status: record.batch_status().as_str(),
            strategy: record.strategy(),
            start_time: time(record.started_at),
            ended_at: record.ended_at.map(instant),
            end_time: record.ended_at.map(time),
            backup_response: outcome_response(record),
            extension_fields: extension_fields(record).map(|fields| fields.to_string()),
            exception_fields: exception_fields(record).map(|fields| fields.to_string()),
            plan_base: plan.and_then(|plan| plan.base.as_ref()).map(BackupId::as_str),
            plan_reason: plan.map(|plan| plan.reason.as_str()),
            task_id: record.task.as_ref().map(TaskId::as_str),
            backup_id: record.backup.as_ref().map(BackupId::as_str),
            error_code: failure.map(|failure| failure.code.as_str()),
            error_message: failure.map(|failure| failure.message.as_str()),
            error_advice: failure.and_then(|failure| failure.advice.as_deref()),
            exception_id: final_failure(record).map(|_| Uuid::now_v7()),
            attempt_id: attempt.map(|attempt| attempt.id),
            attempt_number: attempt.map(|attempt| attempt.number),
            attempted_at: attempt.map(|attempt| instant(attempt.at)),
        }
    }
}

/// The attempt that is to be sent.
fn to_send(record: &BackupRecord) -> Option<&Attempt> {
    record.attempt().filter(|_| record.phase == Phase::Submitting)
}

/// New batches, or a failed one that is opened again.
pub(super) fn of_new(new: &[New<'_>]) -> Result<String, sqlx::Error> {
    json(&new.iter().map(NewRow::from).collect::<Vec<_>>())
}

pub(super) fn of_steps(steps: &[Step<'_>]) -> Result<String, sqlx::Error> {
    json(&steps.iter().map(StepRow::from).collect::<Vec<_>>())
}

pub(super) fn json(rows: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
