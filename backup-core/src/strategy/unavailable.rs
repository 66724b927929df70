//! Why YBA gave no usable answer, typed: what a batch waits for, and what its caller is told.

use std::fmt;

/// YBA gave no usable answer to a question that changes nothing, or nothing that would act was reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unavailable {
    /// What stands in the way.
    pub kind: UnavailableKind,
    /// The same in words, with the status and the place where there are any.
    pub text: String,
}

/// What stands between us and an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnavailableKind {
    /// No connection, no answer in time, or an answer that cannot be read.
    Unreachable,
    /// YBA does not accept the token, or its user may not ask this. Waiting changes nothing.
    Unauthorized,
    /// The YBA that answers is a standby or is stopping: what it says may be old.
    Standby,
    /// Something else answers in YBA's place: a redirect, a sign-in page, a proxy or a gateway.
    NotYba,
}

impl Unavailable {
    /// Why there is no answer, of this kind.
    pub fn new(kind: UnavailableKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// YBA could not be reached.
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self::new(UnavailableKind::Unreachable, text)
    }

    /// YBA refuses us.
    pub fn is_unauthorized(&self) -> bool {
        self.kind == UnavailableKind::Unauthorized
    }
}

impl fmt::Display for UnavailableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Standby => "standby",
            Self::NotYba => "not YBA",
        })
    }
}
