//! What comes from outside is bounded and struck of our secrets before anything reads it: the one place where it enters.
//!
//! A text of YBA may be three megabytes long, and a subtask's text may quote the token. Neither is kept.

use std::sync::{PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The most of one text that is kept, in bytes.
pub(crate) const TEXT_LIMIT: usize = 4 * 1024;

/// What stands in place of a secret.
const STRUCK: &str = "******";

/// A secret that is shorter would be found in words that have nothing to do with it.
const SHORTEST: usize = 4;

/// Every secret that this client has or had.
#[derive(Default)]
pub(crate) struct Secrets(RwLock<Vec<SecretString>>);

impl Secrets {
    /// Strikes this one too from now on.
    pub(crate) fn learn(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= SHORTEST && !known.iter().any(|other| other.expose_secret() == secret) {
            known.push(SecretString::from(secret));
            // The longest first: one may be part of another.
            known.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        }
    }

    /// The text without secrets.
    pub(crate) fn strike(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), STRUCK))
    }

    /// Whether a body holds one, perhaps written with JSON's escapes.
    fn may_be_in(&self, body: &[u8]) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |secret: &SecretString| {
            let secret = secret.expose_secret().as_bytes();
            body.windows(secret.len()).any(|part| part == secret)
        };
        let escaped = body.windows(2).any(|pair| matches!(pair, b"\\u" | b"\\/" | b"\\\\" | b"\\\""));
        !known.is_empty() && (escaped || known.iter().any(holds))
    }
}

/// A JSON body without secrets and with no text beyond the limit. Anything else stays as it is: nothing of it is kept.
pub(crate) fn clean(body: Vec<u8>, secrets: &Secrets) -> Vec<u8> {
    if !has_long_text(&body) && !secrets.may_be_in(&body) {
        return body;
    }
    let Ok(mut value) = serde_json::from_slice(&body) else { return body };
    clean_value(&mut value, secrets);
    serde_json::to_vec(&value).unwrap_or(body)
}

fn clean_value(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => *text = bounded(&secrets.strike(text)),
        Value::Array(items) => items.iter_mut().for_each(|item| clean_value(item, secrets)),
        Value::Object(fields) => {
            let cleaned = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                clean_value(&mut value, secrets);
                (bounded(&secrets.strike(&key)), value)
            });
            *fields = cleaned.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text, or its beginning with a mark that says how long it was.
fn bounded(text: &str) -> String {
    if text.len() <= TEXT_LIMIT {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(TEXT_LIMIT - 64)];
    format!("{kept} ... (cut; it had {} bytes)", text.len())
}

/// Whether some text between quotation marks is longer than the limit.
fn has_long_text(body: &[u8]) -> bool {
    let (mut start, mut is_escaped) = (None, false);
    if body.len() <= TEXT_LIMIT {
        return false;
    }
    for (at, byte) in body.iter().enumerate() {
        match (start, byte) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(from), b'"') if at - from > TEXT_LIMIT => return true,
            (Some(_), b'"') => start = None,
            (None, b'"') => start = Some(at),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(known: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        for secret in known {
            secrets.learn(secret);
        }
        secrets
    }

    fn cleaned(body: &str, known: &[&str]) -> Value {
        serde_json::from_slice(&clean(body.as_bytes().to_vec(), &secrets(known))).unwrap()
    }

    #[test]
    fn a_secret_is_struck_wherever_and_however_it_is_written() {
        for body in [
            r#"{"errorString": "sent marker-31/x to S3"}"#,
            r#"{"errorString": "sent marker-31\/x to S3"}"#,
            r#"{"errorString": "sent \u006darker-31\u002Fx to S3"}"#,
        ] {
            assert_eq!(
                cleaned(body, &["marker-31/x"]),
                json!({"errorString": "sent ****** to S3"}),
                "{body}"
            );
        }
        let keyed = cleaned(r#"{"a": [{"marker-31": {"b": "marker-31marker-31"}}]}"#, &["marker-31"]);
        assert_eq!(keyed, json!({"a": [{"******": {"b": "************"}}]}));
    }

    #[test]
    fn the_longer_of_two_secrets_is_struck_whole() {
        assert_eq!(secrets(&["pass", "password"]).strike("password pass"), "****** ******");
    }

    #[test]
    fn a_long_text_is_cut_with_a_mark_and_others_stay() {
        let long = "ä".repeat(3_000_000);
        let body = json!({"long": long, "short": "ä", "list": [long], long.clone(): 1}).to_string();
        let value = cleaned(&body, &[]);
        let text = value["long"].as_str().unwrap();
        assert!(
            text.len() <= TEXT_LIMIT && text.ends_with("ä ... (cut; it had 6000000 bytes)"),
            "{}",
            text.len()
        );
        assert_eq!(value["short"], "ä");
        assert!(value.to_string().len() < 4 * TEXT_LIMIT);
    }

    #[test]
    fn what_is_short_and_holds_no_secret_is_not_touched() {
        for body in ["", "no json", "{\"a\": \"b\\u0041\"}", "{\"a\":  1}", "\"\\"] {
            assert_eq!(clean(body.as_bytes().to_vec(), &secrets(&[])), body.as_bytes());
        }
        let many = format!("[{}\"x\"]", "\"ab\",".repeat(10_000));
        assert_eq!(clean(many.clone().into_bytes(), &secrets(&["marker-31"])), many.as_bytes());
    }
}
