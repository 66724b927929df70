//! Texts that are the value of no setting: what an env file, a template or a cluster left behind.

use crate::origin::Origin;

/// Complains about a text that cannot be meant. The text itself is not repeated: it may be a secret.
pub(super) fn check(text: &str, origin: &Origin) -> Result<(), String> {
    let text = text.trim();
    if is_quoted(text) {
        return Err(
            "is in quotes, and the quotes are part of the value: an env file keeps them; write the value \
                    without"
                .to_owned(),
        );
    }
    if is_service_link(text, origin) {
        return Err("comes from the service links of Kubernetes: a Service has the name that the variable begins with; \
                    set `enableServiceLinks: false` for the pod, or give the Service another name"
            .to_owned());
    }
    if is_encrypted(text) {
        return Err(
            "is encrypted (Jasypt, Spring Cloud Config); give the plain value, or a file that holds it"
                .to_owned(),
        );
    }
    if let Some(template) = template(text) {
        return Err(format!("is {template} that was not filled in"));
    }
    Ok(())
}

/// `"x"`, `'x'`, and what a word processor makes of them.
fn is_quoted(text: &str) -> bool {
    let mut letters = text.chars();
    let (Some(first), Some(last)) = (letters.next(), letters.next_back()) else { return false };
    matches!(
        (first, last),
        ('"', '"') | ('\'', '\'') | ('`', '`') | ('“' | '”' | '„', '“' | '”') | ('‘', '’')
    )
}

/// `SERVER_PORT=tcp://10.0.0.1:8989` beside a Service `server`.
fn is_service_link(text: &str, origin: &Origin) -> bool {
    let from_environment = match origin {
        Origin::Environment { .. } => true,
        Origin::File { variables, .. } => !variables.is_empty(),
        _ => false,
    };
    from_environment && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme))
}

fn is_encrypted(text: &str) -> bool {
    (text.starts_with("ENC(") && text.ends_with(')')) || text.starts_with("{cipher}")
}

/// The name of the kind of template that a text is.
fn template(text: &str) -> Option<&'static str> {
    let between = |start: &str, end: &str| {
        text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).is_some_and(is_name)
    };
    if between("<", ">") || matches!(text, "..." | "…") {
        return Some("a placeholder of a description");
    }
    if text.contains("{{") && text.contains("}}") {
        return Some("a template of Helm");
    }
    if between("$(", ")") {
        return Some("a reference of Kubernetes to another variable");
    }
    if between("#{", "}") {
        return Some("an expression of Spring");
    }
    None
}

/// Words, as they stand in a placeholder for people.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || " _-.'[]".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        check(text, &Origin::variable("X")).err().unwrap_or_default()
    }

    #[test]
    fn what_was_left_behind_is_named() {
        for (text, why) in [
            (r#""s3cret""#, "in quotes"),
            ("'s3cret'", "in quotes"),
            ("“s3cret”", "in quotes"),
            (r#""""#, "in quotes"),
            ("tcp://10.0.0.1:8989", "enableServiceLinks: false"),
            ("ENC(s3cret)", "encrypted"),
            ("{cipher}s3cret", "encrypted"),
            ("<universe-uuid>", "a placeholder"),
            ("...", "a placeholder"),
            ("{{ .Values.token }}", "Helm"),
            ("$(DB_PASSWORD)", "Kubernetes"),
            ("#{systemProperties['x']}", "Spring"),
        ] {
            let complaint = complaint(text);
            assert!(complaint.contains(why) && !complaint.contains("s3cret"), "{text}: {complaint}");
        }
    }

    #[test]
    fn everything_else_may_be_meant() {
        for text in ["", "\"", "a\"b", "\"a", "it's", "<a&b>", "a<b>", "p$(a)x", "{a}", "tcp", "ENC(x"] {
            assert_eq!(complaint(text), "", "{text}");
        }
        assert!(check("tcp://h:1", &Origin::Flag).is_ok());
    }
}
