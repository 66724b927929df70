//! Faults that a test orders: what goes wrong, how often, and for whom.

use std::time::Duration;

use serde_json::Value;

use crate::ids::UniverseId;

/// Something that goes wrong with one call.
///
/// Alone it happens once; see [`times`](Fault::times) and [`always`](Fault::always).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer comes late. The work is done at once.
    Delay(Duration),
    /// The connection is closed without an answer, and nothing was done.
    DropBeforeAcceptance,
    /// The connection is closed without an answer, **and the work was done**.
    DropAfterAcceptance,
    /// This answer instead. Nothing was done, unless [`Script::work_done`] says so.
    Status {
        /// The status.
        code: u16,
        /// The body.
        body: String,
        /// Its `Content-Type`.
        content_type: String,
    },
    /// The work was done, and the answer breaks off half way.
    Truncated,
    /// A proxy answers 502 with an HTML page. Nothing was done, unless [`Script::work_done`] says so.
    Html,
    /// The work was done, and the connection is reset.
    Reset,
    /// The work was done, and the answer is a 200 that is no JSON.
    Unreadable200,
    /// A redirect. Nothing was done.
    Redirect {
        /// The status.
        code: u16,
        /// Its `Location`.
        location: String,
    },
    /// The work was done, and the answer drips in, a byte each time.
    Drip(Duration),
    /// The work was done, and one place of the answer reads otherwise.
    Rewritten {
        /// The place, as a JSON pointer: `/0/taskUUID`.
        pointer: String,
        /// What stands there; nothing at all without it.
        value: Option<Value>,
    },
    /// The work was done, and a foreign row stands before those of the answer.
    RowBefore(Value),
}

impl Fault {
    /// A status with YBA's JSON error around a text.
    pub fn status(code: u16, text: &str) -> Self {
        Self::Status {
            code,
            body: serde_json::json!({"success": false, "error": text}).to_string(),
            content_type: "application/json".to_owned(),
        }
    }

    /// A status with a plain-text body, as YBA's filters answer.
    pub fn plain(code: u16, text: &str) -> Self {
        Self::Status { code, body: text.to_owned(), content_type: "text/plain".to_owned() }
    }

    /// An answer that reads otherwise in one place: what a proxy's cache or a mixed-up tenant makes of it.
    pub fn rewritten(pointer: &str, value: impl Into<Option<Value>>) -> Self {
        Self::Rewritten { pointer: pointer.to_owned(), value: value.into() }
    }

    /// A page with 200 in YBA's place: somebody's sign-in.
    pub fn sign_in_page() -> Self {
        Self::page(200, "Sign in")
    }

    /// An HTML page with this status and title.
    pub fn page(code: u16, title: &str) -> Self {
        let body = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body></body></html>");
        Self::Status { code, body, content_type: "text/html; charset=utf-8".to_owned() }
    }

    /// Happens at the next so many calls.
    pub fn times(self, calls: u32) -> Script {
        Script { left: Some(calls), ..Script::from(self) }
    }

    /// Happens at every call.
    pub fn always(self) -> Script {
        Script { left: None, ..Script::from(self) }
    }

    /// Happens once, for this universe.
    pub fn on(self, universe: &UniverseId) -> Script {
        Script::from(self).on(universe)
    }

    fn does_the_work(&self) -> bool {
        !matches!(self, Self::DropBeforeAcceptance | Self::Status { .. } | Self::Html | Self::Redirect { .. })
    }
}

/// A [`Fault`] with its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Script {
    pub(super) fault: Fault,
    left: Option<u32>,
    skip: u32,
    universe: Option<UniverseId>,
    pub(super) work_done: bool,
}

impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        let work_done = fault.does_the_work();
        Self { fault, left: Some(1), skip: 0, universe: None, work_done }
    }
}

impl Script {
    /// Only for calls about this universe.
    pub fn on(mut self, universe: &UniverseId) -> Self {
        self.universe = Some(universe.clone());
        self
    }

    /// Only after so many calls have gone well.
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// The work was done before the fault happened.
    pub fn work_done(mut self) -> Self {
        self.work_done = true;
        self
    }

    /// Takes this script's turn for a call, if it applies.
    pub(super) fn take(&mut self, universe: Option<&UniverseId>) -> bool {
        if self.universe.is_some() && self.universe.as_ref() != universe {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == Some(0)
    }
}
