//! Whether an answer holds what was expected of it, and maybe more.

use serde_json::Value;

/// How the value differs from what it must hold, each difference with its path.
pub(super) fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", expected, found, &mut differences);
    differences
}

fn compare(path: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match expected {
        Value::Object(fields) => {
            for (name, expected) in fields {
                compare(&format!("{path}.{name}"), expected, &found[name], differences);
            }
        }
        _ if fits(expected, found) => {}
        _ => differences.push(format!("{path} is {found}, expected {expected}")),
    }
}

/// `[uuid]`, `[local time]` and `[JSON]` stand for any text of that form.
fn fits(expected: &Value, found: &Value) -> bool {
    let text = found.as_str().unwrap_or_default();
    match expected.as_str() {
        Some("[uuid]") => uuid::Uuid::parse_str(text).is_ok(),
        Some("[local time]") => chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok(),
        Some("[JSON]") => serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()),
        _ => expected == found,
    }
}

#[test]
fn what_is_missing_or_different_is_named() {
    let expected = serde_json::json!({"id": {"a": "[uuid]", "b": 1}, "at": "[local time]", "end": null});
    let found = serde_json::json!({"id": {"a": "7", "b": 1, "more": 2}, "at": "2025-03-25T10:30:00.123"});
    assert_eq!(differences(&expected, &found), [r#".id.a is "7", expected "[uuid]""#]);
}
