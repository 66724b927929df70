//! What `POST /backupProcess` answers: the original's shape, whatever happened.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, LOCATION},
    },
    response::{IntoResponse, Response},
};
use backup_core::{BackupRecord, BackupRequest, BatchStatus, Surplus, parse_business_date};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::{ApiError, status_of},
    telemetry::About,
    wire::{Base, local, prefer::PREFERENCE_APPLIED, shown},
};

/// The most characters of a text.
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_TEXT_OF_A_LIST: usize = 1000;
/// The most bytes of YBA's answer.
const LARGEST_RESPONSE: usize = 1024 * 1024;

/// The answer's body.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupProcessBody {
    id: Id,
    batch_category: Option<String>,
    batch_mode: &'static str,
    status: &'static str,
    start_time: Option<String>,
    end_time: Option<String>,
    extension_fields: ExtensionFields,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    batch_execution_id: Option<String>,
    batch_execution_date: Option<NaiveDate>,
}

/// Every value is text, as the original's were.
#[derive(Clone, Debug, Default, Serialize)]
struct ExtensionFields {
    /// YBA's answer, as a JSON string.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_advice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_uuid: Option<String>,
    /// Where an open batch stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    /// What an open batch waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<String>,
    /// Tasks of the batch that do not count, as a JSON string.
    #[serde(skip_serializing_if = "Option::is_none")]
    surplus: Option<String>,
    /// Until when YBA is asked for such tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_until: Option<String>,
}

/// A task of the batch that does not count.
#[derive(Debug, Serialize)]
struct SurplusFields {
    task_uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_uuid: Option<String>,
    state: &'static str,
}

impl From<&Surplus> for SurplusFields {
    fn from(surplus: &Surplus) -> Self {
        Self {
            task_uuid: surplus.task.to_string(),
            backup_uuid: surplus.backup.as_ref().map(ToString::to_string),
            state: surplus.state.as_str(),
        }
    }
}

impl BackupProcessBody {
    /// What is known of a batch.
    pub(crate) fn of_record(record: &BackupRecord, zone: Tz) -> Self {
        let mut body = Self::with_texts_of(LONGEST_TEXT, record, zone);
        body.extension_fields.backup_response = record.response.as_ref().map(answer_of_yba);
        body
    }

    /// A batch in a list: without YBA's answer and with short texts, for a page has up to a thousand of them.
    pub(crate) fn summary(record: &BackupRecord, zone: Tz) -> Self {
        Self::with_texts_of(LONGEST_TEXT_OF_A_LIST, record, zone)
    }

    fn with_texts_of(longest: usize, record: &BackupRecord, zone: Tz) -> Self {
        Self {
            id: Id {
                batch_execution_id: Some(record.batch.to_string()),
                batch_execution_date: Some(record.business_date),
            },
            batch_category: Some(record.category.clone()),
            batch_mode: record.mode.as_str(),
            status: record.batch_status().as_str(),
            start_time: Some(local(record.started_at, zone)),
            end_time: record.ended_at.map(|at| local(at, zone)),
            extension_fields: ExtensionFields::of_record(record, zone, longest),
        }
    }

    /// What was asked for, and why it was refused: there is no batch.
    pub(crate) fn refused(asked: &BackupRequest, error: &ApiError) -> Self {
        let shown = |text: &Option<String>| text.as_deref().map(shown).filter(|text| !text.is_empty());
        let date = asked.business_date.as_deref().and_then(|date| parse_business_date(date.trim()));
        Self {
            id: Id { batch_execution_id: shown(&asked.batch), batch_execution_date: date },
            batch_category: shown(&asked.category),
            batch_mode: asked.mode.as_str(),
            status: BatchStatus::Failed.as_str(),
            start_time: None,
            end_time: None,
            extension_fields: ExtensionFields {
                error_code: Some(error.code),
                error_message: Some(error.message.clone()),
                error_advice: error.advice.clone(),
                ..ExtensionFields::default()
            },
        }
    }
}

