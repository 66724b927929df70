//! What is worth telling while a batch is followed: each step once, in words. Pure; `live.rs` shows it.

use backup_core::{BackupRecord, Phase, Plan};

use crate::words;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) tone: Tone,
    /// One word for it.
    pub(crate) word: &'static str,
    /// The rest.
    pub(crate) text: String,
}

impl Line {
    fn new(tone: Tone, word: &'static str, text: impl Into<String>) -> Self {
        Self { tone, word, text: text.into() }
    }
}

/// How it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A step forward.
    Good,
    /// The end, and not the one that was hoped for.
    Bad,
    /// Nobody can tell yet.
    Open,
    /// What to do next.
    Advice,
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(crate) struct Story {
    told: Option<BackupRecord>,
    /// Why it waits, as last told: a retry that fails like the one before is no news.
    told_wait: Option<String>,
}

impl Story {
    /// Whether nothing was told yet.
    pub(crate) fn is_untold(&self) -> bool {
        self.told.is_none()
    }

    /// What is new in this record.
    pub(crate) fn tell(&mut self, record: &BackupRecord) -> Vec<Line> {
        let told = self.told.replace(record.clone());
        let before = told.as_ref();
        let mut lines = Vec::new();
        if before.is_none() {
            lines.push(Line::new(Tone::Good, "recorded", format!("batch {}", record.batch)));
        }
        if let Some(plan) =
            record.plan.as_ref().filter(|plan| before.and_then(|b| b.plan.as_ref()) != Some(plan))
        {
            lines.push(planned(plan));
        }
        lines.extend(before.and_then(|before| again(before, record)));
        if let Some(task) =
            record.task.as_ref().filter(|task| before.and_then(|b| b.task.as_ref()) != Some(task))
        {
            lines.push(Line::new(Tone::Good, "accepted", format!("YBA's task {task}")));
        }
        lines.extend(self.stands(before, record));
        lines
    }

    /// Where the batch stands, if that is news.
    fn stands(&mut self, before: Option<&BackupRecord>, record: &BackupRecord) -> Option<Line> {
        let note = record.note.as_ref();
        let was = before.map(|before| before.phase);
        match record.phase {
            Phase::Waiting => {
                let why = note.map_or_else(|| "its time has not come".to_owned(), words::waiting_for);
                self.news(Some(why))
            }
            Phase::Settling if was != Some(Phase::Settling) => {
                let why = note.map(|note| note.message.as_str()).unwrap_or_default();
                Some(Line::new(Tone::Open, "settling", format!("waiting whether this lasts: {why}")))
            }
            Phase::Running if was == Some(Phase::Settling) => {
                Some(Line::new(Tone::Good, "running", "again: YBA resumed the task"))
            }
            Phase::Submitting | Phase::Running if note.is_some() => self.news(note.map(words::waiting_for)),
            Phase::Running => {
                self.told_wait = None;
                None
            }
            _ => None,
        }
    }

    /// What it waits for, unless that was told last.
    fn news(&mut self, why: Option<String>) -> Option<Line> {
        let is_news = self.told_wait != why;
        self.told_wait.clone_from(&why);
        why.filter(|_| is_news).map(|why| Line::new(Tone::Open, "waiting", why))
    }
}

fn planned(plan: &Plan) -> Line {
    Line::new(Tone::Good, "planned", format!("{}: {}", plan.strategy, plan.reason))
}

/// A further request to YBA after one whose answer was lost. A retry after a wait belongs to the wait.
fn again(before: &BackupRecord, record: &BackupRecord) -> Option<Line> {
    let attempt = record.attempt().filter(|_| before.attempts.len() < record.attempts.len())?;
    (before.phase == Phase::Submitting)
        .then(|| Line::new(Tone::Open, "asking", format!("YBA again, as attempt {}", attempt.number)))
}

/// How it ended; nothing for a batch that is open.
pub(crate) fn ending(record: &BackupRecord) -> Vec<Line> {
    if !record.is_done() {
        return Vec::new();
    }
    let took = record.ended_at.map(|ended| words::duration(record.duration(ended))).unwrap_or_default();
    let Some(failure) = &record.failure else {
        let what = record.backup.as_ref().map_or_else(
            || "YBA accepted the request; the target asks for no more".to_owned(),
            |backup| format!("backup {backup}"),
        );
        return vec![Line::new(Tone::Good, "completed", format!("{what}, in {took}"))];
    };
    let mut lines = vec![Line::new(Tone::Bad, "failed", format!("{}: {}", failure.code, failure.message))];
    lines.extend(failure.advice.as_ref().map(|advice| Line::new(Tone::Advice, "next", advice)));
    lines
}

