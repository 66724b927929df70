//! Who may call: a bearer token where tokens are set, and never somebody else's web page.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::{config::Auth, error::ApiError, state::AppState};

/// Lets a request pass that presents one of the tokens, where tokens are set.
pub(crate) async fn require_token(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Auth::Tokens(tokens) = &state.config().auth else { return next.run(request).await };
    match bearer(request.headers()) {
        Some(presented) if is_one_of(presented, tokens) => next.run(request).await,
        Some(_) => refused("the token is not known", "Bearer realm=\"backup-http\", error=\"invalid_token\""),
        None => refused("a bearer token is needed", "Bearer realm=\"backup-http\""),
    }
}

/// Refuses what a browser sends on behalf of a page from elsewhere: whoever opens that page would start a backup with it,
/// and a service on the loopback address has no other protection.
pub(crate) async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_same_origin(request.headers()) {
        let message = "requests on behalf of a web page are only taken from this service's own origin";
        return ApiError::refused(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

fn refused(message: &str, challenge: &'static str) -> Response {
    let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
    (challenge, ApiError::unauthenticated(message)).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

/// Compares with every token in full, so that the time tells neither which one nor how much of it was right.
fn is_one_of(presented: &str, tokens: &[SecretString]) -> bool {
    let matches = tokens.iter().map(|token| presented.as_bytes().ct_eq(token.expose_secret().as_bytes()));
    matches.fold(Choice::from(0), |any, this| any | this).into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Bearer a-token", Some("a-token"))]
    #[case("bearer  a-token ", Some("a-token"))]
    #[case("Basic dXNlcg==", None)]
    #[case("a-token", None)]
    fn only_a_bearer_token_counts(#[case] header: &str, #[case] token: Option<&str>) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(header).unwrap())]);
        assert_eq!(bearer(&headers), token);
    }

    #[test]
    fn any_of_the_tokens_will_do_and_no_part_of_one() {
        let tokens = ["first-token", "second-token"].map(SecretString::from);
        assert!(is_one_of("first-token", &tokens) && is_one_of("second-token", &tokens));
        assert!(!is_one_of("first", &tokens) && !is_one_of("", &tokens) && !is_one_of("first-token", &[]));
    }

    #[rstest]
    #[case::no_browser(None, true)]
    #[case::our_own_page(Some("http://localhost:8989"), true)]
    #[case::another_page(Some("https://evil.example"), false)]
    #[case::another_port(Some("http://localhost:80"), false)]
    #[case::an_opaque_page(Some("null"), false)]
    fn a_page_from_elsewhere_is_refused(#[case] origin: Option<&'static str>, #[case] passes: bool) {
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost:8989"))]);
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        assert_eq!(is_same_origin(&headers), passes);
    }
}
