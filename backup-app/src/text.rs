//! Foreign text where it leaves: in a log line, on a terminal, in a table.
//!
//! What YBA, a caller or a database wrote may hold line breaks, terminal sequences and characters that turn the reading
//! direction around. Written as they are, they forge log lines and command the reader's terminal. Here they are
//! written as escapes, so that they can be seen and do nothing.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text on one line, with every character that does something instead of being shown as its escape: `\n`,
/// `\u{1b}`, `\u{202e}`.
///
/// Letters, signs and emoji of every script stay as they are, and so do the joiners that some scripts need.
///
/// ```
/// use backup_app::text::neutral;
///
/// assert_eq!(neutral("disk full\n\x1b[2JINFO done"), "disk full\\n\\u{1b}[2JINFO done");
/// ```
pub fn neutral(text: &str) -> Cow<'_, str> {
    replaced(text, |out, c| out.extend(c.escape_default()))
}

/// JSON whose strings hold no such character as it is: serde escapes only those below U+0020.
///
/// `json` must be one JSON text without line breaks between its tokens, as [`serde_json::to_string`] writes it. The
/// result is the same value.
pub fn neutral_json(json: &str) -> Cow<'_, str> {
    replaced(json, |out, c| {
        // Writing into a `String` does not fail, and every such character is one UTF-16 unit.
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    })
}

fn replaced(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_active(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Whether a character acts on its reader: controls (C0, DEL, C1), line and paragraph separators, marks, embeddings,
/// overrides and isolates of direction, and the deprecated format controls beside them.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown_as_its_escape() {
        for (given, shown) in [
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{200f}\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}\\u{61c}"),
            ("line\u{2028}paragraph\u{2029}", "line\\u{2028}paragraph\\u{2029}"),
        ] {
            assert_eq!(neutral(given), shown);
        }
    }

    #[test]
    fn text_of_every_script_stays_as_it_is() {
        for text in ["", "plain", "नमस्ते \u{200d}क", "שלום", "\u{1f468}\u{200d}\u{1f469}", "back\\slash"]
        {
            assert!(matches!(neutral(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            prop_assert!(!neutral(&text).contains(is_active));
        }

        #[test]
        fn json_means_the_same_afterwards(text in any::<String>(), bidi in "[\u{7f}-\u{9f}\u{2028}-\u{202e}]{0,5}") {
            let value = serde_json::json!({ text.clone() + &bidi: text });
            let json = value.to_string();
            let neutral = neutral_json(&json);
            prop_assert!(!neutral.contains(is_active));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&neutral).unwrap(), value);
        }
    }
}
