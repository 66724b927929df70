//! Which host a request is for, and on behalf of which web page it is sent.
//!
//! A web page can give its own name the address 127.0.0.1 and then calls this service as its own origin ("DNS
//! rebinding"). Its requests still name the page's host. So where no token protects the service, only requests for a
//! host that is known to be ours are taken. A browser's request for another page's sake is never taken.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode, Version,
        header::{HOST, ORIGIN},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    config::{Auth, ServerConfig},
    connections::Ends,
    error::ApiError,
    meters::count_refused,
    state::AppState,
    wire::shown,
};

/// Refuses a request that does not name exactly one host, as HTTP/1.1 asks for.
pub(crate) async fn require_one_host(request: Request, next: Next) -> Response {
    match host_of(&request) {
        Ok(_) => next.run(request).await,
        Err(message) => ApiError::refused(StatusCode::BAD_REQUEST, message).into_response(),
    }
}

/// Refuses what is for another host, where nothing else protects the service, and what a browser sends for another
/// page's sake.
pub(crate) async fn refuse_foreign(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match judge(&request, state.config()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn judge(request: &Request, config: &ServerConfig) -> Result<(), ApiError> {
    let host = host_of(request).map_err(|message| ApiError::refused(StatusCode::BAD_REQUEST, message))?;
    let local = request.extensions().get::<Ends>().map(|ends| ends.local.ip());
    let hosts = KnownHosts { config, local };
    if matches!(config.auth, Auth::Open) && !host.as_ref().is_some_and(|host| hosts.include(host)) {
        count_refused("host");
        return Err(foreign_host(host.as_ref()));
    }
    if !is_our_page(request.headers(), host.as_ref(), &hosts) {
        count_refused("origin");
        let message = "requests for the sake of a web page are only taken from this service's own origin";
        return Err(ApiError::refused(StatusCode::FORBIDDEN, message));
    }
    Ok(())
}

fn foreign_host(host: Option<&Authority>) -> ApiError {
    let message = match host {
        Some(host) => {
            format!("the request is for the host \"{}\", which is not known here", shown(host.host()))
        }
        None => "the request names no host".to_owned(),
    };
    let advice = "without authentication, add the name by which the service is called to `server.allowed-hosts`; or set \
                  `server.auth.token`";
    ApiError { advice: Some(advice.to_owned()), ..ApiError::refused(StatusCode::FORBIDDEN, message) }
}

/// The host that a request is for, with its port: of its target, otherwise of its `Host` header. `None` where an
/// older version of HTTP names none.
fn host_of(request: &Request) -> Result<Option<Authority>, &'static str> {
    let target = request.uri().authority().cloned();
    let header = host_header(request.headers())?;
    if target.iter().chain(&header).any(|authority| !is_plain(authority)) {
        return Err("the host must be a name or an address, and maybe a port");
    }
    match (target, header) {
        (Some(target), Some(header)) if !is_same(&target, &header) => {
            Err("the request's target and its Host header name different hosts")
        }
        (None, None) if request.version() == Version::HTTP_11 => Err("the request has no Host header"),
        (target, header) => Ok(target.or(header)),
    }
}

fn host_header(headers: &HeaderMap) -> Result<Option<Authority>, &'static str> {
    let mut values = headers.get_all(HOST).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("the request has more than one Host header");
    }
    let authority = Authority::try_from(value.as_bytes());
    authority.map(Some).map_err(|_| "the Host header is not valid")
}

/// Without a user, and with a port that is one, if any.
fn is_plain(authority: &Authority) -> bool {
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    !text.contains('@') && port.is_none_or(|port| port.is_empty() || authority.port_u16().is_some())
}

fn is_same(one: &Authority, other: &Authority) -> bool {
    name_of(one.host()) == name_of(other.host()) && port_of(one) == port_of(other)
}

/// No TLS is spoken here; a page behind a proxy that does names its host in `server.allowed-hosts`.
fn port_of(authority: &Authority) -> u16 {
    authority.port_u16().unwrap_or(80)
}

/// A host's name as it is compared: in lower case, without the dot at its end and the brackets of an address.
fn name_of(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.to_ascii_lowercase()
}

/// The hosts that are ours.
struct KnownHosts<'c> {
    config: &'c ServerConfig,
    /// Our end of the request's connection.
    local: Option<IpAddr>,
}

