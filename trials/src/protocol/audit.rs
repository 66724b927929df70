//! The audit of a batch that is over: `backup_core::audit`. What is found is recorded before anything is done about it.

use std::collections::BTreeSet;

use super::{
    record::{BackupRecord, SurplusState},
    store::Store,
    yba::{Task, TaskId, TaskState, Yba},
};

/// One look of one replica at one batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audit {
    /// The right to record it: the epoch of the batch's last lease.
    pub epoch: u8,
    /// The right to record it: what the store wrote when it gave the audit out.
    pub token: u8,
    /// What is to be recorded.
    pub record: BackupRecord,
    /// What comes next.
    pub next: Next,
    /// The tasks that the list showed as running.
    running: BTreeSet<TaskId>,
}

/// The steps of an audit after its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Put what was found on record.
    Record,
    /// Abort what runs, and see how the rest ended.
    Follow,
    /// Record how it ended.
    Report,
    /// Nothing.
    Over,
}

impl Audit {
    /// Compares what YBA has of this batch with what is on record.
    pub fn look(store: &Store, yba: &Yba) -> Self {
        let mut record = store.record.clone();
        for (id, task) in yba.list() {
            if is_discovery(&store.record, id, &task) {
                record.surplus.insert(id, SurplusState::Found);
            }
        }
        still_lost(&mut record, yba);
        let next = if record == store.record { Next::Follow } else { Next::Record };
        let open = yba.list().filter(|(_, task)| task.state == TaskState::Open);
        let running = open.map(|(id, _)| id).collect();
        Self { epoch: store.epoch, token: store.audit, record, next, running }
    }

    /// Whether this look has anything to do.
    pub fn has_work(&self) -> bool {
        self.next == Next::Record || self.record.surplus.values().any(|state| *state == SurplusState::Found)
    }

    /// Answers what is to be aborted, and notes how each other surplus ended.
    pub fn follow(&mut self, yba: &Yba) -> BTreeSet<TaskId> {
        let found: BTreeSet<TaskId> = self.record.found_surplus().collect();
        let (running, ended) = found.iter().partition::<BTreeSet<_>, _>(|task| self.running.contains(task));
        for task in ended {
            self.note_end(task, yba.tasks[task].state);
        }
        still_lost(&mut self.record, yba);
        running
    }

    fn note_end(&mut self, task: TaskId, state: TaskState) {
        let state = match state {
            TaskState::Open => return,
            TaskState::Completed => SurplusState::Kept,
            TaskState::Failed | TaskState::Aborted => SurplusState::Over,
        };
        self.record.surplus.insert(task, state);
        self.next = Next::Report;
    }
}

/// A task of ours that the batch does not count, that is not on record as a surplus, and that did not end without a backup.
fn is_discovery(record: &BackupRecord, id: TaskId, task: &Task) -> bool {
    let is_ours = record.attempts.contains(&task.attempt);
    let lives = matches!(task.state, TaskState::Open | TaskState::Completed);
    is_ours && lives && record.task != Some(id) && !record.surplus.contains_key(&id)
}

/// The attempts that a further run has to look for: not those whose tasks were found, unless one completed after the batch had
/// failed. That run counts it.
fn still_lost(record: &mut BackupRecord, yba: &Yba) {
    let mut lost = record.lost.clone();
    for (id, task) in yba.list().filter(|(_, task)| record.attempts.contains(&task.attempt)) {
        match record.surplus.get(&id) {
            Some(SurplusState::Kept) if record.failed => lost.insert(task.attempt),
            Some(_) => lost.remove(&task.attempt),
            None if task.state == TaskState::Failed => lost.remove(&task.attempt),
            None => false,
        };
    }
    record.lost = lost;
}
