//! The columns of a record in plain types: where the words of the tables become ours, for both engines.

use backup_core::{
    Attempt, AttemptId, BackupRecord, BatchMode, ErrorCode, Failure, Phase, Plan, Surplus,
    store::{AuditNote, Refusal, StoreError},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) const BATCH: &str = "backup_batch";
pub(crate) const WORK: &str = "backup_work";

/// What a statement read of one batch.
pub(crate) struct Fields {
    pub(crate) batch_id: String,
    pub(crate) business_date: NaiveDate,
    pub(crate) batch_category: String,
    pub(crate) batch_mode: String,
    pub(crate) target: String,
    pub(crate) slot: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) deadline_at: DateTime<Utc>,
    pub(crate) strategy: Option<String>,
    pub(crate) plan_base: Option<String>,
    pub(crate) plan_reason: Option<String>,
    pub(crate) phase: String,
    pub(crate) phase_since: DateTime<Utc>,
    pub(crate) waiting_since: Option<DateTime<Utc>>,
    pub(crate) note: Option<Value>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) task_id: Option<String>,
    pub(crate) backup_id: Option<String>,
    pub(crate) response: Option<String>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) error_advice: Option<String>,
    pub(crate) cancel_requested: bool,
    pub(crate) lost_attempts: Option<Value>,
    pub(crate) in_doubt: bool,
    pub(crate) surplus: Option<Value>,
    pub(crate) audit_until: Option<DateTime<Utc>>,
}

impl Fields {
    /// The record, if every word is one of ours.
    pub(crate) fn into_record(self) -> Result<BackupRecord, StoreError> {
        let mode = self.word(BATCH, "batch_mode", &self.batch_mode, BatchMode::parse)?;
        let phase = self.word(WORK, "phase", &self.phase, Phase::parse)?;
        let failure = self.failure();
        let note = self.note.as_ref().map(failure_of);
        let lost = self.lost_attempts.clone().map(serde_json::from_value).transpose();
        let lost = lost.map_err(|error| corrupt(WORK, "lost_attempts", &self.batch_id, error.to_string()))?;
        let response = self.response.filter(|text| Some(text) != self.error_message.as_ref()).map(response);
        let surplus = self.surplus.clone().map(serde_json::from_value).transpose();
        let surplus = surplus.map_err(|error| corrupt(WORK, "surplus", &self.batch_id, error.to_string()))?;
        let (base, reason) = (self.plan_base, self.plan_reason.unwrap_or_default());
        let plan = self.strategy.map(|strategy| Plan { strategy, base: base.map(Into::into), reason });
        Ok(BackupRecord {
            batch: self.batch_id.into(),
            business_date: self.business_date,
            category: self.batch_category,
            mode,
            target: self.target.into(),
            slot: self.slot,
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            deadline_at: self.deadline_at,
            plan,
            phase,
            phase_since: self.phase_since,
            waiting_since: self.waiting_since,
            note,
            attempts: self.attempts,
            lost: lost.unwrap_or_default(),
            in_doubt: self.in_doubt,
            surplus: surplus.unwrap_or_default(),
            audit_until: self.audit_until,
            task: self.task_id.map(Into::into),
            backup: self.backup_id.map(Into::into),
            response,
            failure,
            cancel_requested: self.cancel_requested,
        })
    }

    fn failure(&self) -> Option<Failure> {
        let code = self.error_code.as_deref()?;
        let message = self.error_message.clone().unwrap_or_default();
        Some(Failure { advice: self.error_advice.clone(), ..failure_by(code, message) })
    }

    fn word<T>(
        &self,
        table: &'static str,
        column: &'static str,
        text: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(text).ok_or_else(|| corrupt(table, column, &self.batch_id, format!("\"{text}\"")))
    }
}

/// A failure by the word for its code. A word of a later version is shown as it is, in front of the message.
fn failure_by(code: &str, message: String) -> Failure {
    match ErrorCode::parse(code) {
        Some(code) => Failure::new(code, message),
        None => Failure::new(ErrorCode::Internal, format!("{code}: {message}")),
    }
}

/// A note. What is not as it should be decides nothing: it says why a batch waits.
fn failure_of(note: &Value) -> Failure {
    serde_json::from_value(note.clone()).unwrap_or_else(|_| {
        let text = |name: &str| note.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").unwrap_or_else(|| note.to_string());
        let failure = match text("code") {
            Some(code) => failure_by(&code, message),
            None => Failure::new(ErrorCode::Internal, message),
        };
        Failure { advice: text("advice"), ..failure }
    })
}

