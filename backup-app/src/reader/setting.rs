//! The types a setting can have: how each is read from text, and how it is shown.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use chrono_tz::Tz;

/// The longest part of a text that a message repeats.
const LONGEST_QUOTE: usize = 80;
/// Longer than any key, word or variable of ours.
const LONGEST_WORD: usize = 96;

/// Why a text is no such value; the key and the place are added by the reader.
pub(crate) struct Unfit {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl Unfit {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None }
    }
}

/// A value that can be read from text.
pub(crate) trait Setting: Sized {
    /// Reads it. The complaint may quote the text, so secrets are never read through this trait.
    fn read(text: &str) -> Result<Self, Unfit>;

    /// Shows it in the table of `config check`.
    fn show(&self) -> String;
}

/// A closed set of words; the first word of a value is the one we show, the others are accepted.
pub(crate) trait Words: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Words> Setting for T {
    fn read(text: &str) -> Result<Self, Unfit> {
        let known = T::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        known.map(|(_, value)| *value).ok_or_else(|| Unfit {
            message: format!("{} is none of {}", quoted(text), canonical_words::<T>().join(", ")),
            suggestion: nearest(text, T::WORDS.iter().map(|(word, _)| *word)),
        })
    }

    fn show(&self) -> String {
        let shown = T::WORDS.iter().find(|(_, value)| value == self);
        shown.map_or_else(String::new, |(word, _)| (*word).to_owned())
    }
}

fn canonical_words<T: Words>() -> Vec<&'static str> {
    let mut seen: Vec<T> = Vec::new();
    let first = |(word, value): &(&'static str, T)| {
        let new = !seen.contains(value);
        seen.push(*value);
        new.then_some(*word)
    };
    T::WORDS.iter().filter_map(first).collect()
}

/// A text inside a message: on one line, and no longer than a person reads.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String =
        text.chars().take(LONGEST_QUOTE).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The candidate that a misspelt word most likely means.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    // Comparing costs the product of both lengths, and no word of ours is that long.
    if word.len() > LONGEST_WORD {
        return None;
    }
    let word = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    let best = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (best.0 <= 1 + word.chars().count() / 4).then(|| best.1.to_owned())
}

impl Words for bool {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("true", true),
        ("false", false),
        ("on", true),
        ("off", false),
        ("yes", true),
        ("no", false),
        ("1", true),
        ("0", false),
    ];
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn read(text: &str) -> Result<Self, Unfit> {
                text.trim().parse().map_err(|_| {
                    let (from, to) = (<$number>::MIN, <$number>::MAX);
                    Unfit::new(format!("{} is no whole number from {from} to {to}", quoted(text)))
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u16, u32);

impl Setting for f64 {
    fn read(text: &str) -> Result<Self, Unfit> {
        let number: Option<f64> = text.trim().parse().ok();
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| Unfit::new(format!("{} is no number", quoted(text))))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn read(text: &str) -> Result<Self, Unfit> {
        Ok(text.trim().to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn read(text: &str) -> Result<Self, Unfit> {
        Ok(Self::from(text.trim()))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, Unfit> {
        let expected = "is no span of time; write 30s, 5m, 24h, PT30S, or plain milliseconds";
        duration::parse(text).ok_or_else(|| Unfit::new(format!("{} {expected}", quoted(text))))
    }

    fn show(&self) -> String {
        duration::show(*self)
    }
}

impl Setting for Tz {
    fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        let zones = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        text.parse().map_err(|_| {
            let form = "write the name of a place, such as Asia/Kolkata";
            match zone_form(text) {
                Some(what) => Unfit::new(format!("{} is {what}, not a time zone; {form}", quoted(text))),
                None => Unfit {
                    message: format!("{} is no time zone; {form}", quoted(text)),
                    suggestion: nearest(text, zones()),
                },
            }
        })
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

/// What Java takes for a zone beside the names of places: `+05:30`, `GMT+5`, `IST`.
fn zone_form(text: &str) -> Option<&'static str> {
    let offset = text.trim_start_matches("UTC").trim_start_matches("GMT");
    if offset.starts_with(['+', '-']) && offset.contains(|c: char| c.is_ascii_digit()) {
        return Some("an offset");
    }
    let is_short = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
    is_short.then_some("an abbreviation")
}

impl Setting for IpAddr {
    fn read(text: &str) -> Result<Self, Unfit> {
        match text.trim() {
            "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
            other => other.parse().map_err(|_| Unfit::new(format!("{} is no IP address", quoted(text)))),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A number of bytes: `65536`, `64KiB`, `64KB` (the same, as in Spring), `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) usize);

impl Setting for Bytes {
    fn read(text: &str) -> Result<Self, Unfit> {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
        let (number, unit) = lower.split_at(digits);
        let factor = match unit.trim() {
            "" | "b" => Some(1),
            "k" | "kb" | "kib" => Some(1 << 10),
            "m" | "mb" | "mib" => Some(1 << 20),
            _ => None,
        };
        let bytes = number
            .parse()
            .ok()
            .zip(factor)
            .and_then(|(number, factor): (usize, usize)| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| {
            Unfit::new(format!("{} is no size; write 64KiB, 1MiB, or plain bytes", quoted(text)))
        })
    }

    fn show(&self) -> String {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
            bytes => bytes.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: Setting>(text: &str) -> String {
        T::read(text).err().unwrap().message
    }

    #[test]
    fn complaints_say_what_was_expected() {
        assert_eq!(message::<bool>("ja"), "`ja` is none of true, false");
        assert_eq!(message::<u16>("70000"), "`70000` is no whole number from 0 to 65535");
        for (zone, what) in [("IST", "an abbreviation"), ("+05:30", "an offset"), ("GMT+5:30", "an offset")] {
            let expected = format!(
                "`{zone}` is {what}, not a time zone; write the name of a place, such as Asia/Kolkata"
            );
            assert_eq!(message::<Tz>(zone), expected);
        }
        assert_eq!(Tz::read("Asia/Kolkatta").err().unwrap().suggestion.as_deref(), Some("Asia/Kolkata"));
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("64KiB", 65_536, "64KiB"),
            ("64KB", 65_536, "64KiB"),
            ("1000", 1_000, "1000"),
            ("2 MB", 2 << 20, "2MiB"),
        ] {
            let size = Bytes::read(text).ok().unwrap();
            assert_eq!((size.0, size.show().as_str()), (bytes, shown));
        }
        assert!(Bytes::read("many").is_err());
    }
}
