//! Texts that PostgreSQL can hold: all of ours, but without a NUL. YBA may send one, and its answer must not be lost.

use std::borrow::Cow;

use backup_core::{BackupRecord, Failure};
use serde_json::Value;

const REPLACEMENT: &str = "\u{fffd}";

/// A text without NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if has_nul(text) { Cow::Owned(without_nul(text)) } else { Cow::Borrowed(text) }
}

/// A record whose foreign texts have no NUL. What comes from a request or the configuration never has one.
pub(super) fn record(record: &BackupRecord) -> Cow<'_, BackupRecord> {
    if is_clean(record) { Cow::Borrowed(record) } else { Cow::Owned(cleaned(record.clone())) }
}

fn is_clean(record: &BackupRecord) -> bool {
    let failure = |failure: &Failure| {
        !has_nul(&failure.message) && failure.advice.as_deref().is_none_or(|advice| !has_nul(advice))
    };
    record.failure.as_ref().is_none_or(failure)
        && record.note.as_ref().is_none_or(failure)
        && record.task.as_ref().is_none_or(|task| !has_nul(task.as_str()))
        && record.backup.as_ref().is_none_or(|backup| !has_nul(backup.as_str()))
        && record.plan.as_ref().is_none_or(|plan| {
            !has_nul(&plan.reason) && plan.base.as_ref().is_none_or(|base| !has_nul(base.as_str()))
        })
        && record.response.as_ref().is_none_or(is_clean_json)
}

fn is_clean_json(value: &Value) -> bool {
    match value {
        Value::String(text) => !has_nul(text),
        Value::Array(values) => values.iter().all(is_clean_json),
        Value::Object(fields) => fields.iter().all(|(name, value)| !has_nul(name) && is_clean_json(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn cleaned(mut record: BackupRecord) -> BackupRecord {
    for failure in record.failure.iter_mut().chain(record.note.iter_mut()) {
        failure.message = without_nul(&failure.message);
        failure.advice = failure.advice.as_deref().map(without_nul);
    }
    record.task = record.task.map(|task| without_nul(task.as_str()).into());
    record.backup = record.backup.map(|backup| without_nul(backup.as_str()).into());
    if let Some(plan) = &mut record.plan {
        plan.reason = without_nul(&plan.reason);
        plan.base = plan.base.take().map(|base| without_nul(base.as_str()).into());
    }
    record.response = record.response.map(cleaned_json);
    record
}

/// JSON without NUL.
pub(super) fn json(value: Value) -> Value {
    if is_clean_json(&value) { value } else { cleaned_json(value) }
}

fn cleaned_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(cleaned_json).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, value)| (without_nul(&name), cleaned_json(value))).collect(),
        ),
        plain => plain,
    }
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

fn without_nul(text: &str) -> String {
    text.replace('\0', REPLACEMENT)
}
