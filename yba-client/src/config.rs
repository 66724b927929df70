//! How a client is made: addresses, customer, token, timeouts, TLS, retries. Everything is checked
//! here once, so that a built client can only fail by the network.

use std::{path::PathBuf, sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use secrecy::SecretString;
use url::Url;

use crate::{
    client::{Inner, TimeLimits, YbaClient},
    error::{Call, Error, Failure},
    foreign::Secrets,
    ids::CustomerId,
    limit::{CircuitBreaker, Limits},
    observe::{CallReport, Hooks},
    proxy::{Proxies, Proxy},
    retry::RetryPolicy,
    tls::{self, TlsSettings},
    token::{OnToken, Token, TokenState},
};

/// The header that carries an API token.
pub(crate) const TOKEN_HEADER: &str = "x-auth-yw-api-token";

/// Builds a [`YbaClient`].
///
/// Only an address is required; most calls also need a customer and a token.
#[must_use]
pub struct YbaClientBuilder {
    addresses: Vec<String>,
    allowed_hosts: Vec<String>,
    customer: Option<CustomerId>,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    on_token: Option<OnToken>,
    connect_timeout: Duration,
    read_timeout: Duration,
    total_timeout: Option<Duration>,
    retry: RetryPolicy,
    proxy: Proxy,
    user_agent: Option<String>,
    max_body: usize,
    tls: TlsSettings,
    hooks: Hooks,
    at_a_time: Option<usize>,
    breaker: Option<CircuitBreaker>,
    #[cfg(feature = "rate-limit")]
    per_second: Option<std::num::NonZeroU32>,
}

impl std::fmt::Debug for YbaClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("YbaClientBuilder")
            .field("addresses", &self.addresses)
            .field("customer", &self.customer)
            .finish_non_exhaustive()
    }
}

