//! What arrives at `POST /backupProcess`, read leniently, with every fault named.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, StatusCode},
};
use backup_core::{BackupCommand, BackupRequest, Error, RequestFault};
use serde_json::{Map, Value};

use crate::{
    body::BodyFault,
    error::{ApiError, unreadable},
    telemetry::RequestId,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CATEGORY: &str = "batchCategoryCode";
const DATE: &str = "batchTransactionDate";
const BATCH: &str = "batchExecutionId";
const BODY: &str = "body";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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

/// UTF-8, with or without a byte order mark.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if is_wide(bytes) {
        return Err("is UTF-16 or UTF-32; send UTF-8".to_owned());
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(format!("is not UTF-8: byte {} cannot be read", error.valid_up_to() + 1));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(format!("is empty; send a JSON object with {CATEGORY} and {DATE}"));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("must be a JSON object, not {}", kind(&other))),
        Err(error) => Err(format!("is no valid JSON: {error}")),
    }
}

/// UTF-16 and UTF-32 begin with a mark of their own, or have a zero among the first bytes of any JSON text.
fn is_wide(bytes: &[u8]) -> bool {
    let is_marked = bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]);
    is_marked || bytes.iter().take(4).any(|byte| *byte == 0)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::backup_process::BackupProcessBody;

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

    #[test]
    fn a_byte_order_mark_is_passed_over_and_other_encodings_are_named() {
        let text = r#"{"batchCategoryCode": "db1", "batchTransactionDate": "20250325"}"#;
        let marked = [BYTE_ORDER_MARK, text.as_bytes()].concat();
        assert_eq!(asked(marked).request.category.as_deref(), Some("db1"));
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let latin =
            text.replace("db1", "d\u{e9}p\u{f4}t").chars().map(|c| u8::try_from(c).unwrap()).collect();
        for (bytes, fault) in [
            (wide(u16::to_le_bytes), "is UTF-16 or UTF-32; send UTF-8"),
            (wide(u16::to_be_bytes), "is UTF-16 or UTF-32; send UTF-8"),
            ([vec![0xff, 0xfe], wide(u16::to_le_bytes)].concat(), "is UTF-16 or UTF-32; send UTF-8"),
            (latin, "is not UTF-8: byte 25 cannot be read"),
        ] {
            let (status, faults) = asked(bytes).unreadable.unwrap();
            assert_eq!((status, faults[0].message.as_str()), (StatusCode::BAD_REQUEST, fault));
        }
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
