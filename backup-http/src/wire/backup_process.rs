//! `POST /backupProcess`: the original's request and answer.

use axum::{
    Json,
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, LOCATION},
    },
    response::{IntoResponse, Response},
};
use backup_core::{
    BackupCommand, BackupRecord, BackupRequest, BatchStatus, Error, RequestFault, parse_business_date,
};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Base, local, prefer::PREFERENCE_APPLIED, shown};
use crate::{
    body::BodyFault,
    error::{ApiError, status_of, unreadable},
    telemetry::RequestId,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CATEGORY: &str = "batchCategoryCode";
const DATE: &str = "batchTransactionDate";
const BATCH: &str = "batchExecutionId";
const BODY: &str = "body";

/// A request as far as it could be read, and what could not.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request: BackupRequest,
    /// The status and every fault of what cannot be read. Faults of what was read are the core's to find.
    pub(crate) unreadable: Option<(StatusCode, Vec<RequestFault>)>,
}

impl Asked {
    /// Reads the body and the `Idempotency-Key`.
    pub(crate) fn read(body: Result<Bytes, BodyFault>, headers: &HeaderMap, id: &RequestId) -> Self {
        let mut asked = match body {
            Ok(bytes) => Self::of_json(&bytes),
            Err(BodyFault { status, message }) => Self {
                request: BackupRequest::default(),
                unreadable: Some((status, vec![RequestFault { field: BODY, message }])),
            },
        };
        match idempotency_key(headers) {
            Ok(key) => asked.request.idempotency_key = key,
            Err(fault) => asked.unreadable.get_or_insert((StatusCode::BAD_REQUEST, Vec::new())).1.push(fault),
        }
        asked.request.request_id = Some(id.as_str().to_owned());
        asked
    }

    fn of_json(bytes: &[u8]) -> Self {
        let mut faults = Vec::new();
        let request = match object(bytes) {
            Ok(fields) => request_of(&fields, &mut faults),
            Err(message) => {
                faults.push(RequestFault { field: BODY, message });
                BackupRequest::default()
            }
        };
        if faults.iter().any(|fault| fault.field != BODY) {
            add_other_faults(&request, &mut faults);
        }
        let unreadable = (!faults.is_empty()).then_some((StatusCode::BAD_REQUEST, faults));
        Self { request, unreadable }
    }

    /// The core's error for what cannot be read.
    pub(crate) fn error(&self) -> Option<Error> {
        self.unreadable.as_ref().map(|(_, faults)| unreadable(faults.clone()))
    }

    /// The answer's error, where it is known before anybody is asked.
    pub(crate) fn api_error(&self) -> Option<ApiError> {
        let (status, _) = self.unreadable.as_ref()?;
        Some(ApiError { status: *status, ..self.error()?.into() })
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.trim_ascii().is_empty() {
        return Err(format!("is empty; send a JSON object with {CATEGORY} and {DATE}"));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("must be a JSON object, not {}", kind(&other))),
        Err(error) => Err(format!("is no valid JSON: {error}")),
    }
}

/// Fields that nobody asked for are ignored, as the original did.
fn request_of(fields: &Map<String, Value>, faults: &mut Vec<RequestFault>) -> BackupRequest {
    BackupRequest {
        category: text(fields, CATEGORY, faults),
        business_date: date(fields, faults),
        batch: text(fields, BATCH, faults),
        ..BackupRequest::default()
    }
}

fn text(fields: &Map<String, Value>, field: &'static str, faults: &mut Vec<RequestFault>) -> Option<String> {
    match fields.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => {
            faults.push(RequestFault { field, message: format!("must be text, not {}", kind(other)) });
            None
        }
    }
}

/// A date may come as a number: `20250325` is what it looks like.
fn date(fields: &Map<String, Value>, faults: &mut Vec<RequestFault>) -> Option<String> {
    match fields.get(DATE).and_then(Value::as_u64) {
        Some(digits) => Some(digits.to_string()),
        None => text(fields, DATE, faults),
    }
}

/// The faults of the fields that could be read, so that all of them are told at once.
fn add_other_faults(request: &BackupRequest, faults: &mut Vec<RequestFault>) {
    let Err(others) = BackupCommand::try_from(request.clone()) else { return };
    for fault in others.0 {
        if faults.iter().all(|known| known.field != fault.field) {
            faults.push(fault);
        }
    }
    faults.sort_by_key(|fault| [CATEGORY, DATE, BATCH].iter().position(|field| *field == fault.field));
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The key as it is, or as the quoted string that the IETF draft wants.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, RequestFault> {
    let fault = |message: &str| RequestFault { field: "Idempotency-Key", message: message.to_owned() };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(fault("is given more than once"));
    }
    let key = value.to_str().map_err(|_| fault("must be printable ASCII"))?.trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    Ok(Some(key.to_owned()))
}

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
}

impl BackupProcessBody {
    /// What is known of a batch.
    pub(crate) fn of_record(record: &BackupRecord, zone: Tz) -> Self {
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
            extension_fields: ExtensionFields::of_record(record),
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
    fn of_record(record: &BackupRecord) -> Self {
        let failure = record.failure.as_ref();
        let open = !record.is_done();
        Self {
            backup_response: record.response.as_ref().map(Value::to_string),
            error_code: failure.map(|failure| failure.code.as_str()),
            error_message: failure.map(|failure| failure.message.clone()),
            error_advice: failure.and_then(|failure| failure.advice.clone()),
            task_uuid: record.task.as_ref().map(ToString::to_string),
            backup_uuid: record.backup.as_ref().map(ToString::to_string),
            phase: open.then_some(record.phase.as_str()),
            waiting_for: record.note.as_ref().filter(|_| open).map(|note| note.message.clone()),
        }
    }
}

/// An answer of `POST /backupProcess`: a status, and the body that keeps its shape whatever happened.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: BackupProcessBody,
    location: Option<String>,
    applied: Option<HeaderValue>,
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
        Self { status, body: BackupProcessBody::of_record(record, zone), location, applied: None }
    }

    /// There is no batch.
    pub(crate) fn refused(asked: &BackupRequest, error: &ApiError) -> Self {
        Self {
            status: error.status,
            body: BackupProcessBody::refused(asked, error),
            location: None,
            applied: None,
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
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,30}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            let names = prop_oneof![Just(CATEGORY), Just(DATE), Just(BATCH), Just("other")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::hash_map(names.prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn asked(bytes: Vec<u8>) -> Asked {
        let headers = HeaderMap::new();
        Asked::read(Ok(bytes.into()), &headers, &RequestId::generate())
    }

    proptest! {
        /// Whatever is sent: it is a request, or it has faults; and either way there is an answer to it.
        #[test]
        fn any_json_is_a_request_or_has_faults(value in json()) {
            let asked = asked(value.to_string().into_bytes());
            let is_command = BackupCommand::try_from(asked.request.clone()).is_ok();
            match &asked.unreadable {
                Some((status, faults)) => {
                    prop_assert_eq!(*status, StatusCode::BAD_REQUEST);
                    prop_assert!(!faults.is_empty());
                    let answer = BackupProcessBody::refused(&asked.request, &asked.api_error().unwrap());
                    prop_assert!(serde_json::to_string(&answer).is_ok());
                }
                None => prop_assert!(value.is_object() || is_command),
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let asked = asked(bytes);
            prop_assert!(asked.unreadable.is_some() || BackupCommand::try_from(asked.request).is_err());
        }
    }
}