impl KnownHosts<'_> {
    fn include(&self, host: &Authority) -> bool {
        let name = name_of(host.host());
        let is_known_address = || name.parse().is_ok_and(|address: IpAddr| self.include_address(address));
        name == "localhost" || self.allow(&name) || is_known_address()
    }

    /// A page cannot rebind an address, only a name: where the service listens on all of the machine's addresses, each
    /// of them is ours.
    fn include_address(&self, address: IpAddr) -> bool {
        let listens_on = self.config.address.map(|address| address.to_canonical());
        let is_local = || self.local.is_some_and(|local| local.to_canonical() == address.to_canonical());
        address.to_canonical().is_loopback()
            || listens_on == Some(address.to_canonical())
            || (listens_on.is_some_and(|address| address.is_unspecified()) && is_local())
    }

    /// Whether the configuration names it.
    fn allow(&self, name: &str) -> bool {
        self.config
            .allowed_hosts
            .iter()
            .any(|allowed| allowed == "*" || is_same_name(&name_of(allowed), name))
    }
}

fn is_same_name(allowed: &str, name: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    allowed == name || address(allowed).is_some_and(|allowed| address(name) == Some(allowed))
}

/// Whether the request is for nobody's sake, or for that of a page of ours: one of the same host and port, or of a host
/// that the configuration names (behind a proxy, the page's host is not the request's).
fn is_our_page(headers: &HeaderMap, host: Option<&Authority>, hosts: &KnownHosts<'_>) -> bool {
    let mut origins = headers.get_all(ORIGIN).into_iter();
    let Some(origin) = origins.next() else { return true };
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let page = page.and_then(|(_, authority)| Authority::try_from(authority).ok()).filter(is_plain);
    let is_ours = |page: Authority| {
        host.is_some_and(|host| is_same(&page, host)) || hosts.name_explicitly(&name_of(page.host()))
    };
    origins.next().is_none() && page.is_some_and(is_ours)
}

