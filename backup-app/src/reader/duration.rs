//! Spans of time as people write them: `30s`, `1h30m`, `PT30S`, and plain milliseconds.

use std::time::Duration;

/// A century: longer is a mistake, and would overflow somebody's clock.
const MAX: Duration = Duration::from_hours(100 * 366 * 24);

/// Reads a span of time.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let duration = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_millis(text.parse().ok()?)
    } else if let Some(iso) = text.strip_prefix('p') {
        parse_iso(iso)?
    } else {
        parts(&text)?
    };
    (duration <= MAX).then_some(duration)
}

/// `PT1H30M`, `P1DT12H`, `PT0.5S`; the text is in lower case and without its `P`.
fn parse_iso(text: &str) -> Option<Duration> {
    let (days, time) = text.split_once('t').unwrap_or((text, ""));
    let days = if days.is_empty() { Duration::ZERO } else { parts(days.ends_with('d').then_some(days)?)? };
    let time = if time.is_empty() && days > Duration::ZERO { Duration::ZERO } else { parts(time)? };
    days.checked_add(time)
}

/// Numbers with units, one after the other.
fn parts(mut text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(digits);
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        total = total.checked_add(part(number, unit.trim())?)?;
        text = rest;
    }
    Some(total)
}

fn part(number: &str, unit: &str) -> Option<Duration> {
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let fraction_digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 6)?;
    let fraction = fraction.parse::<u64>().ok()? * millis / 10_u64.pow(fraction_digits);
    Some(Duration::from_millis(whole.checked_mul(millis)?.checked_add(fraction)?))
}

/// Writes a span of time so that [`parse`] reads it back.
pub(crate) fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1_000 % 60, "s"),
        (millis % 1_000, "ms"),
    ];
    let shown =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}"));
    let shown = shown.collect::<Vec<_>>().concat();
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_notation_is_read() {
        for (text, millis) in [
            ("1500", 1_500),
            ("0", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("PT30S", 30_000),
            ("pt1h30m", 5_400_000),
            ("P1DT12H", 129_600_000),
            ("P2D", 172_800_000),
            (" 30 s", 30_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "s",
            "-1",
            "1x",
            "30 seconds ago",
            "P",
            "PT",
            "P1H",
            "1e5",
            "99999999999999999999",
            "999999999999999999",
            "1.2.3s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0_u64..1_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&show(duration)), Some(duration));
        }
    }
}
