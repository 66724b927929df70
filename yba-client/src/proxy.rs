//! Which proxy a request goes through, and which addresses are kept from it.
//!
//! The HTTP client's own reading of `NO_PROXY` knows no `*` beside an address, no port and no `[v6]`, so a token would go
//! to a proxy that was excluded. Here is the whole rule, as one pure function: [`NoProxy::excludes`].

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use url::{Host, Url};

use crate::foreign::Secrets;

/// Whether and which proxy is used.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment, in capitals or not.
    ///
    /// `NO_PROXY` lists, with commas, what is reached directly: `*`, a host (with all below it), `.suffix`, an address, a
    /// network (`10.0.0.0/8`), each with a port where only that is meant (`yba.example.com:9443`, `[fd00::1]:9443`).
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
    /// This one, for every address.
    Url(String),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::None => f.write_str("None"),
            Self::Url(text) => f.debug_tuple("Url").field(&masked(text)).finish(),
        }
    }
}

/// The proxy's address without user and password.
fn masked(text: &str) -> String {
    match proxy_url(text) {
        Ok(url) => format!("{}://{}", url.scheme(), authority(&url)),
        Err(_) => "(not a valid URL)".to_owned(),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The proxies of one client.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    no_proxy: NoProxy,
}

impl Proxies {
    /// The proxies that a setting means. `variable` reads the environment.
    pub(crate) fn of(setting: &Proxy, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        match setting {
            Proxy::None => Ok(Self::default()),
            Proxy::Url(text) => {
                let url = proxy_url(text).map_err(|fault| format!("the proxy {fault}"))?;
                Ok(Self { http: Some(url.clone()), https: Some(url), no_proxy: NoProxy::default() })
            }
            Proxy::Environment => Self::from_environment(variable),
        }
    }

    fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let either = |name: &str| {
            let names = [name.to_owned(), name.to_ascii_lowercase()];
            names.into_iter().find_map(|name| variable(&name).filter(|value| !value.trim().is_empty()))
        };
        let url = |name: &str| match either(name) {
            Some(text) => proxy_url(&text).map(Some).map_err(|fault| format!("{name} {fault}")),
            None => Ok(None),
        };
        // A CGI script's HTTP_PROXY is a header that its caller sent.
        let http = if variable("REQUEST_METHOD").is_some() { None } else { url("HTTP_PROXY")? };
        let all = url("ALL_PROXY")?;
        // An address that either form excludes is excluded.
        let lists = ["NO_PROXY", "no_proxy"].into_iter().filter_map(&variable).collect::<Vec<_>>().join(",");
        Ok(Self {
            http: http.or_else(|| all.clone()),
            https: url("HTTPS_PROXY")?.or(all),
            no_proxy: NoProxy::parse(&lists),
        })
    }

    /// The proxy for a request to this address.
    pub(crate) fn of_request(&self, to: &Url) -> Option<&Url> {
        let proxy = if to.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() };
        proxy.filter(|_| !self.no_proxy.excludes(to))
    }

    /// Their passwords are struck out of everything foreign.
    pub(crate) fn tell_secrets(&self, secrets: &Secrets) {
        for url in self.http.iter().chain(&self.https) {
            if let Some(password) = url.password() {
                let decoded = percent_decoded(password);
                let credentials = format!("{}:{decoded}", percent_decoded(url.username()));
                secrets.learn(password);
                secrets.learn(&decoded);
                secrets.learn(&base64::Engine::encode(&base64::prelude::BASE64_STANDARD, credentials));
            }
        }
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A proxy's address; `http://` is meant where no scheme is given. The fault repeats nothing: it may hold a password.
fn proxy_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| "is not a valid URL".to_owned())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(format!("must start with http:// or https://, not {scheme}://")),
    }
}

/// What is reached without a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Pattern,
    /// Any, without one.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Everything,
    /// The host and everything below it.
    Name(String),
    Network(IpNet),
}

