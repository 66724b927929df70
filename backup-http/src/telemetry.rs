//! What every request leaves behind: its id, one line in the log, one measurement. Never its body, its query or a header.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use backup_core::BackupRecord;
use tracing::{
    Instrument,
    field::{Empty, display},
};
use uuid::Uuid;

use crate::{meters::HTTP_REQUESTS, wire::shown};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 128;

/// The id of a request: the caller's, or ours. It is on every log line of the request and of the backup that it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the caller's id if it is printable ASCII and not too long; what a log could not bear is replaced.
    fn read(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).map(str::trim);
        let usable = given.filter(|id| {
            !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
        });
        usable.map_or_else(Self::generate, |id| Self(id.to_owned()))
    }

    /// A new id that sorts by time.
    pub(crate) fn generate() -> Self {
        Self(Uuid::now_v7().to_string())
    }
}

/// The trace that the caller says this request belongs to (W3C `traceparent`).
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let parts: Vec<&str> = headers.get("traceparent")?.to_str().ok()?.trim().split('-').collect();
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match parts.as_slice() {
        // Later versions may have more parts; `ff` is none.
        [version, trace, parent, flags, ..] if is_hex(version, 2) && *version != "ff" => {
            let whole = is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
            (whole && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
        }
        _ => None,
    }
}

/// The batch that an answer is about: whoever joined it shows in the log too. It travels as an extension of the answer.
#[derive(Clone, Debug)]
pub(crate) struct About {
    batch: String,
    business_date: String,
}

impl From<&BackupRecord> for About {
    fn from(record: &BackupRecord) -> Self {
        Self { batch: record.batch.to_string(), business_date: record.business_date.to_string() }
    }
}

/// Gives the request its id and its span, and says afterwards how it went.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId::read(request.headers());
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let span = tracing::info_span!("request", method, route, request_id = id.as_str(), trace_id = Empty);
    if let Some(trace) = trace_id(request.headers()) {
        span.record("trace_id", trace);
    }
    if route == "(none)" {
        span.in_scope(|| tracing::debug!(path = shown(request.uri().path()), "no route has this path"));
    }
    span.in_scope(|| tracing::debug!("received"));
    request.extensions_mut().insert(id.clone());
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status(), started.elapsed());
    span.in_scope(|| log(route, &response, elapsed.as_secs_f64()));
    metrics::histogram!(
        HTTP_REQUESTS,
        "method" => method, "uri" => route.to_owned(), "status" => status.as_u16().to_string(),
    )
    .record(elapsed.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// Probes and scrapes come every few seconds and say nothing.
fn log(route: &str, response: &Response, elapsed_seconds: f64) {
    let status = response.status().as_u16();
    let about = response.extensions().get::<About>();
    let batch_id = about.map(|about| display(&about.batch));
    let business_date = about.map(|about| display(&about.business_date));
    if route.contains("/actuator") {
        tracing::debug!(status, elapsed_seconds, "answered");
    } else {
        tracing::info!(status, elapsed_seconds, batch_id, business_date, "answered");
    }
}

/// The method as a label: a client can invent any number of them.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::good("caller-1/a:b", true)]
    #[case::blank("  ", false)]
    #[case::a_space_inside("a b", false)]
    #[case::not_ascii("caf\u{e9}", false)]
    fn an_id_that_a_log_cannot_bear_is_replaced(#[case] given: &str, #[case] kept: bool) {
        let value = HeaderValue::from_bytes(given.as_bytes()).unwrap();
        let id = RequestId::read(&HeaderMap::from_iter([(X_REQUEST_ID, value)]));
        assert_eq!(id.as_str() == given, kept);
        assert!(kept || Uuid::parse_str(id.as_str()).is_ok());
    }

    #[rstest]
    #[case(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    )]
    #[case(
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new",
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    )]
    #[case("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None)]
    #[case("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None)]
    #[case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None)]
    #[case("00-4bf92f35", None)]
    fn a_trace_is_taken_over_if_it_is_one(#[case] parent: &str, #[case] trace: Option<&str>) {
        let value = HeaderValue::from_str(parent).unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), value)]);
        assert_eq!(trace_id(&headers), trace);
    }

    #[test]
    fn a_long_id_is_replaced() {
        for (length, kept) in [(128, true), (129, false)] {
            let value = HeaderValue::from_str(&"x".repeat(length)).unwrap();
            let id = RequestId::read(&HeaderMap::from_iter([(X_REQUEST_ID, value)]));
            assert_eq!(id.as_str().len() == length, kept);
        }
    }
}
