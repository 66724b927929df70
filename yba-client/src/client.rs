//! [`YbaClient`]: the handle, and the one function every call is sent through.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{StatusCode, header::HeaderValue};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use crate::{
    config::{TOKEN_HEADER, YbaClientBuilder},
    error::{self, Call, Error, ErrorKind, Failure},
    foreign::{self, Secrets},
    ids::{CustomerId, RequestId},
    leader::Elsewhere,
    limit::Limits,
    observe::{CallReport, Hooks},
    request::{Request, Target},
    retry::{Decision, Outcome, RetryPolicy, decide},
    stranger::{self, Sender},
    token::{Token, TokenState},
};

const REQUEST_ID_HEADER: &str = "x-request-id";
/// The most of an error's body that is read, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// A handle on one YugabyteDB Anywhere, for one customer and one token.
///
/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct YbaClient(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) addresses: Vec<Url>,
    pub(crate) allowed: Vec<Url>,
    /// Index of the address that answered last.
    pub(crate) preferred: AtomicUsize,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) token: Token,
    /// What is struck out of everything foreign.
    pub(crate) secrets: Secrets,
    pub(crate) time_limits: TimeLimits,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_body: usize,
    pub(crate) hooks: Hooks,
    pub(crate) limits: Limits,
}

/// How long one attempt may take as a whole, however the bytes drip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    pub(crate) usual: Duration,
    /// For a call that YBA does work for before it answers.
    pub(crate) patient: Duration,
}

impl std::fmt::Debug for YbaClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("YbaClient")
            .field("address", &self.address().as_str())
            .field("customer", &self.0.customer)
            .finish_non_exhaustive()
    }
}

/// An answer of success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) request_id_echoed: bool,
    pub(crate) body: Vec<u8>,
}

impl YbaClient {
    /// Starts a client for the YBA at this address (`https://yba.example.com`, a path is kept).
    pub fn builder(address: impl Into<String>) -> YbaClientBuilder {
        YbaClientBuilder::new(address)
    }

    /// The address that calls go to at the moment.
    pub fn address(&self) -> &Url {
        &self.0.addresses[self.place()]
    }

    /// Which of the addresses calls go to at the moment.
    pub(crate) fn place(&self) -> usize {
        self.0.preferred.load(Ordering::Relaxed) % self.0.addresses.len()
    }