impl NoProxy {
    fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(|entry| Entry::parse(entry.trim())).collect())
    }

    /// Whether a request to this address must not go through a proxy.
    fn excludes(&self, to: &Url) -> bool {
        let port = to.port_or_known_default();
        let host = match to.host() {
            Some(Host::Domain(name)) => Pattern::Name(plain_name(name)),
            Some(Host::Ipv4(address)) => Pattern::Network(IpAddr::V4(address).into()),
            Some(Host::Ipv6(address)) => Pattern::Network(IpAddr::V6(address).to_canonical().into()),
            None => return false,
        };
        self.0.iter().any(|entry| entry.port.is_none_or(|own| Some(own) == port) && entry.host.covers(&host))
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some(network) = network(text) {
            return Some(network);
        }
        let name = text.strip_prefix('*').unwrap_or(text).trim_start_matches('.');
        match Host::parse(name).ok()? {
            Host::Domain(name) => Some(Self::Name(plain_name(&name))).filter(|_| !name.is_empty()),
            Host::Ipv4(address) => Some(Self::Network(IpAddr::V4(address).into())),
            Host::Ipv6(address) => Some(Self::Network(IpAddr::V6(address).into())),
        }
    }

    fn covers(&self, host: &Self) -> bool {
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Name(own), Self::Name(host)) => {
                host.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(own), Self::Network(host)) => own.contains(host),
            _ => false,
        }
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        // A scheme says nothing here, but people write it.
        let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
        let whole = |text: &str| Pattern::parse(text).map(|host| Self { host, port: None });
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            return match rest.strip_prefix(':') {
                Some(port) => Some(Self { host: network(address)?, port: Some(port.parse().ok()?) }),
                None => network(&format!("{address}{rest}")).map(|host| Self { host, port: None }),
            };
        }
        match text.rsplit_once(':') {
            // More than one colon and no brackets: an address of version 6.
            Some((host, _)) if host.contains(':') => whole(text),
            Some((host, port)) => Some(Self { host: Pattern::parse(host)?, port: Some(port.parse().ok()?) }),
            None => whole(text),
        }
    }
}

/// An address, or a network in CIDR notation.
fn network(text: &str) -> Option<Pattern> {
    let address = text.parse::<IpAddr>().map(|address| address.to_canonical().into());
    address.or_else(|_| text.parse::<IpNet>()).ok().map(Pattern::Network)
}