#[cfg(test)]
mod tests {
    use backup_core::{
        BackupCommand, BackupRequest, BackupTarget, Clock as _, ErrorCode, Failure, SystemClock,
    };
    use serde_json::Value;

    use super::*;

    fn record() -> BackupRecord {
        let command = BackupCommand::try_from(BackupRequest::new("db1", "20250325")).unwrap();
        let target = BackupTarget::new("db1", "yba", "universe-1", "storage-1");
        let mut record = BackupRecord::new(&command, &target, SystemClock::new().now());
        record.set_plan(Plan {
            strategy: "full_backup".into(),
            base: None,
            reason: "it was asked for".into(),
        });
        record
    }

    fn words(story: &mut Story, record: &BackupRecord) -> Vec<&'static str> {
        story.tell(record).iter().map(|line| line.word).collect()
    }

    #[test]
    fn each_step_is_told_once() {
        let (mut story, mut record, now) = (Story::default(), record(), SystemClock::new().now());
        record.submit(now).unwrap();
        assert_eq!(words(&mut story, &record), ["recorded", "planned"]);
        assert!(words(&mut story, &record).is_empty());
        record.run("task".into(), None, now).unwrap();
        assert_eq!(words(&mut story, &record), ["accepted"]);
        record.settle(Failure::new(ErrorCode::Aborted, "aborted"), now).unwrap();
        assert_eq!(words(&mut story, &record), ["settling"]);
        record.resume(now).unwrap();
        assert_eq!(words(&mut story, &record), ["running"]);
        record.succeed(Some("backup".into()), Value::Null, now).unwrap();
        assert!(words(&mut story, &record).is_empty());
        assert_eq!(ending(&record)[0].text, "backup backup, in 0.0 s");
    }

    #[test]
    fn a_wait_is_told_again_only_when_its_reason_changes() {
        let (mut story, mut record, now) = (Story::default(), record(), SystemClock::new().now());
        let busy = |holder: &str| Failure::new(ErrorCode::UniverseBusy, format!("{holder} has it"));
        record.wait(busy("a task"), now).unwrap();
        assert_eq!(words(&mut story, &record), ["recorded", "planned", "waiting"]);
        record.wait(busy("a task"), now).unwrap();
        assert!(words(&mut story, &record).is_empty());
        record.submit(now).unwrap();
        assert!(words(&mut story, &record).is_empty());
        record.wait(busy("a task"), now).unwrap();
        assert!(words(&mut story, &record).is_empty());
        record.wait(busy("another"), now).unwrap();
        assert_eq!(words(&mut story, &record), ["waiting"]);
    }

    #[test]
    fn a_request_or_a_task_without_an_answer_says_once_what_it_waits_for() {
        let (mut story, mut record, now) = (Story::default(), record(), SystemClock::new().now());
        record.submit(now).unwrap();
        story.tell(&record);
        record.note = Some(Failure::new(ErrorCode::YbaUnreachable, "the answer was lost"));
        assert_eq!(words(&mut story, &record), ["waiting"]);
        assert!(words(&mut story, &record).is_empty());
        record.run("task".into(), None, now).unwrap();
        assert_eq!(words(&mut story, &record), ["accepted"]);
        record.note = Some(Failure::new(ErrorCode::YbaUnauthorized, "401"));
        assert_eq!(words(&mut story, &record), ["waiting"]);
    }

    #[test]
    fn asking_again_after_a_lost_answer_is_told() {
        let (mut story, mut record, now) = (Story::default(), record(), SystemClock::new().now());
        record.submit(now).unwrap();
        story.tell(&record);
        record.submit(now).unwrap();
        assert_eq!(story.tell(&record)[0].text, "YBA again, as attempt 2");
    }

    #[test]
    fn a_failure_is_told_with_its_advice() {
        let (mut record, now) = (record(), SystemClock::new().now());
        record.fail(Failure::new(ErrorCode::NoBaseBackup, "no base").with_advice("take one"), now).unwrap();
        let lines = ending(&record);
        assert_eq!(lines[0].text, "NO_BASE_BACKUP: no base");
        assert_eq!((lines[1].tone, lines[1].text.as_str()), (Tone::Advice, "take one"));
    }
}