impl ExtensionFields {
    /// Everything but YBA's answer, each text cut at `longest` characters.
    fn of_record(record: &BackupRecord, zone: Tz, longest: usize) -> Self {
        let failure = record.failure.as_ref();
        let open = !record.is_done();
        Self {
            backup_response: None,
            error_code: failure.map(|failure| failure.code.as_str()),
            error_message: failure.map(|failure| cut(&failure.message, longest)),
            error_advice: failure
                .and_then(|failure| failure.advice.as_deref())
                .map(|advice| cut(advice, longest)),
            task_uuid: record.task.as_ref().map(ToString::to_string),
            backup_uuid: record.backup.as_ref().map(ToString::to_string),
            phase: open.then_some(record.phase.as_str()),
            surplus: surplus(record),
            audit_until: record.audit_until.map(|at| local(at, zone)),
            waiting_for: record.note.as_ref().filter(|_| open).map(|note| cut(&note.message, longest)),
        }
    }
}

fn surplus(record: &BackupRecord) -> Option<String> {
    let fields: Vec<SurplusFields> = record.surplus.iter().map(SurplusFields::from).collect();
    if fields.is_empty() { None } else { serde_json::to_string(&fields).ok() }
}

/// YBA's answer as text. One that is larger than any that YBA gives says so instead: cut, it would be no JSON.
fn answer_of_yba(response: &Value) -> String {
    let text = response.to_string();
    if text.len() <= LARGEST_RESPONSE {
        return text;
    }
    let omitted = format!("YBA's answer has {} bytes; it is in the record", text.len());
    serde_json::json!({ "omitted": omitted }).to_string()
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An answer of `POST /backupProcess`: a status, and the body that keeps its shape whatever happened.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: BackupProcessBody,
    location: Option<String>,
    applied: Option<HeaderValue>,
    about: Option<About>,
}

impl Answer {
    /// The batch as it is: over, or 202 and where to look.
    pub(crate) fn of_record(record: &BackupRecord, base: &Base, zone: Tz) -> Self {
        let status = match &record.failure {
            _ if !record.is_done() => StatusCode::ACCEPTED,
            None => StatusCode::OK,
            Some(failure) => status_of(failure.code),
        };
        let location = (!record.is_done()).then(|| base.batch(&record.batch));
        let body = BackupProcessBody::of_record(record, zone);
        Self { status, body, location, applied: None, about: Some(record.into()) }
    }

    /// There is no batch.
    pub(crate) fn refused(asked: &BackupRequest, error: &ApiError) -> Self {
        Self {
            status: error.status,
            body: BackupProcessBody::refused(asked, error),
            location: None,
            applied: None,
            about: None,
        }
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.status == StatusCode::ACCEPTED
    }

    pub(crate) fn with_applied(mut self, applied: Option<HeaderValue>) -> Self {
        self.applied = applied;
        self
    }

    /// 200 whatever happened, as the original answered.
    pub(crate) fn with_legacy_status(mut self, legacy: bool) -> Self {
        if legacy {
            self.status = StatusCode::OK;
        }
        self
    }
}

/// Gives an error that was answered before or beside the handler (no token, wrong method, a bug) the shape of this
/// endpoint's answers. Status and headers stay.
pub(crate) async fn in_shape(response: Response) -> Response {
    let Some(error) = response.extensions().get::<ApiError>().cloned() else { return response };
    let (mut head, _) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let (shaped, body) = Answer::refused(&BackupRequest::default(), &error).into_response().into_parts();
    head.headers.extend(shaped.headers);
    Response::from_parts(head, body)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let location = self.location.and_then(|location| HeaderValue::from_str(&location).ok());
        let headers = [(LOCATION, location), (PREFERENCE_APPLIED, self.applied)];
        for (name, value) in headers {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        if let Some(about) = self.about {
            response.extensions_mut().insert(about);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_an_answer_stays_json() {
        assert_eq!((cut("dépôt", 5), cut("dépôt", 2)), ("dépôt".to_owned(), "dé…".to_owned()));
        assert_eq!(answer_of_yba(&serde_json::json!({ "a": 1 })), r#"{"a":1}"#);
        let large = answer_of_yba(&Value::String("x".repeat(LARGEST_RESPONSE)));
        assert!(large.len() < 100 && serde_json::from_str::<Value>(&large).is_ok(), "{large}");
    }
}
