//! `Prefer` and `Preference-Applied` (RFC 7240): how long the caller wants to wait.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longer than anything between the caller and us keeps a connection open.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// The two preferences that we know. Others are ignored, as the RFC wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) respond_async: bool,
    pub(crate) wait: Option<Duration>,
}

impl Preferences {
    /// Reads every `Prefer` header. Of a preference that is named twice, the first counts.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let mut wait_seen = false;
        let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| split(value, ',')) {
            // Parameters follow after `;`. Neither of ours has any.
            let token = split(preference, ';').next().unwrap_or_default();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => preferences.respond_async = true,
                "wait" if !wait_seen => {
                    wait_seen = true;
                    preferences.wait = seconds(unquoted(value.trim()));
                }
                _ => {}
            }
        }
        preferences
    }

    /// How long to wait: what the caller prefers, or `otherwise`.
    pub(crate) fn limit(&self, otherwise: Duration) -> Duration {
        match (self.wait, self.respond_async) {
            (Some(wait), _) => wait,
            (None, true) => Duration::ZERO,
            (None, false) => otherwise,
        }
    }

    /// What to say in `Preference-Applied`, if anything was applied. `respond-async` was where the answer is 202.
    pub(crate) fn applied(&self, answered_async: bool) -> Option<HeaderValue> {
        let asynchronous = (self.respond_async && answered_async).then(|| "respond-async".to_owned());
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        let applied: Vec<String> = asynchronous.into_iter().chain(wait).collect();
        HeaderValue::from_str(&applied.join(", ")).ok().filter(|value| !value.is_empty())
    }
}

fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit are just a long time.
    let seconds = text.parse().map_or(MAX_WAIT, Duration::from_secs);
    Some(seconds.min(MAX_WAIT))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Splits at a separator that does not stand inside a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let is_escaped = escaped;
        escaped = quoted && !is_escaped && c == '\\';
        quoted ^= c == '"' && !is_escaped;
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(values: &[&str]) -> Preferences {
        let pairs = values.iter().map(|value| (PREFER, HeaderValue::from_str(value).unwrap()));
        Preferences::read(&pairs.collect())
    }

    #[rstest]
    #[case::nothing(&[], false, None)]
    #[case::alone(&["respond-async"], true, None)]
    #[case::any_case(&["Respond-ASYNC"], true, None)]
    #[case::a_wait(&["wait=10"], false, Some(10))]
    #[case::spaces(&[" wait = 10 "], false, Some(10))]
    #[case::quoted(&["wait=\"10\""], false, Some(10))]
    #[case::a_list(&["respond-async, wait=5"], true, Some(5))]
    #[case::two_headers(&["respond-async", "wait=5"], true, Some(5))]
    #[case::the_first_counts(&["wait=5, wait=9"], false, Some(5))]
    #[case::the_first_counts_even_unreadable(&["wait=soon, wait=9"], false, None)]
    #[case::parameters(&["respond-async; foo=bar;baz, wait=5;x"], true, Some(5))]
    #[case::others_are_ignored(&["return=minimal, handling=lenient"], false, None)]
    #[case::a_quoted_comma(&["foo=\"a, wait=3, b\", wait=7"], false, Some(7))]
    #[case::a_quoted_quote(&["foo=\"a\\\", wait=3\", wait=7"], false, Some(7))]
    #[case::no_number(&["wait=-1"], false, None)]
    #[case::no_value(&["wait"], false, None)]
    #[case::zero(&["wait=0"], false, Some(0))]
    #[case::capped(&["wait=99999"], false, Some(3600))]
    #[case::more_digits_than_fit(&["wait=99999999999999999999999"], false, Some(3600))]
    #[case::empty_elements(&[",, ,wait=1,"], false, Some(1))]
    fn preferences_are_read(#[case] values: &[&str], #[case] respond_async: bool, #[case] wait: Option<u64>) {
        let expected = Preferences { respond_async, wait: wait.map(Duration::from_secs) };
        assert_eq!(read(values), expected);
    }

    #[test]
    fn only_what_was_applied_is_said() {
        let applied = |values: &[&str], answered_async| {
            read(values).applied(answered_async).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(applied(&[], true), None);
        assert_eq!(applied(&["return=minimal"], true), None);
        assert_eq!(applied(&["respond-async"], false), None);
        assert_eq!(applied(&["respond-async"], true).as_deref(), Some("respond-async"));
        assert_eq!(applied(&["respond-async, wait=5"], true).as_deref(), Some("respond-async, wait=5"));
        assert_eq!(applied(&["respond-async, wait=5"], false).as_deref(), Some("wait=5"));
    }

    #[test]
    fn an_asynchronous_answer_may_still_come_after_a_wait() {
        let limit = |values: &[&str]| read(values).limit(Duration::from_mins(1)).as_secs();
        assert_eq!(limit(&[]), 60);
        assert_eq!(limit(&["respond-async"]), 0);
        assert_eq!(limit(&["wait=5"]), 5);
        assert_eq!(limit(&["respond-async, wait=5"]), 5);
    }
}
