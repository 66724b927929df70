//! `/actuator/metrics` in the shape that Spring users know, read from Prometheus's text.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde::Serialize;

use crate::{
    error::ApiError,
    meters::{Kind, METERS, Meter},
};

/// The names of all meters.
#[derive(Debug, Serialize)]
pub(crate) struct MetricNames {
    names: BTreeSet<String>,
}

/// One meter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricView {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_unit: Option<&'static str>,
    measurements: Vec<Measurement>,
    available_tags: Vec<AvailableTag>,
}

#[derive(Debug, Serialize)]
struct Measurement {
    statistic: &'static str,
    value: f64,
}

#[derive(Debug, Serialize)]
struct AvailableTag {
    tag: String,
    values: BTreeSet<String>,
}

/// One line of the text.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl MetricNames {
    /// The known meters, counted yet or not, and whatever else was counted.
    pub(crate) fn of(text: &str) -> Self {
        let others = families(text).filter(|(name, _)| METERS.iter().all(|meter| meter.prometheus != *name));
        let known = METERS.iter().map(|meter| meter.actuator.to_owned());
        Self { names: known.chain(others.map(|(name, _)| name.to_owned())).collect() }
    }
}

impl MetricView {
    /// The meter with this name, summed over everything that has these tags. A known meter that has counted nothing is
    /// at zero.
    pub(crate) fn of(name: &str, tags: &[(String, String)], text: &str) -> Option<Self> {
        let meter = METERS.iter().find(|meter| meter.actuator == name);
        let family = meter.map_or(name, |meter| meter.prometheus);
        let kind = meter.map(|meter| meter.kind).or_else(|| {
            families(text).find(|(known, _)| *known == family).map(|(_, kind)| match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                _ => Kind::Timer(&[]),
            })
        })?;
        let samples: Vec<Sample> = text
            .lines()
            .filter_map(sample)
            .filter(|sample| belongs(sample, family, kind))
            .filter(|sample| tags.iter().all(|(tag, value)| sample.labels.get(tag) == Some(value)))
            .collect();
        if samples.is_empty() && !(tags.is_empty() && meter.is_some()) {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            description: meter.map(|meter: &Meter| meter.description),
            base_unit: matches!(kind, Kind::Timer(_)).then_some("seconds"),
            measurements: measurements(&samples, family, kind),
            available_tags: available_tags(&samples, tags),
        })
    }
}

/// Reads `tag=key:value`, which may be repeated.
pub(crate) fn read_tags(pairs: &[(String, String)]) -> Result<Vec<(String, String)>, ApiError> {
    let tag = |(name, value): &(String, String)| {
        let (key, value) = value.split_once(':').filter(|_| name == "tag")?;
        Some((key.to_owned(), value.to_owned()))
    };
    let tags: Option<Vec<_>> = pairs.iter().map(tag).collect();
    tags.ok_or_else(|| {
        ApiError::refused(StatusCode::BAD_REQUEST, "the query is not valid: write tag=key:value")
    })
}

/// Every name and type that the text declares.
fn families(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
}

/// Whether a line is one of the numbers that are shown: of a timer its sum and its count.
fn belongs(sample: &Sample, family: &str, kind: Kind) -> bool {
    match (kind, sample.name.strip_prefix(family)) {
        (Kind::Timer(_), Some(part)) => matches!(part, "_sum" | "_count"),
        (_, rest) => rest == Some(""),
    }
}

fn measurements(samples: &[Sample], family: &str, kind: Kind) -> Vec<Measurement> {
    let sum = |part: &str| {
        let of_part =
            samples.iter().filter(|sample| sample.name.strip_prefix(family).unwrap_or_default() == part);
        of_part.map(|sample| sample.value).sum()
    };
    match kind {
        Kind::Counter => vec![Measurement { statistic: "COUNT", value: sum("") }],
        Kind::Gauge => vec![Measurement { statistic: "VALUE", value: sum("") }],
        Kind::Timer(_) => vec![
            Measurement { statistic: "COUNT", value: sum("_count") },
            Measurement { statistic: "TOTAL_TIME", value: sum("_sum") },
        ],
    }
}

