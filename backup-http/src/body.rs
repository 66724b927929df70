//! Reading a request's body: bounded in size and in time, whatever the client does.

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT},
    },
};
use futures_util::StreamExt;

use crate::config::ServerConfig;

/// Why there is no body. The text is what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyFault {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl BodyFault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// Reads a body that may be JSON.
pub(crate) async fn read(headers: &HeaderMap, body: Body, config: &ServerConfig) -> Result<Bytes, BodyFault> {
    check_content_type(headers)?;
    check_content_encoding(headers)?;
    check_announced_length(headers, &body, config.max_body)?;
    let reading = read_bounded(body, config.max_body);
    tokio::time::timeout(config.read_timeout, reading).await.unwrap_or_else(|_| {
        let message = format!("did not arrive within {} s", config.read_timeout.as_secs_f64());
        Err(BodyFault::new(StatusCode::REQUEST_TIMEOUT, message))
    })
}

/// Takes JSON under any name that schedulers and scripts give it (`curl -d` calls it a form), and refuses what
/// says itself that it is something else.
fn check_content_type(headers: &HeaderMap) -> Result<(), BodyFault> {
    const TAKEN: [&str; 5] = [
        "application/json",
        "text/json",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ];
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("(unreadable)").to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if essence.is_empty() || essence.ends_with("+json") || TAKEN.contains(&essence) {
        return parts.try_for_each(check_parameter);
    }
    let message = format!("is \"{}\", not application/json", crate::wire::shown(essence));
    Err(BodyFault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// JSON is UTF-8. ASCII is a part of it; what calls itself Latin-1 is taken, for many clients say so without looking,
/// and a byte that is not UTF-8 is a fault of its own.
fn check_parameter(parameter: &str) -> Result<(), BodyFault> {
    const TAKEN: [&str; 5] = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"];
    let Some((_, charset)) = parameter.split_once('=').filter(|(name, _)| name.trim() == "charset") else {
        return Ok(());
    };
    let charset = charset.trim().trim_matches('"');
    if TAKEN.contains(&charset) {
        return Ok(());
    }
    let message = format!("is in the character set \"{}\"; send UTF-8", crate::wire::shown(charset));
    Err(BodyFault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

fn check_content_encoding(headers: &HeaderMap) -> Result<(), BodyFault> {
    let mut values = headers.get_all(CONTENT_ENCODING).into_iter().map(|value| value.to_str().unwrap_or("?"));
    let encoded =
        values.find(|value| !value.trim().is_empty() && !value.trim().eq_ignore_ascii_case("identity"));
    encoded.map_or(Ok(()), |value| {
        let message =
            format!("is compressed (Content-Encoding: {}); send it as it is", crate::wire::shown(value));
        Err(BodyFault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
    })
}

/// Refuses a body by its announced length. A client that waits to be asked for it is told at once; from any other, what
/// is a little too long is read first (see [`read_bounded`]).
fn check_announced_length(headers: &HeaderMap, body: &Body, max: usize) -> Result<(), BodyFault> {
    let announced = body.size_hint().lower();
    let bound = if headers.contains_key(EXPECT) { max } else { drained(max) };
    let fits = usize::try_from(announced).is_ok_and(|announced| announced <= bound);
    if fits { Ok(()) } else { Err(too_large(max)) }
}

fn too_large(max: usize) -> BodyFault {
    BodyFault::new(StatusCode::PAYLOAD_TOO_LARGE, format!("is larger than {max} bytes"))
}

/// How much of a body that is too large is read.
fn drained(max: usize) -> usize {
    max.saturating_mul(16)
}

/// Reads at most `max` bytes. What is too large is read a little further, so that an honest client has sent all of it
/// and looks for the answer before the connection closes.
async fn read_bounded(body: Body, max: usize) -> Result<Bytes, BodyFault> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut seen) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| BodyFault::new(StatusCode::BAD_REQUEST, "broke off"))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= max {
            kept.extend_from_slice(&chunk);
        } else if seen > drained(max) {
            break;
        }
    }
    if seen > max {
        return Err(too_large(max));
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    async fn read_with(body: Body, config: ServerConfig) -> Result<Bytes, (u16, String)> {
        let read = read(&HeaderMap::new(), body, &config).await;
        read.map_err(|fault| (fault.status.as_u16(), fault.message))
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_read() {
        let config = ServerConfig { max_body: 4, ..ServerConfig::default() };
        assert_eq!(read_with(Body::from("1234"), config.clone()).await.unwrap(), "1234");
        assert_eq!(
            read_with(Body::from("12345"), config).await.unwrap_err(),
            (413, "is larger than 4 bytes".into())
        );
    }

    #[tokio::test]
    async fn an_endless_body_is_not_read_to_its_end() {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, Infallible>("x".repeat(1000)));
        let fault = read_with(Body::from_stream(endless), ServerConfig::default()).await.unwrap_err();
        assert_eq!(fault.0, 413);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_in_whole_not_per_byte() {
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>("x"), ()))
        });
        let fault = read_with(Body::from_stream(trickle), ServerConfig::default()).await.unwrap_err();
        assert_eq!(fault, (408, "did not arrive within 10 s".into()));
    }

    #[rstest]
    #[case("application/json; charset=utf-8", true)]
    #[case("application/vnd.bank+json", true)]
    #[case("application/x-www-form-urlencoded", true)]
    #[case("text/plain", true)]
    #[case("application/json;charset=\"UTF-8\"", true)]
    #[case("application/json; profile=x; charset=us-ascii", true)]
    #[case("text/plain; charset=ISO-8859-1", true)]
    #[case("application/json; charset=utf-16", false)]
    #[case("application/json; Charset=windows-1252", false)]
    #[case("text/xml", false)]
    #[case("multipart/form-data; boundary=x", false)]
    fn json_is_taken_unless_it_says_that_it_is_none(#[case] content_type: &str, #[case] taken: bool) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())]);
        assert_eq!(check_content_type(&headers).is_ok(), taken);
    }

    #[rstest]
    #[case::none(&[], true)]
    #[case::named(&["identity"], true)]
    #[case::empty(&[""], true)]
    #[case(&["gzip"], false)]
    #[case(&["GZIP, identity"], false)]
    #[case(&["identity", "br"], false)]
    fn a_compressed_body_is_refused(#[case] encodings: &[&str], #[case] taken: bool) {
        let mut headers = HeaderMap::new();
        for encoding in encodings {
            headers.append(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        assert_eq!(check_content_encoding(&headers).is_ok(), taken);
    }
}
