//! Field readers for what YBA sends in practice: `null` for "nothing", dates in three forms, numbers as text.
//!
//! Only what is needed may be needed: a field that decides nothing and cannot be read is absent, not a fault of the whole.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::Value;

/// `null` reads as the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A field that decides nothing: what cannot be read as its type is the default.
pub(crate) fn lossy<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lossy<T> {
        Read(T),
        Unreadable(IgnoredAny),
    }
    Ok(match Lossy::deserialize(deserializer)? {
        Lossy::Read(value) => value,
        Lossy::Unreadable(IgnoredAny) => T::default(),
    })
}

/// A share of 100, as a number or as text; 0 where it cannot be read.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok(),
        _ => None,
    };
    Ok(share.filter(|share| share.is_finite()).map_or(0.0, |share| share.clamp(0.0, 100.0)))
}

/// An id that decides whose a thing is: `null` and the empty text are none, and what is no id is a fault.
pub(crate) fn id<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        value => T::deserialize(value).map(Some).map_err(D::Error::custom),
    }
}

/// A name or id as text, whatever YBA makes of it; `null` and the empty text are none.
pub(crate) fn any_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    })
}

/// A date in any form YBA uses; one that cannot be read is absent rather than an error.
pub(crate) fn date<'de, D>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => parse_date(&text),
        Some(Value::Number(millis)) => millis.as_i64().and_then(DateTime::from_timestamp_millis),
        _ => None,
    })
}

/// Reads a date as YBA writes it.
///
/// Three forms are in use: ISO 8601 (`2025-03-25T10:15:30Z`, also with an offset or fractions, and
/// UTC where neither is given), Java's `Date.toString()` (`Tue Mar 25 10:15:30 UTC 2025`), and
/// milliseconds since 1970.
///
/// ```
/// use yba_client::parse_date;
///
/// let iso = parse_date("2025-03-25T10:15:30Z");
/// assert!(iso.is_some());
/// assert_eq!(iso, parse_date("Tue Mar 25 10:15:30 UTC 2025"));
/// assert_eq!(iso, parse_date("1742897730000"));
/// assert_eq!(parse_date("yesterday"), None);
/// ```
pub fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.to_utc());
    }
    if let Ok(date) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Some(date.to_utc());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(date) = NaiveDateTime::parse_from_str(text, form) {
            return Some(date.and_utc());
        }
    }
    if let Ok(millis) = text.parse() {
        return DateTime::from_timestamp_millis(millis);
    }
    java_date(text)
}

/// `Tue Mar 25 10:15:30 UTC 2025`.
fn java_date(text: &str) -> Option<DateTime<Utc>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_weekday, month, day, time, zone, year] = words[..] else { return None };
    let plain = format!("{year} {month} {day} {time}");
    let local = NaiveDateTime::parse_from_str(&plain, "%Y %b %d %H:%M:%S").ok()?;
    let offset = FixedOffset::east_opt(zone_offset_minutes(zone)? * 60)?;
    Some(offset.from_local_datetime(&local).single()?.to_utc())
}

/// Java prints the zone's short name. These are the unambiguous ones and, for the rest, what Java means by
/// them; a name that is not here makes the date absent, never wrong by hours.
fn zone_offset_minutes(zone: &str) -> Option<i32> {
    let hours = match zone {
        "UTC" | "GMT" | "Z" | "WET" => 0,
        "CET" | "WEST" | "BST" => 1,
        "CEST" | "EET" | "SAST" => 2,
        "EEST" | "MSK" | "EAT" => 3,
        "GST" => 4,
        "PKT" => 5,
        "IST" => return Some(330),
        "SGT" | "HKT" | "AWST" => 8,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "BRT" => -3,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        other => return numeric_offset_minutes(other.strip_prefix("GMT").unwrap_or(other)),
    };
    Some(hours * 60)
}

/// `+05:30` or `-0800`.
fn numeric_offset_minutes(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?);
    Some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_same_instant_reads_the_same() {
        for text in [
            "2025-03-25T10:15:30Z",
            "2025-03-25T10:15:30",
            "2025-03-25T15:45:30+05:30",
            "2025-03-25T10:15:30.000+0000",
            "2025-03-25 10:15:30",
            "Tue Mar 25 10:15:30 UTC 2025",
            "Tue Mar 25 15:45:30 IST 2025",
            "Tue Mar 25 15:45:30 GMT+05:30 2025",
            "Tue Mar 25 03:15:30 PDT 2025",
            "1742897730000",
        ] {
            let read = parse_date(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.to_rfc3339(), "2025-03-25T10:15:30+00:00", "{text}");
        }
    }

    #[test]
    fn a_date_of_an_unknown_zone_is_absent_rather_than_wrong() {
        assert_eq!(parse_date("Tue Mar 25 10:15:30 XYZT 2025"), None);
    }

    #[test]
    fn a_percentage_is_read_in_every_form_and_is_never_beyond_its_bounds() {
        #[derive(Deserialize)]
        struct Row {
            #[serde(default, deserialize_with = "percent")]
            percent: f64,
        }
        for (json, expected) in [
            ("{}", 0.0),
            (r#"{"percent": null}"#, 0.0),
            (r#"{"percent": 33.3}"#, 33.3),
            (r#"{"percent": "33.3"}"#, 33.3),
            (r#"{"percent": " 50 % "}"#, 50.0),
            (r#"{"percent": "half"}"#, 0.0),
            (r#"{"percent": "NaN"}"#, 0.0),
            (r#"{"percent": 1e300}"#, 100.0),
            (r#"{"percent": -1}"#, 0.0),
            (r#"{"percent": {"a": []}}"#, 0.0),
        ] {
            let row: Row = serde_json::from_str(json).unwrap();
            assert!((row.percent - expected).abs() < f64::EPSILON, "{json} {}", row.percent);
        }
    }
}
