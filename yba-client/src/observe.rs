//! What a client tells about its calls: a report per call for metrics, and the trace it takes part in.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;

use crate::error::ErrorKind;

/// A finished call, for metrics. Holds no ids, so every field makes a good label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallReport {
    /// The name of the call, such as `backups.create`.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path with its ids left as placeholders.
    pub path: &'static str,
    /// The status of the last answer, if there was one.
    pub status: Option<u16>,
    /// How it failed, if it did.
    pub failure: Option<ErrorKind>,
    /// How many times it was sent, or tried to be.
    pub attempts: u32,
    /// From the first attempt to the end.
    pub elapsed: Duration,
}

type Report = Arc<dyn Fn(&CallReport) + Send + Sync>;
type TraceParent = Arc<dyn Fn() -> Option<String> + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) report: Option<Report>,
    pub(crate) trace_parent: Option<TraceParent>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl Hooks {
    /// The `traceparent` of the trace that is current now, if it is a valid one.
    pub(crate) fn trace_parent(&self) -> Option<String> {
        let current = self.trace_parent.as_ref()?;
        current().filter(|value| is_trace_parent(value))
    }
}

/// `version-traceid-parentid-flags`, lower-case hexadecimal, no id all zeros.
fn is_trace_parent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |part: &str| part.bytes().any(|b| b != b'0');
    matches!(parts[..], [version, trace, parent, flags]
        if hex(version, 2) && version != "ff" && hex(trace, 32) && named(trace)
            && hex(parent, 16) && named(parent) && hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_parent_is_passed_on() {
        assert!(is_trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_trace_parent(wrong), "{wrong}");
        }
    }
}