impl YbaClientBuilder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            addresses: vec![address.into()],
            allowed_hosts: Vec::new(),
            customer: None,
            token: None,
            token_file: None,
            on_token: None,
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_mins(1),
            total_timeout: None,
            retry: RetryPolicy::default(),
            proxy: Proxy::default(),
            user_agent: None,
            max_body: 8 * 1024 * 1024,
            tls: TlsSettings::default(),
            hooks: Hooks::default(),
            at_a_time: None,
            breaker: None,
            #[cfg(feature = "rate-limit")]
            per_second: None,
        }
    }

    /// A further address of the same YBA: the other half of a high-availability pair.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// An origin (`https://host:port`) beside the addresses to which configured absolute URLs may go.
    pub fn allowed_host(mut self, origin: impl Into<String>) -> Self {
        self.allowed_hosts.push(origin.into());
        self
    }

    /// The customer whose resources the calls are about.
    pub fn customer(mut self, customer: impl Into<CustomerId>) -> Self {
        self.customer = Some(customer.into());
        self
    }

    /// The API token, sent as `X-AUTH-YW-API-TOKEN` and shown nowhere.
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// The file that holds the token: read now unless [`token`](Self::token) gives it, and again when YBA refuses the token
    /// or half a minute has passed, so that a token can be replaced without a restart.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// Calls this when YBA begins to refuse the token, and when it accepts it again. It must not block.
    pub fn on_token(mut self, tell: impl Fn(TokenState) + Send + Sync + 'static) -> Self {
        self.on_token = Some(Arc::new(tell));
        self
    }

    /// The longest wait for a connection, TLS included. Default 30 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest silence while waiting for an answer or reading it. Default 60 seconds.
    ///
    /// Starting a backup checks the object store before it answers, so this must outlast a slow one.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// The longest time for one attempt as a whole, however slowly the answer drips in. By default the time for a
    /// connection and twice the read timeout. Starting a backup always has that much.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// How calls that change nothing are repeated. Calls that change something never are.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Trusts these certificates (PEM, one or more) beside the roots of the machine.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.extra_roots_pem.push(pem.into());
        self
    }

    /// Identifies this client to YBA: a certificate chain and its private key, both PEM, in one text.
    pub fn client_certificate(mut self, pem: SecretString) -> Self {
        self.tls.identity_pem = Some(pem);
        self
    }

    /// **Switches certificate verification off.** Anyone on the network path can then read the token.
    /// For laboratories only; the client says so in the log when it is built.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.tls.accept_any_certificate = true;
        self
    }

    /// The proxy; by default the environment decides.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// The product named in `User-Agent` before this crate's own name.
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// The most bytes of an answer that are read. Default 8 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Calls this after every call, for metrics. It must not block.
    pub fn on_call(mut self, report: impl Fn(&CallReport) + Send + Sync + 'static) -> Self {
        self.hooks.report = Some(Arc::new(report));
        self
    }

    /// Asks this for the W3C `traceparent` of the trace that is current, and passes it on.
    pub fn trace_parent(mut self, current: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.hooks.trace_parent = Some(Arc::new(current));
        self
    }

    /// At most so many requests at a time; the others wait. No limit by default.
    pub fn max_concurrent_requests(mut self, requests: usize) -> Self {
        self.at_a_time = Some(requests);
        self
    }

    /// At most so many requests per second; the others wait. No limit by default.
    #[cfg(feature = "rate-limit")]
    pub fn max_requests_per_second(mut self, requests: std::num::NonZeroU32) -> Self {
        self.per_second = Some(requests);
        self
    }

    /// Stops asking a YBA that does not answer. Off by default.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// Checks the settings and makes the client. Nothing is sent.
    ///
    /// # Errors
    /// Kind [`Build`](crate::ErrorKind::Build), naming the setting that is wrong.
    pub fn build(self) -> Result<YbaClient, Error> {
        self.try_build().map_err(|fault| {
            Failure::build(fault).into_error(&Call {
                operation: "client.build",
                method: &Method::GET,
                path: "",
                request_id: None,
                attempts: 0,
                elapsed: Duration::ZERO,
            })
        })
    }

    fn try_build(mut self) -> Result<YbaClient, String> {
        let addresses = self.addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        let allowed = self.allowed_hosts.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        if [Some(self.connect_timeout), Some(self.read_timeout), self.total_timeout]
            .contains(&Some(Duration::ZERO))
        {
            return Err("a timeout of zero would fail every call".to_owned());
        }
        self.tls.unused = addresses.iter().chain(&allowed).all(|url| url.scheme() == "http");
        if self.tls.accept_any_certificate && !self.tls.unused {
            tracing::warn!(
                "certificate verification is OFF: anyone on the network path can read the YBA token"
            );
        }
        let secrets = Secrets::default();
        let token = Token::new(self.token.as_ref(), self.token_file.take(), self.on_token.take(), &secrets)?;
        if self.at_a_time == Some(0) {
            return Err("max_concurrent_requests of 0 would hold every call back for ever".to_owned());
        }
        let proxies = Proxies::of(&self.proxy, environment)?;
        proxies.tell_secrets(&secrets);
        let http = self.http(proxies)?;
        let patient = self.connect_timeout.saturating_add(self.read_timeout.saturating_mul(2));
        let usual = self.total_timeout.unwrap_or(patient);
        let time_limits = TimeLimits { usual, patient: patient.max(usual) };
        let limits = Limits::new(
            self.at_a_time,
            self.breaker,
            #[cfg(feature = "rate-limit")]
            self.per_second,
        );
        Ok(YbaClient(Arc::new(Inner {
            http,
            addresses,
            allowed,
            preferred: std::sync::atomic::AtomicUsize::new(0),
            customer: self.customer,
            token,
            secrets,
            time_limits,
            retry: self.retry,
            max_body: self.max_body,
            hooks: self.hooks,
            limits,
        })))
    }

    fn http(&self, proxies: Proxies) -> Result<reqwest::Client, String> {
        let own = concat!("yba-client/", env!("CARGO_PKG_VERSION"));
        let agent = match &self.user_agent {
            Some(product) => format!("{product} {own}"),
            None => own.to_owned(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static("application/json"));
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&self.tls)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            // YBA closes idle connections after 75 seconds; a request sent into a closing one would
            // have to be looked up.
            .pool_idle_timeout(Duration::from_secs(30))
            .default_headers(headers)
            .user_agent(agent)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |to| proxies.of_request(to).cloned()))
            .build()
            .map_err(|error| format!("HTTP client: {error}"))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a proxy of the environment is asked for by its conventional name"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn address(text: &str) -> Result<Url, String> {
    // The text may hold a password, so it is not repeated.
    let mut url = Url::parse(text.trim()).map_err(|error| format!("address is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("address must start with http:// or https://, not {}://", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("address must not hold a user or password; use the token".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        // People paste addresses with tokens in them.
        url.set_query(None);
        url.set_fragment(None);
        return Err(format!("address {url} must end before '?' and '#'"));
    }
    Ok(url)
}
