//! What can go wrong, told by how far the request got.
//!
//! This is also the only file that reads YBA's message texts: its 409s and 503s differ by nothing
//! else. The rest of the crate, and its users, ask the methods of [`Error`].

use std::{fmt, time::Duration};

use reqwest::{Method, StatusCode};

use crate::ids::RequestId;

/// The most of an error text that is kept, in bytes.
const TEXT_LIMIT: usize = 2048;

/// The most of an error text that `Display` prints, in bytes.
const DISPLAY_LIMIT: usize = 600;

/// A failed call.
///
/// `Display` says which call failed and how, in one line; the cause is the `source`. Neither ever
/// holds a token or a body; YBA's own words about a refusal are in [`Error::api_text`].
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    method: Method,
    path: &'static str,
    request_id: Option<RequestId>,
    attempts: u32,
    elapsed: Duration,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    from_standby: bool,
    /// What was wrong, or YBA's words.
    text: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// How far a failed call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request could not be made, or was refused by this crate before sending. Never retried.
    Build,
    /// No connection, so nothing was sent. Retried for calls that change nothing.
    Connect,
    /// The client's own circuit breaker held the call back, so nothing was sent. Never retried.
    CircuitOpen,
    /// No answer in time: the request **may have been received**. Retried for calls that change
    /// nothing.
    Timeout,
    /// The connection broke after sending began: the request **may have been received**. Retried for
    /// calls that change nothing.
    Interrupted,
    /// An answer of success that cannot be read: the request was very likely carried out.
    /// Not retried.
    Decode,
    /// YBA, or something in front of it, answered with an error status. Retried for calls that
    /// change nothing when the status is 408, 425, 429, 500, 502, 503 or 504.
    Api,
}

/// What the server may have done with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Nothing: the request did not arrive, or was turned away before anything looked at it.
    NotSent,
    /// Perhaps everything. Look before sending again.
    Unknown,
    /// It was read and refused; it had no effect.
    Answered,
}

/// The universe is held by another operation (one of YBA's three 409 texts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// YBA's words.
    pub text: String,
    /// The type of the task that holds the universe, when YBA names it (`CreateBackup`, `EditUniverse`).
    pub holder: Option<String>,
}

