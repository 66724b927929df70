//! What can go wrong, told by how far the request got.

mod body;
mod failure;
pub(crate) mod texts;

use std::{fmt, time::Duration};

use reqwest::{Method, StatusCode};

pub(crate) use self::{
    body::{complaint, cut, text_of},
    failure::{Call, Failure},
};
use crate::{
    ids::RequestId,
    stranger::{self, Stranger},
};

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
    /// Who answered, when that was not YBA.
    stranger: Option<Stranger>,
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
    /// YBA answered with an error status. Retried for calls that change nothing when the status is 408, 425, 429, 500,
    /// 502, 503 or 504.
    Api,
    /// Something that is not YBA answered: a redirect, a sign-in page, a proxy, a gateway. What that says about the
    /// request is the table at [`Error::reach`]. Retried as `Api` is.
    NotYba,
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
    ///
    /// Of an answer it is decided by who gave it, and by the status. YBA answers JSON or plain text and never redirects;
    /// a 3xx, a 407, a 511 and every HTML page come from something else (kind [`NotYba`](ErrorKind::NotYba)):
    ///
    /// | answer | given by | reach | a backup that was posted |
    /// |---|---|---|---|
    /// | 3xx (with the host that `Location` names) | a proxy, a gateway | `NotSent` | was not started: wait, or correct the address |
    /// | 2xx with an HTML page | a sign-in page | `NotSent` | was not started |
    /// | 407, 511; 401 or 403 with an HTML page | a proxy, a gateway | `NotSent` | was not started |
    /// | 503 with the text of a standby or of a shutdown | YBA | `NotSent` | was not started |
    /// | 401, 403 | YBA | `Answered` | was refused: see [`is_unauthorized`](Self::is_unauthorized) |
    /// | 404, 413 and other 4xx, page or not | either | `Answered` | was refused |
    /// | 408; 425 with an HTML page | either | `Unknown` | may have been started: look before sending again |
    /// | 5xx, page or not (502 and 504 of a gateway too) | either | `Unknown` | may have been started: look before sending again |
    /// | 2xx that is neither readable nor a page | YBA | `Unknown` | was most likely started: look |
    pub fn reach(&self) -> Reach {
        match (self.0.kind, self.0.status) {
            (ErrorKind::Build | ErrorKind::Connect | ErrorKind::CircuitOpen, _) => Reach::NotSent,
            (ErrorKind::NotYba, Some(status)) => stranger::reach(status),
            (ErrorKind::Api, Some(StatusCode::SERVICE_UNAVAILABLE)) if texts::turned_away(&self.0.text) => {
                Reach::NotSent
            }
            (ErrorKind::Api, Some(status)) if status.is_client_error() && status.as_u16() != 408 => {
                Reach::Answered
            }
            _ => Reach::Unknown,
        }
    }

    /// Where something that is not YBA redirects to: scheme, host and port.
    pub fn redirected_to(&self) -> Option<&str> {
        self.0.stranger.as_ref()?.place.as_deref()
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
        matches!(self.0.kind, ErrorKind::Api | ErrorKind::NotYba).then_some(self.0.text.as_str())
    }

    /// The universe is held by another operation; the call may be made again later.
    ///
    /// Only for the three 409 texts that mean it. Any other 409 is a refusal like a 400.
    pub fn busy(&self) -> Option<Busy> {
        if self.yba_status() == Some(409) { texts::busy(&self.0.text) } else { None }
    }

    /// The status, when it was YBA that answered.
    fn yba_status(&self) -> Option<u16> {
        self.status().filter(|_| self.0.kind == ErrorKind::Api)
    }

    /// The thing asked for is not known to this YBA.
    ///
    /// True for a 404 and for the 400s by which YBA says the same. A standby says it too, about things
    /// its leader knows: the client asks whether it talks to one, and this is false if it does.
    pub fn is_not_found(&self) -> bool {
        match self.yba_status() {
            _ if self.0.from_standby => false,
            Some(404) => true,
            Some(400) => texts::not_found(&self.0.text),
            _ => false,
        }
    }

    /// The answering YBA is a standby: it refuses changes, and what it does not know may well exist.
    pub fn is_standby(&self) -> bool {
        self.0.from_standby || (self.yba_status() == Some(503) && texts::standby(&self.0.text))
    }

    /// Marks a "not found" that came from a standby, and so means nothing.
    pub(crate) fn told_by_standby(mut self) -> Self {
        self.0.from_standby = true;
        self
    }

    /// The answering YBA is shutting down.
    pub fn is_stopping(&self) -> bool {
        self.yba_status() == Some(503) && texts::stopping(&self.0.text)
    }

    /// The token is not accepted (401), or its user may not do this (403; with the newer access
    /// model also 401).
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.yba_status(), Some(401 | 403))
    }

    /// The token itself is not accepted, as opposed to a right that its user lacks.
    pub fn is_token_refused(&self) -> bool {
        self.yba_status() == Some(401) && !texts::lacks_right(&self.0.text)
    }

    /// The increment has nothing to build on: no completed backup in that chain.
    pub fn is_missing_base(&self) -> bool {
        self.yba_status() == Some(400) && texts::missing_base(&self.0.text)
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
            (ErrorKind::NotYba, Some(status)) => {
                write!(
                    f,
                    "{operation} ({method} {path}): something that is not YBA answered {}",
                    status.as_u16()
                )?;
                match self.redirected_to() {
                    Some(place) => write!(f, ", a redirect to {place}")?,
                    None => write!(f, ": {text}")?,
                }
            }
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
