//! Who may call: a bearer token where tokens are set.

mod guesses;

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

pub(crate) use self::guesses::Guesses;
use self::guesses::Verdict;
use crate::{config::Auth, connections::Ends, error::ApiError, meters::count_refused, state::AppState};

/// Lets a request pass that presents one of the tokens, where tokens are set.
pub(crate) async fn require_token(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Auth::Tokens(tokens) = &state.config().auth else { return next.run(request).await };
    match bearer(request.headers()) {
        Some(presented) if is_one_of(presented, tokens) => next.run(request).await,
        Some(_) => {
            count_refused("token");
            let peer = request.extensions().get::<Ends>().map(|ends| ends.peer.ip());
            refuse_guess(state.guesses(), peer).await
        }
        None => {
            count_refused("no_token");
            refused("a bearer token is needed", "Bearer realm=\"backup-http\"")
        }
    }
}

/// The answer to a wrong token, after a wait that grows with their number.
async fn refuse_guess(guesses: &Guesses, peer: Option<IpAddr>) -> Response {
    let keeps_connection = match guesses.slow_down(peer).await {
        Verdict::Refused { keeps_connection } => keeps_connection,
        Verdict::TurnedAway => {
            let message = "too many wrong tokens were presented from this address";
            let headers = [(RETRY_AFTER, "5"), (CONNECTION, "close")];
            let status = StatusCode::TOO_MANY_REQUESTS;
            return (headers, ApiError { status, ..ApiError::unauthenticated(message) }).into_response();
        }
    };
    let mut response =
        refused("the token is not known", "Bearer realm=\"backup-http\", error=\"invalid_token\"");
    if !keeps_connection {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
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
}