/// The tags by which the answer can still be narrowed.
fn available_tags(samples: &[Sample], chosen: &[(String, String)]) -> Vec<AvailableTag> {
    let mut tags: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (tag, value) in samples.iter().flat_map(|sample| &sample.labels) {
        if chosen.iter().all(|(name, _)| name != tag) {
            tags.entry(tag).or_default().insert(value.clone());
        }
    }
    tags.into_iter().map(|(tag, values)| AvailableTag { tag: tag.to_owned(), values }).collect()
}

/// Reads `name{tag="value",...} 1.5`.
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Reads the labels up to the closing brace, and gives what follows it.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.insert(name.to_owned(), value);
        text = rest;
    }
}

/// Reads up to the closing quote, and gives what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP backup_failure_total Batches that ended
# TYPE backup_failure_total counter
backup_failure_total{target=\"db1\",error_code=\"YBA_REJECTED\"} 2
backup_failure_total{target=\"db2\",error_code=\"ABORTED\"} 1

# TYPE backup_duration_seconds histogram
backup_duration_seconds_bucket{target=\"db1\",le=\"1\"} 2
backup_duration_seconds_bucket{target=\"db1\",le=\"+Inf\"} 3
backup_duration_seconds_sum{target=\"db1\"} 12.5
backup_duration_seconds_count{target=\"db1\"} 3
# TYPE something_else gauge
something_else 7
";

    fn view(name: &str, tags: &[(&str, &str)]) -> Option<serde_json::Value> {
        let tags: Vec<_> = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
        MetricView::of(name, &tags, TEXT).map(|view| serde_json::to_value(view).unwrap())
    }

    #[test]
    fn a_counter_is_summed_over_its_tags() {
        insta::assert_json_snapshot!(view("backup.failure.count", &[]), @r#"
        {
          "availableTags": [
            {
              "tag": "error_code",
              "values": [
                "ABORTED",
                "YBA_REJECTED"
              ]
            },
            {
              "tag": "target",
              "values": [
                "db1",
                "db2"
              ]
            }
          ],
          "description": "Batches that ended without a backup that counts",
          "measurements": [
            {
              "statistic": "COUNT",
              "value": 3.0
            }
          ],
          "name": "backup.failure.count"
        }
        "#);
    }

    #[test]
    fn a_tag_narrows_the_sum() {
        let narrowed = view("backup.failure.count", &[("target", "db2")]).unwrap();
        assert_eq!(narrowed["measurements"][0]["value"], 1.0);
        assert_eq!(
            narrowed["availableTags"],
            serde_json::json!([{"tag": "error_code", "values": ["ABORTED"]}])
        );
        assert_eq!(view("backup.failure.count", &[("target", "db9")]), None);
    }

    #[test]
    fn a_timer_has_a_count_and_a_total() {
        let timer = view("backup.duration", &[]).unwrap();
        assert_eq!(timer["baseUnit"], "seconds");
        let expected = serde_json::json!([
            {"statistic": "COUNT", "value": 3.0}, {"statistic": "TOTAL_TIME", "value": 12.5}
        ]);
        assert_eq!(timer["measurements"], expected);
        assert_eq!(timer["availableTags"], serde_json::json!([{"tag": "target", "values": ["db1"]}]));
    }

    #[test]
    fn a_known_meter_that_counted_nothing_is_at_zero() {
        let zero = view("backup.success.count", &[]).unwrap();
        assert_eq!(zero["measurements"], serde_json::json!([{"statistic": "COUNT", "value": 0.0}]));
    }

    #[test]
    fn what_others_count_is_shown_under_its_own_name() {
        assert_eq!(view("something_else", &[]).unwrap()["measurements"][0]["value"], 7.0);
        assert_eq!(view("nothing.like.it", &[]), None);
        assert!(MetricNames::of(TEXT).names.contains("something_else"));
        assert!(MetricNames::of("").names.contains("backup.initiated.count"));
    }

    #[test]
    fn escaped_labels_are_read() {
        let read = sample(r#"m{a="x\"y\\z\n",b="}"} 1"#).unwrap();
        assert_eq!(read.labels["a"], "x\"y\\z\n");
        assert_eq!(read.labels["b"], "}");
        assert_eq!(sample("m{a=\"never closed"), None);
    }
}
