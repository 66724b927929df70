//! The words in the body of an error answer, whatever its shape.

use super::TEXT_LIMIT;
use crate::foreign::Secrets;

/// YBA's words in the body of an error answer, whatever its shape.
///
/// Secrets are struck out before the text is cut: half a token is one too much.
pub(crate) fn text_of(body: &[u8], secrets: &Secrets) -> String {
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    let text = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => json_text(&value),
        Err(_) if body.starts_with('<') => html_title(body),
        Err(_) => body.to_owned(),
    };
    let text = secrets.strike(&text);
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let text = cut(printable.trim(), TEXT_LIMIT);
    if text.is_empty() { "(no text)".to_owned() } else { text.to_owned() }
}

fn json_text(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(object) => ["error", "errorJson", "message"]
            .into_iter()
            .filter_map(|key| object.get(key))
            .find(|value| !value.is_null())
            .map_or_else(|| flat(value), flat),
        other => flat(other),
    }
}

/// `{"name": ["must not be null"], "size": "too big"}` reads `name: must not be null; size: too big`.
fn flat(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(field, message)| format!("{field}: {}", flat(message)))
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

fn html_title(page: &str) -> String {
    // ASCII lower case keeps every byte position.
    let lower = page.to_ascii_lowercase();
    for tag in ["title", "h1"] {
        let Some(open) = lower.find(&format!("<{tag}")) else { continue };
        let Some(start) = lower[open..].find('>').map(|at| open + at + 1) else { continue };
        let end = lower[start..].find('<').map_or(page.len(), |at| start + at);
        let title = page[start..end].trim();
        if !title.is_empty() {
            return title.to_owned();
        }
    }
    "(an HTML page)".to_owned()
}

/// A parser's complaint, bounded and without the piece of the body that it quotes.
pub(crate) fn complaint(error: impl std::fmt::Display) -> String {
    cut(&without_quotations(&error.to_string()), TEXT_LIMIT).to_owned()
}

fn without_quotations(complaint: &str) -> String {
    match (complaint.find('"'), complaint.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}...{}", &complaint[..=first], &complaint[last..])
        }
        _ => complaint.to_owned(),
    }
}

/// The longest prefix of at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}