/// Lower case, without the dot that makes a name absolute.
fn plain_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn what_is_excluded_is_reached_directly() {
        for (list, to, is_excluded) in [
            ("", "https://yba.example.com", false),
            ("*", "https://yba.example.com", true),
            (" * ", "https://10.1.2.3", true),
            ("other.example, *", "https://[fd00::1]", true),
            ("yba.example.com", "https://yba.example.com", true),
            ("YBA.Example.COM", "https://yba.example.com", true),
            ("yba.example.com", "https://YBA.EXAMPLE.com.", true),
            ("yba.example.com.", "https://yba.example.com", true),
            ("https://yba.example.com/", "https://yba.example.com", true),
            ("example.com", "https://yba.example.com", true),
            (".example.com", "https://yba.example.com", true),
            (".example.com", "https://example.com", true),
            ("*.example.com", "https://yba.example.com", true),
            ("example.com", "https://notexample.com", false),
            ("example.com", "https://example.com.evil.net", false),
            ("com", "https://example.com", true),
            (".", "https://example.com", false),
            ("a.example, ,\tyba.example.com ", "https://yba.example.com", true),
            ("a.example yba.example.com", "https://yba.example.com", true),
            ("yba.example.com:9443", "https://yba.example.com:9443", true),
            ("yba.example.com:9443", "https://yba.example.com", false),
            ("yba.example.com:443", "https://yba.example.com", true),
            ("yba.example.com:80", "http://yba.example.com", true),
            ("*:9443", "https://yba.example.com:9443", true),
            ("*:9443", "https://yba.example.com", false),
            (".example.com:9443", "https://yba.example.com:9443", true),
            ("yba.example.com:port", "https://yba.example.com", false),
            ("10.1.2.3", "https://10.1.2.3:9443", true),
            ("10.1.2.3:9443", "https://10.1.2.3:9443", true),
            ("10.1.2.3:9443", "https://10.1.2.3", false),
            ("10.1.2.3", "https://10.1.2.4", false),
            ("1.2.3", "https://10.1.2.3", false),
            ("10.0.0.0/8", "https://10.255.0.1", true),
            ("10.0.0.0/8", "https://11.0.0.1", false),
            ("10.0.0.0/8", "https://10.example.com", false),
            ("0.0.0.0/0", "https://192.0.2.1", true),
            ("fd00::1", "https://[fd00::1]:9443", true),
            ("FD00:0:0:0::1", "https://[fd00::1]", true),
            ("[fd00::1]", "https://[fd00::1]", true),
            ("[fd00::1]:9443", "https://[fd00::1]:9443", true),
            ("[fd00::1]:9443", "https://[fd00::1]", false),
            ("fd00::/8", "https://[fd12::1]", true),
            ("[fd00::]/8", "https://[fd12::1]", true),
            ("fd00::/8", "https://[fe80::1]", false),
            ("10.1.2.3", "https://[::ffff:10.1.2.3]", true),
            ("::ffff:10.1.2.3", "https://10.1.2.3", true),
            ("localhost", "http://localhost:9000", true),
            ("localhost", "http://127.0.0.1:9000", false),
            ("bücher.example", "https://xn--bcher-kva.example", true),
            ("[fd00::1, yba.example.com", "https://yba.example.com", true),
        ] {
            assert_eq!(NoProxy::parse(list).excludes(&url(to)), is_excluded, "NO_PROXY={list} {to}");
        }
    }

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::of(&Proxy::Environment, variable)
    }

    #[test]
    fn the_environment_is_read_in_both_cases_and_an_empty_variable_is_none() {
        let (http, https) = (url("http://yba.example.com"), url("https://yba.example.com"));
        for (variables, of_http, of_https) in [
            (&[][..], None, None),
            (&[("HTTPS_PROXY", "http://p:1")][..], None, Some("http://p:1/")),
            (&[("https_proxy", "http://p:1")], None, Some("http://p:1/")),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "p:1")], None, Some("http://p:1/")),
            (&[("HTTP_PROXY", "http://p:1")], Some("http://p:1/"), None),
            (&[("http_proxy", "http://p:1"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("ALL_PROXY", "https://p:1")], Some("https://p:1/"), Some("https://p:1/")),
            (&[("all_proxy", "p:1"), ("HTTPS_PROXY", "q:2")], Some("http://p:1/"), Some("http://q:2/")),
            (&[("ALL_PROXY", "p:1"), ("NO_PROXY", "*")], None, None),
            (&[("ALL_PROXY", "p:1"), ("NO_PROXY", "a"), ("no_proxy", "example.com")], None, None),
        ] {
            let proxies = proxies(variables).unwrap();
            let shown = |to| proxies.of_request(to).map(Url::as_str);
            assert_eq!((shown(&http), shown(&https)), (of_http, of_https), "{variables:?}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for text in ["socks5://me:marker-31@p:1", "http://me:marker-31@[", "ftp://me:marker-31@p"] {
            let fault = proxies(&[("https_proxy", text)]).err().unwrap();
            assert!(fault.starts_with("HTTPS_PROXY ") && !fault.contains("marker"), "{fault}");
            let fault = Proxies::of(&Proxy::Url(text.to_owned()), |_| None).err().unwrap();
            assert!(fault.starts_with("the proxy ") && !fault.contains("marker"), "{fault}");
        }
    }

    #[test]
    fn the_setting_is_shown_without_user_and_password() {
        for text in
            ["http://me:marker-31@p:1", "me:marker-31@p:1", "http://marker-31@p:1/marker-31?marker-31"]
        {
            assert_eq!(format!("{:?}", Proxy::Url(text.to_owned())), "Url(\"http://p:1\")");
        }
        assert_eq!(format!("{:?}", Proxy::Url("http://me:marker-31@[".into())), "Url(\"(not a valid URL)\")");
    }

    #[test]
    fn a_proxys_password_is_struck_in_every_form() {
        let secrets = Secrets::default();
        proxies(&[("ALL_PROXY", "http://me:mark%2D31!@p:1")]).unwrap().tell_secrets(&secrets);
        let text = secrets.strike("mark-31! mark%2D31! Basic bWU6bWFyay0zMSE=");
        assert_eq!(text, "****** ****** Basic ******");
    }
}
