//! What is true at the end, asked of both sides: YBA's tasks and backups, and our records.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
};

use backup_core::{BackupRecord, BatchId, Surplus, SurplusState, TrackerStatus};
use yba_client::{BackupState, TaskState, simulator::TaskSnapshot};

use super::{callers::Promises, world::World};

/// What was counted, and everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    batches: usize,
    backups: usize,
    attempts: usize,
    /// Tasks that no batch counts, and that left no backup.
    ended: usize,
    /// Backups that no batch counts, and that are on record as such.
    on_record: usize,
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
        let Self { batches, backups, attempts, ended, on_record, faults } = self;
        write!(
            f,
            "{batches} batches, {backups} backups that count ({attempts} attempts; surplus: {ended} aborted, {on_record} on record)"
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

/// Whether nothing at YBA is a surplus that nobody knows of.
pub(super) fn is_every_task_known(world: &World, records: &[BackupRecord]) -> bool {
    let is_known = |(task, record): (Seen, Option<&BackupRecord>)| {
        record.is_some_and(|record| task.standing(record) != Standing::Unknown)
    };
    tasks(world, records).into_iter().all(is_known)
}

/// A task at YBA that was to take a backup.
#[derive(Debug)]
struct Seen {
    task: TaskSnapshot,
    has_backup: bool,
}

/// What a task is to the batch that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The one that counts, with a completed backup.
    Counts,
    /// Over, without a backup.
    Ended,
    /// A second backup, on record as such.
    OnRecord,
    /// None of these.
    Unknown,
}

impl Seen {
    fn marker(&self) -> String {
        self.task.correlation_id.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn standing(&self, record: &BackupRecord) -> Standing {
        let id = self.task.id.as_str();
        let is_own = record.task.as_ref().is_some_and(|own| own.as_str() == id);
        let noted = record.surplus.iter().find(|surplus| surplus.task.as_str() == id);
        let is_kept = noted.is_some_and(|surplus| surplus.state == SurplusState::Kept);
        match (self.has_backup, is_own) {
            (true, true) => Standing::Counts,
            (true, false) if is_kept => Standing::OnRecord,
            (false, false) if self.task.state.is_complete() && !noted.is_some_and(Surplus::is_open) => {
                Standing::Ended
            }
            _ => Standing::Unknown,
        }
    }
}

/// Every task at YBA that was to take a backup, with the batch whose attempt it bears.
fn tasks<'a>(world: &World, records: &'a [BackupRecord]) -> Vec<(Seen, Option<&'a BackupRecord>)> {
    let of_attempt: HashMap<String, &BackupRecord> =
        records.iter().flat_map(|r| r.attempts.iter().map(move |a| (a.id.to_string(), r))).collect();
    let states: HashMap<_, _> = world.yba.backups().into_iter().map(|b| (b.task.clone(), b.state)).collect();
    let tasks = world.yba.tasks().into_iter().filter(|task| task.task_type == "CreateBackup");
    let with_record = tasks.map(|task| {
        let is_completed = states.get(&task.id) == Some(&BackupState::Completed);
        let seen = Seen { has_backup: is_completed && task.state == TaskState::Success, task };
        let record = of_attempt.get(&seen.marker()).copied();
        (seen, record)
    });
    with_record.collect()
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

    /// Every task that YBA started is that of one batch: the one that the batch counts, with a completed backup; or it left
    /// no backup; or it is on record as a surplus.
    fn one_backup_each(&mut self, records: &[BackupRecord]) {
        let mut counted: HashSet<&BatchId> = HashSet::new();
        let mut markers = HashSet::new();
        for (task, record) in tasks(self.world, records) {
            let Some(record) = record else {
                self.fault(None, format!("nobody's backup: {:?}", task.task));
                continue;
            };
            let batch = Some(&record.batch);
            self.require(markers.insert(task.marker()), batch, || format!("sent twice: {:?}", task.task));
            match task.standing(record) {
                Standing::Counts => {
                    counted.insert(&record.batch);
                }
                Standing::Ended => self.verdict.ended += 1,
                Standing::OnRecord => self.verdict.on_record += 1,
                Standing::Unknown => {
                    let text =
                        format!("a silent surplus, or no backup: {task:?}; on record: {:?}", record.surplus);
                    self.fault(batch, text);
                }
            }
        }
        for record in records {
            let is_counted = counted.contains(&record.batch);
            self.require(is_counted, Some(&record.batch), || {
                format!("no backup of the task {:?}", record.task)
            });
        }
        self.verdict.backups = counted.len();
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
            ("exception_details WHERE execution_type <> 'SURPLUS'", "0"),
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