impl Error {
    /// How far the call got.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the server may have done.
    pub fn reach(&self) -> Reach {
        match self.0.kind {
            ErrorKind::Build | ErrorKind::Connect | ErrorKind::CircuitOpen => Reach::NotSent,
            ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Decode => Reach::Unknown,
            ErrorKind::Api => self.0.status.map_or(Reach::Unknown, |status| {
                if status == StatusCode::SERVICE_UNAVAILABLE && texts::turned_away(&self.0.text) {
                    Reach::NotSent
                } else if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
                    Reach::Answered
                } else {
                    Reach::Unknown
                }
            }),
        }
    }

    /// The name of the call, such as `backups.create`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The path with its ids left as placeholders.
    pub fn path(&self) -> &'static str {
        self.0.path
    }

    /// The `X-REQUEST-ID` that was sent.
    pub fn request_id(&self) -> Option<&RequestId> {
        self.0.request_id.as_ref()
    }

    /// How many times the request was sent, or tried to be.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Time from the first attempt to giving up.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|status| status.as_u16())
    }

    /// How long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The words of YBA (or of the proxy in front of it) for its refusal.
    ///
    /// Taken from any of the shapes in use: a JSON `error` text, a JSON `error` object (flattened to
    /// `field: message`), plain text, or the title of an HTML page. At most 2 KiB.
    pub fn api_text(&self) -> Option<&str> {
        (self.0.kind == ErrorKind::Api).then_some(self.0.text.as_str())
    }

    /// The universe is held by another operation; the call may be made again later.
    ///
    /// Only for the three 409 texts that mean it. Any other 409 is a refusal like a 400.
    pub fn busy(&self) -> Option<Busy> {
        if self.0.status == Some(StatusCode::CONFLICT) { texts::busy(&self.0.text) } else { None }
    }

    /// The thing asked for is not known to this YBA.
    ///
    /// True for a 404 and for the 400s by which YBA says the same. A standby says it too, about things
    /// its leader knows: the client asks whether it talks to one, and this is false if it does.
    pub fn is_not_found(&self) -> bool {
        match self.status() {
            _ if self.0.from_standby => false,
            Some(404) => true,
            Some(400) => texts::not_found(&self.0.text),
            _ => false,
        }
    }

    /// The answering YBA is a standby: it refuses changes, and what it does not know may well exist.
    pub fn is_standby(&self) -> bool {
        self.0.from_standby || (self.status() == Some(503) && texts::standby(&self.0.text))
    }

    /// Marks a "not found" that came from a standby, and so means nothing.
    pub(crate) fn told_by_standby(mut self) -> Self {
        self.0.from_standby = true;
        self
    }

    /// The answering YBA is shutting down.
    pub fn is_stopping(&self) -> bool {
        self.status() == Some(503) && texts::stopping(&self.0.text)
    }

    /// The token is not accepted (401), or its user may not do this (403; with the newer access
    /// model also 401).
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// The increment has nothing to build on: no completed backup in that chain.
    pub fn is_missing_base(&self) -> bool {
        self.status() == Some(400) && texts::missing_base(&self.0.text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, method, path, status, text, attempts, .. } = &*self.0;
        let text = cut(text, DISPLAY_LIMIT);
        match (kind, status) {
            (ErrorKind::Build, _) => write!(f, "{operation} was not sent: {text}")?,
            (ErrorKind::Connect, _) => {
                write!(f, "{operation} was not sent: no connection to YBA")?;
            }
            (ErrorKind::CircuitOpen, _) => {
                write!(f, "{operation} was not sent: YBA has not answered for a while")?;
            }
            (ErrorKind::Timeout, _) => {
                write!(f, "{operation} ({method} {path}): no answer from YBA in time")?;
            }
            (ErrorKind::Interrupted, _) => {
                write!(f, "{operation} ({method} {path}): the connection to YBA broke")?;
            }
            (ErrorKind::Decode, Some(status)) => write!(
                f,
                "{operation} ({method} {path}): YBA answered {} unreadably: {text}",
                status.as_u16()
            )?,
            (_, Some(status)) => {
                write!(f, "{operation} ({method} {path}): YBA answered {}: {text}", status.as_u16())?;
            }
            (_, None) => write!(f, "{operation} ({method} {path}): {text}")?,
        }
        if *attempts > 1 {
            write!(f, " ({attempts} attempts)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// One attempt's failure, before it is known which call it belongs to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) text: String,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn build(text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Build, status: None, retry_after: None, text: text.into(), source: None }
    }

    pub(crate) fn circuit_open() -> Self {
        Self { kind: ErrorKind::CircuitOpen, ..Self::build("") }
    }

    pub(crate) fn decode(status: StatusCode, error: impl fmt::Display) -> Self {
        let text = cut(&without_quotations(&error.to_string()), TEXT_LIMIT).to_owned();
        Self { kind: ErrorKind::Decode, status: Some(status), retry_after: None, text, source: None }
    }

    pub(crate) fn api(status: StatusCode, retry_after: Option<Duration>, text: String) -> Self {
        Self { kind: ErrorKind::Api, status: Some(status), retry_after, text, source: None }
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
        Self { kind, status: None, retry_after: None, text, source: Some(Box::new(error)) }
    }

    /// Somebody at the other end answered, whatever the words.
    pub(crate) fn is_an_answer(&self) -> bool {
        match self.kind {
            ErrorKind::Api => self.status.is_none_or(|status| !matches!(status.as_u16(), 502..=504)),
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

/// YBA's words in the body of an error answer, whatever its shape.
pub(crate) fn text_of(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    let text = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => json_text(&value),
        Err(_) if body.starts_with('<') => html_title(body),
        Err(_) => body.to_owned(),
    };
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let text = cut(printable.trim(), TEXT_LIMIT);
    if text.is_empty() { "(no text)".to_owned() } else { text.to_owned() }
}

fn json_text(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(object) => ["error", "errorJson", "message"]
            .into_iter()
            .filter_map(|key| object.get(key))
            .find(|value| !value.is_null())
            .map_or_else(|| flat(value), flat),
        other => flat(other),
    }
}

/// `{"name": ["must not be null"], "size": "too big"}` reads `name: must not be null; size: too big`.
fn flat(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(field, message)| format!("{field}: {}", flat(message)))
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

fn html_title(page: &str) -> String {
    // ASCII lower case keeps every byte position.
    let lower = page.to_ascii_lowercase();
    for tag in ["title", "h1"] {
        let Some(open) = lower.find(&format!("<{tag}")) else { continue };
        let Some(start) = lower[open..].find('>').map(|at| open + at + 1) else { continue };
        let end = lower[start..].find('<').map_or(page.len(), |at| start + at);
        let title = page[start..end].trim();
        if !title.is_empty() {
            return title.to_owned();
        }
    }
    "(an HTML page)".to_owned()
}

/// A parser's complaint without the piece of the body that it quotes.
fn without_quotations(complaint: &str) -> String {
    match (complaint.find('"'), complaint.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}...{}", &complaint[..=first], &complaint[last..])
        }
        _ => complaint.to_owned(),
    }
}

