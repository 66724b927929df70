//! Times, durations and states as people read them.

use std::time::Duration;

use backup_core::store::Follower;
use backup_core::{BackupRecord, Failure, Phase, TrackerStatus, YbaTimes};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// No time that is shown lies further back: the calendar would end.
const CENTURY: Duration = Duration::from_hours(100 * 366 * 24);

/// An instant in the configured zone: `2025-03-25 10:00:00 IST`.
pub(crate) fn instant(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The time of day in the configured zone: `10:00:00`.
pub(crate) fn time_of_day(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%H:%M:%S").to_string()
}

/// `0.4 s`, `14 s`, `2m 14s`, `1h 05m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// One word for where a batch stands: the batch's status when it is over, the phase when it is not.
pub(crate) fn standing(record: &BackupRecord) -> &'static str {
    match record.status() {
        TrackerStatus::InProgress => record.phase.as_str(),
        _ => record.batch_status().as_str(),
    }
}

/// What a batch waits for, in the present tense. Its note is written as the failure that it may become.
pub(crate) fn waiting_for(note: &Failure) -> String {
    let Some((past, cause)) = note.message.split_once(" for as long as we may wait: ") else {
        return note.message.clone();
    };
    let present = PRESENT.iter().find(|(then, _)| past == *then).map_or(past, |(_, now)| *now);
    format!("{present}: {cause}")
}

/// The beginnings of notes, as they are when it is over and while it lasts.
const PRESENT: [(&str, &str); 3] = [
    ("the universe was busy", "the universe is busy"),
    ("YBA could not be reached", "YBA cannot be reached"),
    ("something other than YBA answered", "something other than YBA answers"),
];

/// What a batch waits for that was, or is about to be, asked for at YBA.
pub(crate) fn lost_answer(record: &BackupRecord, zone: Tz) -> Option<String> {
    let attempt = record.attempt().filter(|_| record.phase == Phase::Submitting)?;
    Some(format!(
        "YBA's answer to attempt {} since {}; a lost one is looked for among YBA's tasks, and only when \
         orchestrator.settle-time has passed without a trace of it is YBA asked again",
        attempt.number,
        time_of_day(attempt.at, zone)
    ))
}

/// Who follows a batch, as a name and a fact.
pub(crate) fn followed(follower: Follower, now: DateTime<Utc>, zone: Tz) -> (&'static str, String) {
    match follower {
        Follower::Owner(_) => ("Followed", "by a running service or command".to_owned()),
        Follower::Nobody(span) => {
            let since = instant(now - span.min(CENTURY), zone);
            let takes = "`backup-cli reconcile` or a running service takes it up";
            ("Not followed", format!("since {since}: {takes}"))
        }
        Follower::DueIn(span) => ("Next try", format!("in {}", duration(span))),
    }
}

/// How long a backup took by YBA's times, and from when to when.
pub(crate) fn span(times: &YbaTimes, zone: Tz) -> String {
    let [from, to] = [times.created_at, times.completed_at].map(|at| time_of_day(at, zone));
    format!("{} by YBA's times, {from} to {to}", duration(times.took()))
}

/// What goes on after this program ends.
pub(crate) fn what_goes_on(record: &BackupRecord) -> String {
    match (record.phase, &record.task) {
        (Phase::Running | Phase::Settling, Some(task)) => {
            format!("The backup goes on at YBA (task {task}), and the batch stays recorded.")
        }
        (Phase::Submitting | Phase::Running | Phase::Settling, _) => {
            "YBA may have been asked already; the batch stays recorded, and whoever takes it up looks first.".to_owned()
        }
        _ => "Nothing has been started at YBA yet; the batch stays recorded and starts when somebody takes it up."
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use backup_core::ErrorCode;

    use super::*;

    #[test]
    fn durations_are_short_and_have_units() {
        for (millis, text) in
            [(380, "0.4 s"), (14_200, "14 s"), (134_000, "2m 14s"), (3_900_000, "1h 05m"), (0, "0.0 s")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_wait_is_told_in_the_present_tense() {
        let busy = "the universe was busy for as long as we may wait: a task holds it";
        let note = Failure::new(ErrorCode::UniverseBusy, busy);
        assert_eq!(waiting_for(&note), "the universe is busy: a task holds it");
        let other = Failure::new(ErrorCode::UniverseBusy, "another batch of the same universe is under way");
        assert_eq!(waiting_for(&other), "another batch of the same universe is under way");
    }
}