    /// The customer the client was built for.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.0.customer.as_ref()
    }

    /// For how long YBA has refused the token (401 to every call); `None` while it accepts it, or was not asked yet.
    ///
    /// Nothing is sent to find out. With [`YbaClientBuilder::token_file`] the file is read again meanwhile.
    pub fn token_refused_for(&self) -> Option<Duration> {
        self.0.token.refused_for()
    }

    /// Whether the circuit breaker holds calls back at the moment, because YBA did not answer the last ones. Nothing is
    /// sent to find out.
    pub fn is_held_back(&self) -> bool {
        self.0.limits.is_held_back()
    }

    /// The most requests per second that are sent, if there is a limit.
    #[cfg(feature = "rate-limit")]
    pub fn max_requests_per_second(&self) -> Option<std::num::NonZeroU32> {
        self.0.limits.per_second()
    }

    /// Fills `{customer}` of a path.
    pub(crate) fn scoped(&self, request: Request) -> Request {
        match &self.0.customer {
            Some(customer) => request.with("customer", customer.as_str()),
            None => request.checked(Err("the client was built without a customer".to_owned())),
        }
    }

    /// Sends a call and reads its JSON answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        self.call(request, |answer| decode(&answer)).await
    }

    /// Sends a call, repeating it as far as policy and call allow, and reads the answer.
    pub(crate) async fn call<T>(
        &self,
        request: Request,
        read: impl Fn(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let span = tracing::info_span!(
            "yba.call",
            otel.name = format!("yba.{}", request.operation),
            operation = request.operation,
            method = %request.method,
            path = request.template,
            x_request_id = request.id.as_ref().map(RequestId::as_str),
            status = tracing::field::Empty,
            attempts = tracing::field::Empty,
            elapsed_ms = tracing::field::Empty,
        );
        self.attempts(&request, read).instrument(span).await
    }

    async fn attempts<T>(
        &self,
        request: &Request,
        read: impl Fn(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let (mut attempts, mut moves, mut is_new_token_tried) = (0, 0, false);
        self.0.token.keep_fresh(&self.0.secrets).await;
        loop {
            attempts += 1;
            let (place, token) = (self.place(), self.0.token.header());
            let failure = match self.attempt(request, place, token.as_ref(), &read).await {
                Ok((value, status)) => {
                    self.learn_token(request, place, token.as_ref(), None);
                    self.finished(request, Some(status), None, attempts, started.elapsed());
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            let (status, elapsed) = (failure.status, started.elapsed());
            let mut error = failure.into_error(&Call {
                operation: request.operation,
                method: &request.method,
                path: request.template,
                request_id: request.id.as_ref(),
                attempts,
                elapsed,
            });
            // Refused before anything was done, so that even a change may be sent again with another token.
            if error.is_token_refused()
                && request.authenticated
                && !std::mem::replace(&mut is_new_token_tried, true)
                && self.0.token.has_another_than(token.as_ref(), &self.0.secrets).await
            {
                continue;
            }
            self.learn_token(request, place, token.as_ref(), Some(&error));
            match self.elsewhere(request, &error, place, &mut moves).await {
                Elsewhere::Go => continue,
                Elsewhere::Stay => {}
                Elsewhere::NotBelieved => error = error.told_by_standby(),
            }
            let jitter = rand::random::<f64>();
            let outcome = Outcome::of(&error);
            match decide(outcome, request.idempotency, &self.0.retry, attempts, elapsed, jitter) {
                Decision::GiveUp => {
                    self.finished(request, status, Some(&error), attempts, elapsed);
                    return Err(error);
                }
                Decision::After(delay) => {
                    tracing::debug!(%error, ?delay, "asking YBA again");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// Learns from an answer of YBA whether it accepts the token.
    fn learn_token(
        &self,
        request: &Request,
        place: usize,
        sent: Option<&HeaderValue>,
        error: Option<&Error>,
    ) {
        let state = match error {
            None => TokenState::Accepted,
            Some(error) if error.is_token_refused() => TokenState::Refused,
            // A 404 may come from before the token is looked at.
            Some(error)
                if error.kind() == ErrorKind::Api && matches!(error.status(), Some(400..=403 | 405..500)) =>
            {
                TokenState::Accepted
            }
            Some(_) => return,
        };
        if request.authenticated {
            self.0.token.learn(sent, state, &self.0.addresses[place]);
        }
    }

    /// One attempt, at one address.
    pub(crate) async fn attempt<T>(
        &self,
        request: &Request,
        place: usize,
        token: Option<&HeaderValue>,
        read: impl Fn(Answer) -> Result<T, Failure>,
    ) -> Result<(T, StatusCode), Failure> {
        let built = self.build(request, place, token)?;
        let limits = &self.0.limits;
        let _permit = if request.despite_circuit {
            limits.place().await
        } else {
            limits.enter().await.map_err(|_| Failure::circuit_open())?
        };
        let limit = if request.patient { self.0.time_limits.patient } else { self.0.time_limits.usual };
        let exchange = tokio::time::timeout(limit, self.exchange(request, built));
        let answer = exchange.await.unwrap_or_else(|_| Err(Failure::out_of_time(limit)));
        limits.learn(answer.as_ref().err().is_none_or(Failure::is_an_answer));
        let answer = answer?;
        let status = answer.status;
        read(answer).map(|value| (value, status))
    }

    async fn exchange(&self, request: &Request, built: reqwest::Request) -> Result<Answer, Failure> {
        let response = self.0.http.execute(built).await.map_err(Failure::transport)?;
        let answer = self.receive(response, request.id.as_ref()).await?;
        // An answer that hands out a token is for its reader alone.
        let body =
            if request.answers_secret { answer.body } else { foreign::clean(answer.body, &self.0.secrets) };
        Ok(Answer { body, ..answer })
    }

    /// Tells span and hook that a call is over.
    fn finished(
        &self,
        request: &Request,
        status: Option<StatusCode>,
        error: Option<&Error>,
        attempts: u32,
        elapsed: Duration,
    ) {
        let span = tracing::Span::current();
        if let Some(status) = status {
            span.record("status", status.as_u16());
        }
        span.record("attempts", attempts);
        span.record("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        if let Some(report) = &self.0.hooks.report {
            report(&CallReport {
                operation: request.operation,
                method: request.method.clone(),
                path: request.template,
                status: status.map(|status| status.as_u16()),
                failure: error.map(Error::kind),
                attempts,
                elapsed,
            });
        }
    }

    fn build(
        &self,
        request: &Request,
        place: usize,
        token: Option<&HeaderValue>,
    ) -> Result<reqwest::Request, Failure> {
        if let Some(fault) = &request.fault {
            return Err(Failure::build(fault));
        }
        let mut url = self.url(&request.target, place)?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut built = reqwest::Request::new(request.method.clone(), url);
        let headers = built.headers_mut();
        if request.authenticated {
            let token = token.ok_or_else(|| Failure::build("the client was built without a token"))?;
            headers.insert(TOKEN_HEADER, token.clone());
        }
        if let Some(id) = &request.id {
            let value = HeaderValue::from_str(id.as_str())
                .map_err(|_| Failure::build("the request id holds characters a header cannot"))?;
            headers.insert(REQUEST_ID_HEADER, value);
        }
        if let Some(parent) = self.0.hooks.trace_parent()
            && let Ok(value) = HeaderValue::try_from(parent)
        {
            headers.insert("traceparent", value);
        }
        if let Some(body) = &request.body {
            let json = HeaderValue::from_static("application/json");
            headers.insert(reqwest::header::CONTENT_TYPE, json);
            *built.body_mut() = Some(body.clone().into());
        }
        Ok(built)
    }

    fn url(&self, target: &Target, place: usize) -> Result<Url, Failure> {
        match target {
            Target::Path(segments) => {
                let mut url = self.0.addresses[place].clone();
                url.path_segments_mut()
                    .map_err(|()| Failure::build("the address cannot carry a path"))?
                    .pop_if_empty()
                    .extend(segments);
                Ok(url)
            }
            Target::Absolute(text) => {
                let url = Url::parse(text)
                    .map_err(|error| Failure::build(format!("the url is not valid: {error}")))?;
                let mut known = self.0.addresses.iter().chain(&self.0.allowed);
                if known.any(|address| same_origin(address, &url)) {
                    Ok(url)
                } else {
                    // Sending a token to a host nobody configured is how tokens leak.
                    let host = url.host_str().unwrap_or_default();
                    Err(Failure::build(format!(
                        "{}://{host} is none of the addresses this client may talk to",
                        url.scheme()
                    )))
                }
            }
        }
    }

    async fn receive(
        &self,
        response: reqwest::Response,
        request_id: Option<&RequestId>,
    ) -> Result<Answer, Failure> {
        let (status, headers, asked) =
            (response.status(), response.headers().clone(), response.url().clone());
        let request_id_echoed = request_id.is_some_and(|sent| {
            let echo = headers.get(REQUEST_ID_HEADER);
            echo.is_some_and(|echo| echo.as_bytes() == sent.as_str().as_bytes())
        });
        let body = if status.is_success() {
            read_body(response, self.0.max_body).await?
        } else {
            match read_body(response, MAX_ERROR_BODY).await {
                Ok(body) => body,
                // Busy or refused: a 409 says only by its text.
                Err(broken) if status == StatusCode::CONFLICT => return Err(broken),
                // The status is the answer; a text that breaks off takes nothing from it.
                Err(_) => Vec::new(),
            }
        };
        let text = || error::text_of(&body, &self.0.secrets);
        match stranger::sender(status, &headers, &body, &asked) {
            Sender::Stranger(stranger) => {
                Err(Failure::not_yba(status, retry_after(&headers), stranger, text()))
            }
            Sender::Yba if status.is_success() => Ok(Answer { status, request_id_echoed, body }),
            Sender::Yba => Err(Failure::api(status, retry_after(&headers), text())),
        }
    }
}

/// Reads a JSON answer; numbers, nulls and unknown fields are the types' business.
pub(crate) fn decode<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| Failure::decode(answer.status, error))
}

async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let status = response.status();
    let announced = response.content_length().unwrap_or_default();
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(limit));
    while let Some(chunk) = response.chunk().await.map_err(Failure::transport)? {
        if body.len() + chunk.len() > limit {
            if status.is_success() {
                let limit = format!("the answer is larger than {limit} bytes");
                return Err(Failure::decode(status, limit));
            }
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn same_origin(a: &Url, b: &Url) -> bool {
    // User info would be sent as an `Authorization` header; a url that carries it is not ours.
    a.origin() == b.origin() && b.username().is_empty() && b.password().is_none()
}

/// `Retry-After` in seconds, or as a date measured against the answer's own `Date`.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let value = text(reqwest::header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    let now = chrono::DateTime::parse_from_rfc2822(text(reqwest::header::DATE)?).ok()?;
    (until - now).to_std().ok()
}
