//! Spring's placeholders in a text: `${NAME}`, `${NAME:default}`, defaults in defaults, several in one text.
//!
//! `\${` writes the two characters themselves. A value may hold placeholders itself, up to a bound, and never its own.

use std::fmt;

/// Deeper than any file that a person wrote.
const MAX_DEPTH: usize = 16;
/// More placeholders than one text of a person has, those of their values included.
const MAX_PLACEHOLDERS: usize = 256;
/// Longer than any value.
const MAX_LENGTH: usize = 1024 * 1024;

/// A text with its placeholders filled, and the variables that filled them.
pub(crate) struct Filled {
    pub(crate) text: String,
    pub(crate) variables: Vec<String>,
}

/// Why a text could not be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PlaceholderError {
    /// Nothing has this name, and there is no default.
    Missing { name: String },
    /// `${` without `}`, without a name, or nested beyond reason.
    Malformed,
    /// A property whose value names itself, directly or through others.
    Circular { name: String },
    /// The lookup itself failed, and says why.
    Lookup(String),
}

impl fmt::Display for PlaceholderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => {
                let kind = if is_variable(name) { "environment variable" } else { "property" };
                write!(f, "the {kind} {name} is not set, and the placeholder has no default")
            }
            Self::Circular { name } => write!(f, "holds a placeholder whose value leads back to {name}"),
            Self::Malformed => f.write_str(
                "holds a malformed placeholder; write ${NAME}, ${NAME:default}, or \\${ for the characters themselves",
            ),
            Self::Lookup(complaint) => f.write_str(complaint),
        }
    }
}

/// What a name stands for.
pub(crate) enum Value {
    /// A text that may hold placeholders itself.
    MayHoldMore(String),
    /// A text that is taken as it is.
    Whole(String),
}

/// What a lookup answers: a value, nothing, or a complaint.
pub(crate) type Lookup<'l> = dyn FnMut(&str) -> Result<Option<Value>, String> + 'l;

/// Fills the placeholders of a text.
pub(crate) fn fill(text: &str, lookup: &mut Lookup<'_>) -> Result<Filled, PlaceholderError> {
    let empty = Filled { text: String::with_capacity(text.len()), variables: Vec::new() };
    let mut filler = Filler { lookup, filled: empty, inside: Vec::new(), placeholders: 0 };
    filler.expand(text, 0)?;
    Ok(filler.filled)
}

/// The variables that a text names, in its defaults too.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).filter(|name| is_name(name))
}

/// A text while it is being filled.
struct Filler<'l, 'f> {
    lookup: &'f mut Lookup<'l>,
    filled: Filled,
    /// The names whose values are being filled.
    inside: Vec<String>,
    placeholders: usize,
}

impl Filler<'_, '_> {
    fn expand(&mut self, mut text: &str, depth: usize) -> Result<(), PlaceholderError> {
        if depth > MAX_DEPTH {
            return Err(PlaceholderError::Malformed);
        }
        while let Some(start) = text.find("${") {
            let (before, after) = (&text[..start], &text[start + 2..]);
            if let Some(before) = before.strip_suffix('\\') {
                self.push(before)?;
                self.push("${")?;
                text = after;
                continue;
            }
            self.push(before)?;
            let end = closing(after).ok_or(PlaceholderError::Malformed)?;
            self.one(&after[..end], depth)?;
            text = &after[end + 1..];
        }
        self.push(text)
    }

    fn push(&mut self, text: &str) -> Result<(), PlaceholderError> {
        if self.filled.text.len() + text.len() > MAX_LENGTH {
            return Err(PlaceholderError::Malformed);
        }
        self.filled.text.push_str(text);
        Ok(())
    }

    /// One placeholder, without its braces.
    fn one(&mut self, body: &str, depth: usize) -> Result<(), PlaceholderError> {
        let (name, default) =
            body.split_once(':').map_or((body, None), |(name, default)| (name, Some(default)));
        self.placeholders += 1;
        if !is_name(name) || self.placeholders > MAX_PLACEHOLDERS {
            return Err(PlaceholderError::Malformed);
        }
        match ((self.lookup)(name).map_err(PlaceholderError::Lookup)?, default) {
            (Some(value), _) => self.value(name, value, depth),
            (None, Some(default)) => self.expand(default, depth + 1),
            (None, None) => Err(PlaceholderError::Missing { name: name.to_owned() }),
        }
    }

    fn value(&mut self, name: &str, value: Value, depth: usize) -> Result<(), PlaceholderError> {
        self.filled.variables.push(name.to_owned());
        match value {
            Value::Whole(text) => self.push(&text),
            Value::MayHoldMore(_) if self.inside.iter().any(|outer| outer == name) => {
                Err(PlaceholderError::Circular { name: name.to_owned() })
            }
            Value::MayHoldMore(text) => {
                self.inside.push(name.to_owned());
                self.expand(&text, depth + 1)?;
                self.inside.pop();
                Ok(())
            }
        }
    }
}

/// `YBA_API_TOKEN`, and not `app.yba`.
fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
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
            let more = |text: &str| Some(Value::MayHoldMore(text.to_owned()));
            Ok(match name {
                "A" => more("a"),
                "EMPTY" => more(""),
                "outer" => more("<${inner}>"),
                "inner" => more("${A}${B:b}"),
                "loop" => more("${other}"),
                "other" => more("x${loop}"),
                "wide" => more(&"${EMPTY}".repeat(100)),
                "TRICKY" => Some(Value::Whole("${A}".to_owned())),
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
            ("${outer}", "<ab>"),
            ("${outer}${outer}", "<ab><ab>"),
            ("\\${A}", "${A}"),
            ("a}b$c{d", "a}b$c{d"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_placeholder_without_value_names_the_variable() {
        assert_eq!(filled("x${B}"), Err(PlaceholderError::Missing { name: "B".to_owned() }));
        assert_eq!(filled("${B:${C}}"), Err(PlaceholderError::Missing { name: "C".to_owned() }));
    }

    #[test]
    fn a_circle_ends_and_a_small_text_cannot_become_a_large_one() {
        assert_eq!(filled("${loop}"), Err(PlaceholderError::Circular { name: "loop".to_owned() }));
        assert_eq!(filled(&"${wide}".repeat(3)), Err(PlaceholderError::Malformed));
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
