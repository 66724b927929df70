//! Answers, and the notes by which the relay learns what to do to the connection.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

/// Tells the relay how to break the connection. Never reaches the client.
pub(super) const CUT_HEADER: &str = "x-simulator-cut";
/// Tells the relay how many milliseconds to wait. Never reaches the client.
pub(super) const DELAY_HEADER: &str = "x-simulator-delay";

/// Tells the relay how many milliseconds lie between two bytes. Never reaches the client.
pub(super) const DRIP_HEADER: &str = "x-simulator-drip";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Close,
    Reset,
    Truncate,
}

impl Cut {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Reset => "reset",
            Self::Truncate => "truncate",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    pub(super) cut: Option<Cut>,
    pub(super) delay: Option<Duration>,
    pub(super) drip: Option<Duration>,
    /// Where a redirect points.
    pub(super) location: Option<String>,
}

impl Reply {
    pub(super) fn json(body: &Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub(super) fn plain(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=UTF-8", text)
    }

    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self { status, content_type, body: body.into(), cut: None, delay: None, drip: None, location: None }
    }

    /// The same with another body, where it is JSON.
    pub(super) fn with_json(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Ok(mut body) = serde_json::from_slice(&self.body) {
            change(&mut body);
            self.body = body.to_string().into_bytes();
        }
        self
    }

    pub(super) fn into_template(self, request_id: Option<&str>) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(self.status).set_body_raw(self.body, &self.content_type);
        if let Some(id) = request_id {
            template = template.insert_header("x-request-id", id);
        }
        if let Some(cut) = self.cut {
            template = template.insert_header(CUT_HEADER, cut.as_str());
        }
        if let Some(delay) = self.delay {
            template = template.insert_header(DELAY_HEADER, delay.as_millis().to_string());
        }
        if let Some(drip) = self.drip {
            template = template.insert_header(DRIP_HEADER, drip.as_millis().to_string());
        }
        if let Some(location) = self.location {
            template = template.insert_header("location", location);
        }
        template
    }
}

/// A refusal by a handler: status and YBA's words.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) error: Value,
}

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, error: Value::String(text.into()) }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(400, text)
    }

    /// Bean validation: field to list of messages.
    pub(super) fn fields(fields: &[&str]) -> Self {
        let messages = fields.iter().map(|field| ((*field).to_owned(), json!(["error.required"])));
        Self { status: 400, error: Value::Object(messages.collect()) }
    }

    pub(super) fn into_reply(self, method: &str, uri: &str) -> Reply {
        let body = if self.error.is_object() {
            json!({"success": false, "error": self.error})
        } else {
            json!({"success": false, "httpMethod": method, "requestUri": uri, "error": self.error})
        };
        Reply { status: self.status, ..Reply::json(&body) }
    }
}

pub(super) type Handled = Result<Value, Refusal>;
