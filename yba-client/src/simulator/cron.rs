//! UNIX cron of five fields, in UTC: as much of it as schedules of backups use.

use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A parsed expression: which values each field admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    /// Sunday is 0.
    weekdays: Vec<u32>,
    /// With both fields restricted, either admits a day.
    either_day: bool,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return None };
        Some(Self {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            weekdays: field(weekdays, 0, 7)?.into_iter().map(|day| day % 7).collect(),
            either_day: days != "*" && weekdays != "*",
        })
    }

    /// The first firing after a moment, within the next four years.
    pub(super) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let minute = after.with_second(0)?.with_nanosecond(0)? + Duration::from_mins(1);
        let first_day = minute.date_naive();
        for day in first_day.iter_days().take(4 * 366) {
            if !self.admits_day(day.month(), day.day(), day.weekday().num_days_from_sunday()) {
                continue;
            }
            for hour in &self.hours {
                for min in &self.minutes {
                    let at = day.and_hms_opt(*hour, *min, 0)?.and_utc();
                    if at >= minute {
                        return Some(at);
                    }
                }
            }
        }
        None
    }

    /// The distance of the two firings around a moment.
    pub(super) fn gap(&self, around: DateTime<Utc>) -> Option<Duration> {
        let next = self.next(around)?;
        (self.next(next)? - next).to_std().ok()
    }

    fn admits_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (by_day, by_weekday) = (self.days.contains(&day), self.weekdays.contains(&weekday));
        let day = if self.either_day { by_day || by_weekday } else { by_day && by_weekday };
        self.months.contains(&month) && day
    }
}

/// `*`, `5`, `1-5`, `*/15`, `1,2,3`, and their combinations; sorted.
fn field(text: &str, least: u32, most: u32) -> Option<Vec<u32>> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let value = range.parse().ok()?;
                (value, if part.contains('/') { most } else { value })
            }
        };
        if from < least || to > most || from > to {
            return None;
        }
        values.extend((from..=to).step_by(step));
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> String {
        let at = Cron::parse(expression).unwrap().next(after.parse().unwrap()).unwrap();
        at.format("%a %F %R").to_string()
    }

    #[test]
    fn the_next_firing_is_found() {
        let now = "2025-03-25T10:15:30Z"; // a Tuesday
        assert_eq!(next("0 2 * * *", now), "Wed 2025-03-26 02:00");
        assert_eq!(next("*/20 * * * *", now), "Tue 2025-03-25 10:20");
        assert_eq!(next("15 10 * * *", now), "Wed 2025-03-26 10:15");
        assert_eq!(next("0 0 * * 0", now), "Sun 2025-03-30 00:00");
        assert_eq!(next("0 0 * * 7", now), "Sun 2025-03-30 00:00");
        assert_eq!(next("30 4 1,15 * 5", now), "Fri 2025-03-28 04:30");
        assert_eq!(next("0 0 29 2 *", now), "Tue 2028-02-29 00:00");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "* * 0 * *"] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }
}