impl KnownHosts<'_> {
    /// `*` opens the service to every name, and to no page.
    fn name_explicitly(&self, name: &str) -> bool {
        let mut named = self.config.allowed_hosts.iter().filter(|allowed| *allowed != "*");
        named.any(|allowed| is_same_name(&name_of(allowed), name))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> Request {
        let builder = Request::builder().method("POST").uri(target);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).unwrap()
    }

    fn config(address: &str, allowed: &[&str]) -> ServerConfig {
        ServerConfig {
            address: Some(address.parse().unwrap()),
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
            ..ServerConfig::default()
        }
    }

    fn status(request: &Request, config: &ServerConfig) -> u16 {
        judge(request, config).err().map_or(200, |error| error.status.as_u16())
    }

    #[rstest]
    #[case::a_name("localhost", 200)]
    #[case::with_a_port("localhost:8989", 200)]
    #[case::another_port("localhost:9000", 200)]
    #[case::an_empty_port("localhost:", 200)]
    #[case::upper_case("LocalHost:8989", 200)]
    #[case::a_trailing_dot("localhost.:8989", 200)]
    #[case::loopback("127.0.0.1:8989", 200)]
    #[case::another_loopback("127.9.8.7", 200)]
    #[case::ipv6("[::1]:8989", 200)]
    #[case::ipv6_in_full("[0:0:0:0:0:0:0:1]", 200)]
    #[case::mapped("[::ffff:127.0.0.1]:8989", 200)]
    #[case::configured("192.0.2.7:8989", 200)]
    #[case::allowed("backups.example", 200)]
    #[case::allowed_in_other_case("Backups.Example.:80", 200)]
    #[case::allowed_ipv6("[2001:db8::1]", 200)]
    #[case::allowed_ipv6_in_full("[2001:db8:0:0:0:0:0:1]", 200)]
    #[case::another("evil.example:8989", 403)]
    #[case::ours_as_a_part("localhost.evil.example", 403)]
    #[case::below_an_allowed_one("x.backups.example", 403)]
    #[case::another_address("192.0.2.8", 403)]
    #[case::a_short_address("127.1", 403)]
    #[case::a_number("2130706433", 403)]
    #[case::two_dots("localhost..", 403)]
    #[case::a_user("user@localhost", 400)]
    #[case::a_user_that_looks_like_us("localhost:8989@evil.example", 400)]
    #[case::no_port("localhost:port", 400)]
    #[case::too_large_a_port("localhost:99999", 400)]
    #[case::empty("", 400)]
    #[case::two_in_one("localhost, evil.example", 400)]
    #[case::a_path("localhost/x", 400)]
    #[case::ipv6_without_brackets("::1", 400)]
    fn without_a_token_the_host_must_be_ours(#[case] host: &str, #[case] expected: u16) {
        let config = config("192.0.2.7", &["backups.example", "[2001:db8::1]"]);
        assert_eq!(status(&request("/batches", &[("host", host)]), &config), expected);
    }

    #[test]
    fn with_a_token_any_host_will_do_as_long_as_it_is_one() {
        let auth = Auth::Tokens(vec!["a-token-of-somebody".into()]);
        let config = ServerConfig { auth, ..ServerConfig::default() };
        assert_eq!(status(&request("/batches", &[("host", "anything.example")]), &config), 200);
        let twice = [("host", "a.example"), ("host", "a.example")];
        assert_eq!(status(&request("/batches", &twice), &config), 400);
        assert_eq!(status(&request("/batches", &[]), &config), 400);
    }

    #[rstest]
    #[case("http://localhost:8989/batches", &[("host", "localhost:8989")], 200)]
    #[case("http://localhost/batches", &[("host", "LOCALHOST.:80")], 200)]
    #[case("http://evil.example/batches", &[("host", "evil.example")], 403)]
    #[case("http://evil.example/batches", &[("host", "localhost")], 400)]
    #[case("http://localhost/batches", &[("host", "evil.example")], 400)]
    #[case("http://user@localhost/batches", &[("host", "localhost")], 400)]
    fn a_target_that_names_a_host_names_the_same_one(
        #[case] target: &str,
        #[case] headers: &[(&str, &str)],
        #[case] expected: u16,
    ) {
        assert_eq!(status(&request(target, headers), &config("127.0.0.1", &[])), expected);
    }

    #[test]
    fn an_older_version_needs_no_host_where_a_token_protects() {
        let mut old = request("/batches", &[]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(status(&old, &config("127.0.0.1", &[])), 403);
        let auth = Auth::Tokens(vec!["a-token-of-somebody".into()]);
        assert_eq!(status(&old, &ServerConfig { auth, ..ServerConfig::default() }), 200);
    }

    #[test]
    fn a_service_on_every_address_knows_the_one_it_is_called_at() {
        let ends = Ends {
            peer: "192.0.2.1:50000".parse().unwrap(),
            local: "[::ffff:192.0.2.7]:8989".parse().unwrap(),
        };
        for (address, host, expected) in [
            ("0.0.0.0", "192.0.2.7:8989", 200),
            ("::", "192.0.2.7:8989", 200),
            ("0.0.0.0", "192.0.2.8:8989", 403),
            ("0.0.0.0", "pod.example", 403),
            ("127.0.0.1", "192.0.2.7:8989", 403),
        ] {
            let mut request = request("/batches", &[("host", host)]);
            request.extensions_mut().insert(ends);
            assert_eq!(status(&request, &config(address, &[])), expected, "{address} {host}");
        }
    }

    #[test]
    fn a_star_takes_every_host_and_no_foreign_page() {
        let config = config("127.0.0.1", &["*"]);
        assert_eq!(status(&request("/", &[("host", "any.example")]), &config), 200);
        let foreign = [("host", "any.example"), ("origin", "https://evil.example")];
        assert_eq!(status(&request("/", &foreign), &config), 403);
    }

    #[rstest]
    #[case::our_own("http://localhost:8989", 200)]
    #[case::in_other_case("HTTP://LOCALHOST:8989", 200)]
    #[case::behind_a_proxy("https://backups.example", 200)]
    #[case::another("https://evil.example", 403)]
    #[case::another_with_our_port("http://evil.example:8989", 403)]
    #[case::another_port("http://localhost:80", 403)]
    #[case::no_port("http://localhost", 403)]
    #[case::a_part("http://localhost:8989.evil.example", 403)]
    #[case::a_user("http://localhost:8989@evil.example", 403)]
    #[case::opaque("null", 403)]
    #[case::empty("", 403)]
    #[case::no_web_page("file://", 403)]
    fn a_page_from_elsewhere_is_refused(#[case] origin: &str, #[case] expected: u16) {
        let headers = [("host", "localhost:8989"), ("origin", origin)];
        assert_eq!(
            status(&request("/batches", &headers), &config("127.0.0.1", &["backups.example"])),
            expected
        );
        let twice = [("host", "localhost:8989"), ("origin", "http://localhost:8989"), ("origin", origin)];
        assert_eq!(status(&request("/batches", &twice), &config("127.0.0.1", &[])), 403);
    }
}