/// The longest prefix of at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// YBA's message texts. They have no codes; these substrings are what the vendor's own clients match.
pub(crate) mod texts {
    use super::Busy;

    const LOCKED: &str = "currently in a locked state";
    const QUEUED_BEHIND: &str = "cannot be queued on existing task ";
    const QUEUE_FULL: &str = "Queue is already full";

    pub(super) fn busy(text: &str) -> Option<Busy> {
        let holder = text.split_once(QUEUED_BEHIND).map(|(_, rest)| {
            let rest = rest.trim_start();
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let known = holder.is_some()
            || text.contains(QUEUED_BEHIND.trim_end())
            || text.contains(LOCKED)
            || text.contains(QUEUE_FULL);
        known.then(|| Busy { text: text.to_owned(), holder: holder.filter(|h| !h.is_empty()) })
    }

    pub(super) fn standby(text: &str) -> bool {
        text.contains("API not available for follower")
    }

    pub(super) fn stopping(text: &str) -> bool {
        text.contains("YBA is shutting down")
    }

    /// Refused by a filter in front of the handlers: nothing looked at the request.
    pub(super) fn turned_away(text: &str) -> bool {
        standby(text) || stopping(text)
    }

    pub(super) fn missing_base(text: &str) -> bool {
        text.contains("No previous successful backup found")
    }

    pub(super) fn not_found(text: &str) -> bool {
        [
            "Invalid customer or backup UUID",
            "Invalid Customer Task UUID",
            "Not able to find task",
            "Invalid task info UUID",
            "Cannot find universe",
            "Invalid Customer UUID",
            "Invalid Universe UUID",
            "Invalid StorageConfig UUID",
            "Invalid Schedule UUID",
        ]
        .iter()
        .any(|known| text.contains(known))
    }

    /// `GET /ha_leader` answers 404 for two opposite reasons.
    pub(crate) fn is_follower(text: &str) -> bool {
        text.contains("HA follower")
    }

    pub(crate) fn has_no_ha(text: &str) -> bool {
        text.contains("No HA Config")
    }

    /// A thing is not known, as opposed to a route that does not exist.
    pub(crate) fn unknown_thing(text: &str) -> bool {
        not_found(text) || !unknown_route(text)
    }

    /// The framework's words for a route that does not exist.
    pub(crate) fn unknown_route(text: &str) -> bool {
        text.contains("HTTP Client Error") || text.contains("Action Not Found")
    }

    /// The explanation of a subtask that ended because YBA stopped or started.
    pub(crate) fn platform_interruption(text: &str) -> bool {
        text.contains("Platform restarted") || text.contains("Platform shutdown")
    }

    /// The explanation of a task that was accepted and then found the universe locked: servers without a
    /// queue per universe tell it only here.
    pub(crate) fn lost_race(text: &str) -> bool {
        text.contains("already being updated")
            || text.contains("backup for this universe is already in progress")
    }

    /// An abort that came too late is also a 200; only the message tells.
    pub(crate) fn abort_not_running(message: &str) -> bool {
        message.contains("not running")
    }

    pub(crate) fn abort_accepted(message: &str) -> bool {
        message.contains("being aborted")
    }
}