/// A row that is not what it should be.
pub(crate) fn corrupt(table: &'static str, column: &'static str, batch: &str, what: String) -> StoreError {
    StoreError::Corrupt { table, column, batch: batch.to_owned(), what }
}

/// A fencing token that can still grow.
pub(crate) fn epoch(epoch: i64, batch: &str) -> Result<i64, StoreError> {
    if epoch < i64::MAX - 1 {
        Ok(epoch)
    } else {
        Err(corrupt(WORK, "epoch", batch, "it cannot grow".to_owned()))
    }
}

/// The lost attempts as a column; almost always there are none.
pub(crate) fn lost_attempts(lost: &[AttemptId]) -> Option<Value> {
    (!lost.is_empty()).then(|| serde_json::json!(lost))
}

/// The surplus as a column; almost always there is none.
pub(crate) fn surplus(surplus: &[Surplus]) -> Option<Value> {
    (!surplus.is_empty()).then(|| serde_json::json!(surplus))
}

/// An attempt from its columns.
pub(crate) fn attempt(id: Uuid, number: i32, at: DateTime<Utc>) -> Attempt {
    Attempt { id: AttemptId::from(id), number: u32::try_from(number).unwrap_or_default(), at }
}

/// The `extension_fields` of a batch: what the original answered beside the status. Nothing before the end.
pub(crate) fn extension_fields(record: &BackupRecord) -> Option<Value> {
    if !record.is_done() {
        return None;
    }
    let mut fields = Map::new();
    if let Some(response) = &record.response {
        fields.insert("backup_response".to_owned(), Value::String(response.to_string()));
    }
    if let Some(failure) = &record.failure {
        fields.insert("error_message".to_owned(), Value::String(failure.to_string()));
        fields.insert("error_code".to_owned(), Value::String(failure.code.to_string()));
    }
    Some(Value::Object(fields))
}

/// The `extension_fields` of the exception of a batch that failed.
pub(crate) fn exception_fields(record: &BackupRecord) -> Option<Value> {
    Some(failure_fields(final_failure(record)?, Some(&record.category)))
}

/// The `extension_fields` of the exception of a request that was refused.
pub(crate) fn refusal_fields(refusal: &Refusal) -> Value {
    failure_fields(&refusal.failure, refusal.category.as_deref())
}

/// The `extension_fields` of the exception that an audit recorded.
pub(crate) fn note_fields(note: &AuditNote) -> Value {
    failure_fields(&note.failure, Some(&note.category))
}

fn failure_fields(failure: &Failure, category: Option<&str>) -> Value {
    let mut fields = Map::new();
    fields.insert("error_code".to_owned(), failure.code.as_str().into());
    let texts = [("advice", failure.advice.as_deref()), ("category", category)];
    let given = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    fields.extend(given);
    Value::Object(fields)
}

/// What the tracker holds at the end: YBA's answer, or, as the original has it, why there is none.
pub(crate) fn outcome_response(record: &BackupRecord) -> Option<String> {
    let answer = record.response.as_ref().map(ToString::to_string);
    answer.or_else(|| Some(final_failure(record)?.message.clone()))
}

/// YBA's answer from its column. A text that somebody wrote by hand need not be JSON: it is shown as it is.
fn response(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// A note as JSON.
pub(crate) fn note(record: &BackupRecord) -> Option<Value> {
    record.note.as_ref().and_then(|note| serde_json::to_value(note).ok())
}

/// The failure of a batch that is over.
pub(crate) fn final_failure(record: &BackupRecord) -> Option<&Failure> {
    record.failure.as_ref().filter(|_| record.is_done())
}

/// Whether whoever writes this phase works on it at once.
pub(crate) fn is_worked_on(phase: Phase) -> bool {
    phase == Phase::Planned || phase.holds_slot()
}

/// An id for a refusal: the same for the same refusal, so that a repeat does not apply twice.
pub(crate) fn refusal_id(refusal: &Refusal) -> Uuid {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        refusal.batch.hash(&mut hasher);
        refusal.business_date.hash(&mut hasher);
        refusal.category.hash(&mut hasher);
        refusal.failure.code.hash(&mut hasher);
        refusal.failure.message.hash(&mut hasher);
        refusal.at.hash(&mut hasher);
        hasher.finish()
    };
    uuid::Builder::from_custom_bytes((u128::from(half(0)) << 64 | u128::from(half(1))).to_be_bytes())
        .into_uuid()
}
