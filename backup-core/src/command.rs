//! A request that is valid, or does not exist. All faults are reported at once.

use std::fmt;

use chrono::NaiveDate;

use crate::{
    ids::{BatchId, IdempotencyKey},
    request::{BackupRequest, BatchMode},
};

/// The longest category, batch id and idempotency key that we accept, in characters.
pub const MAX_TEXT: usize = 128;

/// A valid request. Only [`TryFrom`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupCommand {
    category: String,
    business_date: NaiveDate,
    batch: Option<BatchId>,
    idempotency_key: Option<IdempotencyKey>,
    once: bool,
    mode: BatchMode,
}

impl BackupCommand {
    /// The category as the caller wrote it, trimmed.
    pub fn category(&self) -> &str {
        &self.category
    }

    /// The business date, a calendar date of the configured zone.
    pub fn business_date(&self) -> NaiveDate {
        self.business_date
    }

    /// The batch that the caller named.
    pub fn batch(&self) -> Option<&BatchId> {
        self.batch.as_ref()
    }

    /// The caller's idempotency key.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// Whether the caller wants no more than one backup of the target and the date.
    pub fn is_once(&self) -> bool {
        self.once
    }

    /// Who asks.
    pub fn mode(&self) -> BatchMode {
        self.mode
    }
}

/// Something wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFault {
    /// The field, by the name a caller of the HTTP service uses.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct RequestFaults(pub Vec<RequestFault>);

impl TryFrom<BackupRequest> for BackupCommand {
    type Error = RequestFaults;

    fn try_from(request: BackupRequest) -> Result<Self, RequestFaults> {
        let mut faults = Vec::new();
        let category = text("batchCategoryCode", request.category, &mut faults);
        if category.is_none() && !faults.iter().any(|fault| fault.field == "batchCategoryCode") {
            faults.push(fault("batchCategoryCode", "is missing"));
        }
        let business_date = business_date(request.business_date, &mut faults);
        let batch = text("batchExecutionId", request.batch, &mut faults);
        let key = text("Idempotency-Key", request.idempotency_key, &mut faults);
        match (category, business_date) {
            (Some(category), Some(business_date)) if faults.is_empty() => Ok(Self {
                category,
                business_date,
                batch: batch.map(BatchId::from),
                idempotency_key: key.map(IdempotencyKey::from),
                once: request.once_per_date,
                mode: request.mode,
            }),
            _ => Err(RequestFaults(faults)),
        }
    }
}

/// A trimmed, bounded, printable text; blank is absent.
fn text(field: &'static str, value: Option<String>, faults: &mut Vec<RequestFault>) -> Option<String> {
    let value = value?.trim().to_owned();
    if value.is_empty() {
        return None;
    }
    if value.chars().count() > MAX_TEXT {
        faults.push(fault(field, format!("is longer than {MAX_TEXT} characters")));
        return None;
    }
    if value.chars().any(char::is_control) {
        faults.push(fault(field, "holds a control character"));
        return None;
    }
    Some(value)
}

fn business_date(value: Option<String>, faults: &mut Vec<RequestFault>) -> Option<NaiveDate> {
    const FIELD: &str = "batchTransactionDate";
    let Some(value) = value.filter(|value| !value.trim().is_empty()) else {
        faults.push(fault(FIELD, "is missing"));
        return None;
    };
    let date = parse_business_date(value.trim());
    if date.is_none() {
        let shown: String = value.trim().chars().filter(|c| !c.is_control()).take(20).collect();
        faults.push(fault(
            FIELD,
            format!("\"{shown}\" is no date; write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)"),
        ));
    }
    date
}

/// Reads `yyyyMMdd` or `yyyy-MM-dd`, and nothing looser: `20250230` is no date.
pub fn parse_business_date(text: &str) -> Option<NaiveDate> {
    let digits: String = match text.len() {
        8 => text.to_owned(),
        10 if text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-') => {
            text.replace('-', "")
        }
        _ => return None,
    };
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year: i32 = digits[..4].parse().ok()?;
    let month = digits[4..6].parse().ok()?;
    let day = digits[6..].parse().ok()?;
    NaiveDate::from_ymd_opt(year, month, day).filter(|_| year > 0)
}

fn fault(field: &'static str, message: impl Into<String>) -> RequestFault {
    RequestFault { field, message: message.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_missing_field_is_named_at_once() {
        let faults = BackupCommand::try_from(BackupRequest::default()).unwrap_err();
        assert_eq!(faults.to_string(), "batchCategoryCode: is missing; batchTransactionDate: is missing");
    }

    #[rstest]
    #[case("20250325")]
    #[case("2025-03-25")]
    fn both_forms_of_a_date_are_read(#[case] text: &str) {
        let command = BackupCommand::try_from(BackupRequest::new(" db1 ", text)).unwrap();
        assert_eq!(command.business_date(), NaiveDate::from_ymd_opt(2025, 3, 25).unwrap());
        assert_eq!(command.category(), "db1");
    }

    #[rstest]
    #[case("20250230")]
    #[case("2025-3-25")]
    #[case("25032025")]
    #[case("2025/03/25")]
    #[case("2025é325")]
    #[case("tomorrow")]
    #[case("00000101")]
    fn what_is_no_date_is_refused(#[case] text: &str) {
        let faults = BackupCommand::try_from(BackupRequest::new("db1", text)).unwrap_err();
        assert_eq!(faults.0.len(), 1);
        assert_eq!(faults.0[0].field, "batchTransactionDate");
    }

    #[test]
    fn a_long_or_unprintable_text_is_refused() {
        let request = BackupRequest::new("x".repeat(129), "20250325").with_batch("a\u{0}b");
        let faults = BackupCommand::try_from(request).unwrap_err();
        assert_eq!(
            faults.0.iter().map(|f| f.field).collect::<Vec<_>>(),
            ["batchCategoryCode", "batchExecutionId"]
        );
    }

    proptest! {
        #[test]
        fn any_request_is_either_a_command_or_names_its_faults(
            category in proptest::option::of(".{0,200}"), date in proptest::option::of(".{0,20}"),
            batch in proptest::option::of(".{0,200}"),
        ) {
            let request = BackupRequest { category, business_date: date, batch, ..BackupRequest::default() };
            if let Err(faults) = BackupCommand::try_from(request) {
                prop_assert!(!faults.0.is_empty());
            }
        }
    }
}
