//! Reads files so that nothing hangs and nothing fills the memory: regular files of a bounded size.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Larger than any configuration.
const MAX_CONFIGURATION: u64 = 4 * 1024 * 1024;

/// The bytes of a regular file of at most `limit` bytes. A pipe or a device is refused before it is opened: opening
/// one may wait for ever.
pub(crate) fn bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(invalid("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The text of a configuration file. What is no YAML for a reason that can be named is refused with that reason.
pub(crate) fn configuration(path: &Path) -> io::Result<String> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("properties")) {
        return Err(invalid("it is a .properties file; write it as YAML (.yml)"));
    }
    decode(bounded(path, MAX_CONFIGURATION)?).map_err(invalid)
}

/// UTF-8, with or without a byte order mark.
fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err("it is not UTF-8 but UTF-16 or binary; save it as UTF-8");
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8; save it as UTF-8")
}

/// Whether a text has the form of a `.properties` file: its first line that says something is `key=value`.
pub(crate) fn is_properties(text: &str) -> bool {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let is_key = |key: &str| {
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']'))
    };
    lines.next().and_then(|line| line.split_once('=')).is_some_and(|(key, _)| is_key(key.trim()))
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbfa: 1".to_vec()), Ok("a: 1".to_owned()));
    }

    #[test]
    fn other_encodings_are_named() {
        for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0"] {
            assert!(decode(bytes.to_vec()).unwrap_err().contains("UTF-16"));
        }
        assert!(decode(b"caf\xe9".to_vec()).unwrap_err().contains("not UTF-8;"));
    }

    #[test]
    fn the_form_of_properties_is_seen() {
        for text in ["server.port=1", "# x\n\n a.b[0] = c\nd: e", "! x\na="] {
            assert!(is_properties(text), "{text}");
        }
        for text in ["", "a: b=c", "- a=b", "a b=c", "# a=b\nc: d"] {
            assert!(!is_properties(text), "{text}");
        }
    }
}
