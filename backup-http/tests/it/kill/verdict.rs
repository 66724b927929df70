//! What is true at the end, asked of both sides: YBA's tasks and backups, and our records.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
};

use backup_core::{BackupRecord, BatchId, TrackerStatus};
use yba_client::{BackupState, TaskState, simulator::TaskSnapshot};

use super::{callers::Promises, world::World};

/// What was counted, and everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    batches: usize,
    backups: usize,
    attempts: usize,
    surplus: usize,
    pub(super) faults: Vec<Fault>,
}

/// Something that is wrong, and the batch that shows it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) text: String,
    pub(super) batch: Option<BatchId>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batches, backups, attempts, surplus, faults } = self;
        write!(
            f,
            "{batches} batches, {backups} backups ({attempts} attempts, {surplus} surplus tasks aborted)"
        )?;
        if faults.is_empty() { Ok(()) } else { write!(f, ", {} FAULTS", faults.len()) }
    }
}

/// `surprises`: what callers were told against expectation.
pub(super) async fn reach(world: &World, promises: &Promises, surprises: Vec<String>) -> Verdict {
    let records = world.records().await;
    let mut court = Court { world, verdict: Verdict { batches: records.len(), ..Verdict::default() } };
    for surprise in surprises {
        court.fault(None, surprise);
    }
    court.every_promise_is_a_batch(promises, &records);
    court.every_batch_is_completed(&records);
    court.one_backup_each(&records);
    court.the_tables_say_the_same(&records);
    court.nobody_ended_by_himself();
    court.verdict
}

struct Court<'a> {
    world: &'a World,
    verdict: Verdict,
}

impl Court<'_> {
    fn every_promise_is_a_batch(&mut self, promises: &Promises, records: &[BackupRecord]) {
        let batches: BTreeSet<&BatchId> = promises.values().collect();
        let recorded: BTreeSet<&BatchId> = records.iter().map(|record| &record.batch).collect();
        self.require(batches.len() == promises.len(), None, || "two keys were promised one batch".to_owned());
        for batch in batches.difference(&recorded) {
            self.fault(Some(batch), "a batch that was promised is not recorded".to_owned());
        }
        for batch in recorded.difference(&batches) {
            self.fault(Some(batch), "a batch that was promised to nobody".to_owned());
        }
    }

    fn every_batch_is_completed(&mut self, records: &[BackupRecord]) {
        let mut attempts = HashSet::new();
        for record in records {
            let is_completed = record.status() == TrackerStatus::Success && record.backup.is_some();
            self.require(is_completed, Some(&record.batch), || {
                format!("not completed: {:?} {:?}", record.phase, record.failure)
            });
            for attempt in &record.attempts {
                self.require(attempts.insert(attempt.id), Some(&record.batch), || {
                    format!("the attempt {} was used twice", attempt.id)
                });
            }
        }
        self.verdict.attempts = attempts.len();
    }

    /// Every backup that YBA started is that of one batch; every batch has one, the one it names.
    fn one_backup_each(&mut self, records: &[BackupRecord]) {
        let batch_of: HashMap<String, &BatchId> =
            records.iter().flat_map(|r| r.attempts.iter().map(|a| (a.id.to_string(), &r.batch))).collect();
        let backups: HashMap<_, _> =
            self.world.yba.backups().into_iter().map(|b| (b.task.clone(), b)).collect();
        let mut counted: HashMap<&BatchId, Vec<String>> = HashMap::new();
        let mut markers = HashSet::new();
        for task in self.world.yba.tasks().into_iter().filter(|task| task.task_type == "CreateBackup") {
            let marker = task.correlation_id.as_ref().map(ToString::to_string).unwrap_or_default();
            let batch = batch_of.get(&marker).copied();
            self.require(batch.is_some(), None, || format!("nobody's backup: {task:?}"));
            self.require(markers.insert(marker), batch, || format!("sent twice: {task:?}"));
            let state = backups.get(&task.id).map(|backup| &backup.state);
            match (batch, state) {
                (Some(batch), Some(BackupState::Completed)) if task.state == TaskState::Success => {
                    counted.entry(batch).or_default().push(task.id.to_string());
                }
                _ => self.surplus(&task, batch),
            }
        }
        for record in records {
            let tasks = counted.remove(&record.batch).unwrap_or_default();
            let named = record.task.as_ref().map(ToString::to_string);
            self.require(tasks.len() == 1 && named.as_ref() == tasks.first(), Some(&record.batch), || {
                format!(
                    "{} backups completed, by the tasks {tasks:?}; the record names {named:?}",
                    tasks.len()
                )
            });
            self.verdict.backups += tasks.len();
        }
        let started: usize = self.world.universes.iter().map(|id| self.world.yba.backups_started(id)).sum();
        self.require(started == self.verdict.batches + self.verdict.surplus, None, || {
            format!("YBA started {started} backups")
        });
    }

    /// Only a replica that was stopped may have started a task too late; and it aborted it.
    fn surplus(&mut self, task: &TaskSnapshot, batch: Option<&BatchId>) {
        let is_aborted = self.world.trial.stops && task.state == TaskState::Aborted;
        self.require(is_aborted, batch, || format!("a backup that does not count: {task:?}"));
        self.verdict.surplus += 1;
    }

    /// The original's queries, by another program than ours.
    fn the_tables_say_the_same(&mut self, records: &[BackupRecord]) {
        let Some(database) = &self.world.database else { return };
        let count = |what: &str| database.psql(&format!("SELECT count(*) FROM epricing.{what}"));
        let all = records.len().to_string();
        for (what, expected) in [
            ("batch_execution_details", all.as_str()),
            ("batch_execution_details WHERE batch_status = 'COMPLETED'", &all),
            ("batch_db_schedule_event_tracker", &all),
            ("batch_db_schedule_event_tracker WHERE backup_status = 'SUCCESS'", &all),
            ("exception_details", "0"),
        ] {
            let found = count(what);
            self.require(found == expected, None, || format!("{what}: {found} rows, not {expected}"));
        }
    }

    fn nobody_ended_by_himself(&mut self) {
        let ends = self.world.unexpected_ends();
        self.require(ends == 0, None, || format!("{ends} processes ended that nobody killed"));
    }

    fn require(&mut self, holds: bool, batch: Option<&BatchId>, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.fault(batch, otherwise());
        }
    }

    fn fault(&mut self, batch: Option<&BatchId>, text: String) {
        let text = match batch {
            Some(batch) => format!("{batch}: {text}"),
            None => text,
        };
        self.verdict.faults.push(Fault { text, batch: batch.cloned() });
    }
}
