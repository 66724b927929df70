//! Spring's placeholders in a text: `${NAME}`, `${NAME:default}`, defaults in defaults, several in one text.
//!
//! `\${` writes the two characters themselves. Values are taken as they are: nothing inside them is expanded.

use std::fmt;

/// Deeper than any file that a person wrote.
const MAX_DEPTH: usize = 16;

/// A text with its placeholders filled, and the variables that filled them.
pub(crate) struct Filled {
    pub(crate) text: String,
    pub(crate) variables: Vec<String>,
}

/// Why a text could not be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PlaceholderError {
    /// No such variable, and no default.
    Missing { variable: String },
    /// `${` without `}`, without a name, or nested beyond reason.
    Malformed,
    /// The lookup itself failed, and says why.
    Lookup(String),
}

impl fmt::Display for PlaceholderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { variable } => {
                write!(f, "the environment variable {variable} is not set, and the placeholder has no default")
            }
            Self::Malformed => f.write_str(
                "holds a malformed placeholder; write ${NAME}, ${NAME:default}, or \\${ for the characters themselves",
            ),
            Self::Lookup(complaint) => f.write_str(complaint),
        }
    }
}

/// What a lookup answers: a value, nothing, or a complaint.
pub(crate) type Lookup<'l> = dyn FnMut(&str) -> Result<Option<String>, String> + 'l;

/// Fills the placeholders of a text.
pub(crate) fn fill(text: &str, lookup: &mut Lookup<'_>) -> Result<Filled, PlaceholderError> {
    let mut filled = Filled { text: String::with_capacity(text.len()), variables: Vec::new() };
    expand(text, lookup, &mut filled, 0)?;
    Ok(filled)
}

/// The variables that a text names, in its defaults too.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).filter(|name| is_name(name))
}

fn expand(
    mut text: &str,
    lookup: &mut Lookup<'_>,
    into: &mut Filled,
    depth: usize,
) -> Result<(), PlaceholderError> {
    if depth > MAX_DEPTH {
        return Err(PlaceholderError::Malformed);
    }
    while let Some(start) = text.find("${") {
        let (before, after) = (&text[..start], &text[start + 2..]);
        if let Some(before) = before.strip_suffix('\\') {
            into.text.push_str(before);
            into.text.push_str("${");
            text = after;
            continue;
        }
        into.text.push_str(before);
        let end = closing(after).ok_or(PlaceholderError::Malformed)?;
        one(&after[..end], lookup, into, depth)?;
        text = &after[end + 1..];
    }
    into.text.push_str(text);
    Ok(())
}

/// One placeholder, without its braces.
fn one(body: &str, lookup: &mut Lookup<'_>, into: &mut Filled, depth: usize) -> Result<(), PlaceholderError> {
    let (name, default) = body.split_once(':').map_or((body, None), |(name, default)| (name, Some(default)));
    if !is_name(name) {
        return Err(PlaceholderError::Malformed);
    }
    match (lookup(name).map_err(PlaceholderError::Lookup)?, default) {
        (Some(value), _) => {
            into.text.push_str(&value);
            into.variables.push(name.to_owned());
            Ok(())
        }
        (None, Some(default)) => expand(default, lookup, into, depth + 1),
        (None, None) => Err(PlaceholderError::Missing { variable: name.to_owned() }),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The brace that closes a placeholder; braces inside a default are counted.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, PlaceholderError> {
        let mut lookup = |name: &str| {
            Ok(match name {
                "A" => Some("a".to_owned()),
                "EMPTY" => Some(String::new()),
                "TRICKY" => Some("${A}".to_owned()),
                _ => None,
            })
        };
        fill(text, &mut lookup).map(|filled| filled.text)
    }

    #[test]
    fn values_defaults_and_nested_defaults_are_filled() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${A}", "a"),
            ("${A:x}", "a"),
            ("${B:x}", "x"),
            ("${B:}", ""),
            ("${B:${C:x}}", "x"),
            ("${B:${A}}", "a"),
            ("${A}/${B:b}/c", "a/b/c"),
            ("${B:http://h:1/p}", "http://h:1/p"),
            ("${B:{\"k\":1}}", "{\"k\":1}"),
            ("${EMPTY:x}", ""),
            ("${TRICKY}", "${A}"),
            ("\\${A}", "${A}"),
            ("a}b$c{d", "a}b$c{d"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_placeholder_without_value_names_the_variable() {
        assert_eq!(filled("x${B}"), Err(PlaceholderError::Missing { variable: "B".to_owned() }));
        assert_eq!(filled("${B:${C}}"), Err(PlaceholderError::Missing { variable: "C".to_owned() }));
    }

    #[test]
    fn a_broken_placeholder_is_malformed() {
        for text in ["${A", "${}", "${:x}", "${a b}", "${A:${B:x}"] {
            assert_eq!(filled(text), Err(PlaceholderError::Malformed), "{text}");
        }
        assert_eq!(filled(&"${B:".repeat(10_000)), Err(PlaceholderError::Malformed));
        assert_eq!(
            filled(&format!("{}{}", "${B:".repeat(500), "}".repeat(500))),
            Err(PlaceholderError::Malformed)
        );
    }

    #[test]
    fn the_variables_of_a_text_are_known_without_an_environment() {
        let names: Vec<_> = variables("${A:${B:x}}/${C}$D").collect();
        assert_eq!(names, ["A", "B", "C"]);
    }
}
