//! Times, durations and states as people read them.

use std::time::Duration;

use backup_core::{BackupRecord, ErrorCode, Failure, Phase, TrackerStatus};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

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
    let cause = note.message.split_once(" for as long as we may wait: ").map(|(_, cause)| cause);
    match (note.code, cause) {
        (ErrorCode::UniverseBusy, Some(cause)) => format!("the universe is busy: {cause}"),
        (ErrorCode::YbaUnreachable, Some(cause)) => format!("YBA cannot be reached: {cause}"),
        _ => note.message.clone(),
    }
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
