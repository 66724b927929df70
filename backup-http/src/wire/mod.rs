//! What is read and written: JSON bodies, query strings and headers, with their ways to and from the core.

pub(crate) mod backup_process;
pub(crate) mod batches;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod prefer;
pub(crate) mod problem;

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, NestedPath},
    http::request::Parts,
};
use backup_core::BatchId;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment or a query value as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A local date-time without an offset, to the millisecond: the original's form.
pub(crate) fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// Where the service hangs: empty, or the path at which somebody nested it in a router of theirs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base(String);

impl Base {
    /// A path of the service, as its callers see it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The path of a batch.
    pub(crate) fn batch(&self, batch: &BatchId) -> String {
        self.path(&format!("/batches/{}", escaped(batch.as_str())))
    }
}

impl<S: Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let nested = parts.extensions.get::<NestedPath>().map_or("", NestedPath::as_str);
        Ok(Self(nested.trim_end_matches('/').to_owned()))
    }
}

/// A text that is safe in a path segment or a query value.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A text of the caller that is shown back: printable, and not longer than anything that is accepted.
pub(crate) fn shown(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(backup_core::MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_have_no_offset() {
        let at = DateTime::from_timestamp_micros(1_742_877_930_123_456).unwrap();
        assert_eq!(local(at, Tz::Asia__Kolkata), "2025-03-25T10:15:30.123");
        assert_eq!(local(at, Tz::UTC), "2025-03-25T04:45:30.123");
    }

    #[test]
    fn any_batch_id_makes_one_path_segment() {
        let base = Base::default();
        assert_eq!(base.batch(&"a/b?c#d%e f".into()), "/batches/a%2Fb%3Fc%23d%25e%20f");
        assert_eq!(base.batch(&"0195-x_y.z~".into()), "/batches/0195-x_y.z~");
    }
}
