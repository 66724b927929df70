//! One attempt's failure, and how it becomes the [`Error`] of a call.

use std::{fmt, time::Duration};

use reqwest::{Method, StatusCode};

use super::{Error, ErrorKind, Inner, body::complaint};
use crate::{ids::RequestId, stranger::Stranger};

/// One attempt's failure, before it is known which call it belongs to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<Duration>,
    /// Who answered, when that was not YBA.
    pub(crate) stranger: Option<Stranger>,
    pub(crate) text: String,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn build(text: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Build,
            status: None,
            retry_after: None,
            stranger: None,
            text: text.into(),
            source: None,
        }
    }

    pub(crate) fn circuit_open() -> Self {
        Self { kind: ErrorKind::CircuitOpen, ..Self::build("") }
    }

    pub(crate) fn decode(status: StatusCode, error: impl fmt::Display) -> Self {
        Self { kind: ErrorKind::Decode, status: Some(status), ..Self::build(complaint(error)) }
    }

    pub(crate) fn api(status: StatusCode, retry_after: Option<Duration>, text: String) -> Self {
        Self { kind: ErrorKind::Api, status: Some(status), retry_after, ..Self::build(text) }
    }

    /// Something that is not YBA answered.
    pub(crate) fn not_yba(
        status: StatusCode,
        retry_after: Option<Duration>,
        stranger: Stranger,
        text: String,
    ) -> Self {
        let stranger = Some(stranger);
        Self { kind: ErrorKind::NotYba, stranger, ..Self::api(status, retry_after, text) }
    }

    /// The whole call took longer than it may.
    pub(crate) fn out_of_time(limit: Duration) -> Self {
        let text = format!("the call took longer than {limit:?}");
        Self { kind: ErrorKind::Timeout, source: Some(text.into()), ..Self::build("") }
    }

    /// Sorts what the transport reports by how far the request can have got.
    pub(crate) fn transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let kind = if error.is_connect() {
            ErrorKind::Connect
        } else if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_builder() {
            ErrorKind::Build
        } else {
            ErrorKind::Interrupted
        };
        let text = if kind == ErrorKind::Build { error.to_string() } else { String::new() };
        Self { kind, source: Some(Box::new(error)), ..Self::build(text) }
    }

    /// Somebody at the other end answered, whatever the words.
    pub(crate) fn is_an_answer(&self) -> bool {
        match self.kind {
            ErrorKind::Api | ErrorKind::NotYba => {
                self.status.is_none_or(|status| !matches!(status.as_u16(), 502..=504))
            }
            ErrorKind::Decode | ErrorKind::Build => true,
            _ => false,
        }
    }

    /// The error the caller sees.
    pub(crate) fn into_error(self, call: &Call<'_>) -> Error {
        Error(Box::new(Inner {
            kind: self.kind,
            operation: call.operation,
            method: call.method.clone(),
            path: call.path,
            request_id: call.request_id.cloned(),
            attempts: call.attempts,
            elapsed: call.elapsed,
            status: self.status,
            retry_after: self.retry_after,
            from_standby: false,
            stranger: self.stranger,
            text: self.text,
            source: self.source,
        }))
    }
}

/// The facts about a call that every error carries.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: &'a Method,
    pub(crate) path: &'static str,
    pub(crate) request_id: Option<&'a RequestId>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}
