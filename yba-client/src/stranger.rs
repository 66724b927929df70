//! Answers of something that is not YBA: a redirect, a sign-in page, a proxy, a gateway, somebody's web server.
//!
//! YBA's interface answers JSON or plain text and never redirects. So a 3xx, a 407, a 511 and every HTML page come from
//! something that stands before YBA or in its place. What that means for the request is the table at
//! [`Error::reach`](crate::Error::reach), decided here and nowhere else.

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap, LOCATION},
};
use url::Url;

use crate::error::Reach;

/// Who sent an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// YBA, as far as one can tell.
    Yba,
    /// Something else.
    Stranger(Stranger),
}

/// Something that is not YBA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stranger {
    /// Where a redirect points: scheme, host and port, and no more, because the rest may hold secrets.
    pub(crate) place: Option<String>,
}

/// Who sent the answer with this head and body. `asked`: where the request went, for a redirect without a host.
pub(crate) fn sender(status: StatusCode, headers: &HeaderMap, body: &[u8], asked: &Url) -> Sender {
    let is_proxy = matches!(status.as_u16(), 407 | 511);
    if status.is_redirection() {
        return Sender::Stranger(Stranger { place: place(headers, asked) });
    }
    if is_proxy || is_page(headers, body) {
        return Sender::Stranger(Stranger { place: None });
    }
    Sender::Yba
}

/// How far a request got that something other than YBA answered.
pub(crate) fn reach(status: StatusCode) -> Reach {
    match status.as_u16() {
        200..=399 | 401 | 403 | 407 | 511 => Reach::NotSent,
        // Whoever answers may have passed the request on before.
        408 | 425 | 500.. => Reach::Unknown,
        _ => Reach::Answered,
    }
}

/// The origin that `Location` names.
fn place(headers: &HeaderMap, asked: &Url) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let target = asked.join(location.trim()).ok()?;
    target.has_host().then(|| target.origin().ascii_serialization())
}

/// An HTML or XML page. The body decides: gateways are careless about the type, and an empty body tells nothing.
fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    match body.first() {
        Some(b'<') => !is_plays_own_page(body),
        Some(b'{' | b'[' | b'"') => false,
        _ => has_page_type(headers),
    }
}

fn has_page_type(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "text/html" | "application/xhtml+xml")
}

/// The framework's page for a route that does not exist: old releases of YBA answer it.
fn is_plays_own_page(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(2048)]).to_ascii_lowercase();
    start.contains("<title>action not found</title>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn is_stranger(status: u16, kind: &str, body: &str) -> bool {
        let asked = Url::parse("https://yba.example.com/api/v1/x").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        sender(status, &headers(&[("content-type", kind)]), body.as_bytes(), &asked) != Sender::Yba
    }

    #[test]
    fn pages_redirects_and_proxies_are_strangers_and_yba_is_not() {
        for status in [301, 302, 303, 307, 308, 407, 511] {
            assert!(is_stranger(status, "application/json", "{}"), "{status}");
        }
        for status in [200, 401, 403, 404, 500, 502, 503, 504] {
            assert!(is_stranger(status, "text/html; charset=utf-8", "<html>sign in</html>"), "{status}");
            assert!(is_stranger(status, "text/plain", "\u{feff}\r\n <!DOCTYPE html>"), "{status}");
            assert!(is_stranger(status, "Text/HTML", ""), "{status}");
            assert!(!is_stranger(status, "application/json", "{\"error\": \"<b>no</b>\"}"), "{status}");
            assert!(!is_stranger(status, "text/html", "{\"error\": \"no\"}"), "{status}");
            assert!(!is_stranger(status, "text/plain", "Unable To Authenticate User"), "{status}");
            assert!(!is_stranger(status, "text/plain", ""), "{status}");
        }
        let plays = "<!DOCTYPE html><html><head><title>Action Not Found</title>";
        assert!(!is_stranger(404, "text/html", plays));
    }

    #[test]
    fn a_redirect_names_its_host_and_nothing_that_may_be_secret() {
        let asked = Url::parse("https://yba.example.com:9443/api/v1/x").unwrap();
        let place = |location: &str| place(&headers(&[("location", location)]), &asked);
        for (location, expected) in [
            ("https://login.example.com/sign-in?token=secret#x", Some("https://login.example.com")),
            ("https://user:secret@login.example.com:8443/", Some("https://login.example.com:8443")),
            ("//login.example.com/secret", Some("https://login.example.com")),
            ("/sign-in?token=secret", Some("https://yba.example.com:9443")),
            ("mailto:secret@example.com", None),
            ("https://[", None),
        ] {
            assert_eq!(place(location).as_deref(), expected, "{location}");
        }
        assert_eq!(super::place(&HeaderMap::new(), &asked), None);
    }
}
