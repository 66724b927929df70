//! The batch's record, as far as the protocol reads it: `backup_core::record`.

use std::collections::{BTreeMap, BTreeSet};

use super::yba::{Task, TaskId, TaskState};

/// Where on the path the batch is. `PLANNED` is a part of `Waiting` here, `SETTLING` of `Running`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is under way at YBA.
    Waiting,
    /// The last attempt is recorded, may have been sent, and its task is not known.
    Submitting,
    /// The task is known.
    Running,
    /// Over.
    Done,
}

/// What is known of a surplus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SurplusState {
    /// It was seen, and its end was not.
    Found,
    /// It completed, and its backup is kept.
    Kept,
    /// It ended without a backup.
    Over,
}

/// One POST. Two replicas never make the same id, as two UUIDs are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// 1 for the first of the batch.
    pub number: usize,
    /// The replica that made it.
    pub by: usize,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackupRecord {
    /// Where it is.
    pub phase: Phase,
    /// Every POST that may have been sent.
    pub attempts: Vec<AttemptId>,
    /// Those whose answer was lost and whose task was not found.
    pub lost: BTreeSet<AttemptId>,
    /// Whether an answer was ever missing.
    pub in_doubt: bool,
    /// The task that the batch follows, or counts.
    pub task: Option<TaskId>,
    /// With [`Phase::Done`]: over without a backup.
    pub failed: bool,
    /// Tasks of this batch that it does not count.
    pub surplus: BTreeMap<TaskId, SurplusState>,
}

impl BackupRecord {
    /// A batch that was just requested.
    pub fn requested() -> Self {
        Self {
            phase: Phase::Waiting,
            attempts: Vec::new(),
            lost: BTreeSet::new(),
            in_doubt: false,
            task: None,
            failed: false,
            surplus: BTreeMap::new(),
        }
    }

    /// Whether the batch counts this task.
    pub fn counts(&self, task: TaskId) -> bool {
        self.phase == Phase::Done && !self.failed && self.task == Some(task)
    }

    /// Whether a task may be there that is not the one that counts.
    pub fn needs_audit(&self) -> bool {
        self.in_doubt
            || self.attempts.len() > 1
            || !self.lost.is_empty()
            || self.found_surplus().next().is_some()
    }

    /// The surplus whose end was not seen.
    pub fn found_surplus(&self) -> impl Iterator<Item = TaskId> {
        let found = self.surplus.iter().filter(|(_, state)| **state == SurplusState::Found);
        found.map(|(task, _)| *task)
    }

    /// The attempts whose fate is open.
    pub fn open_attempts(&self) -> BTreeSet<AttemptId> {
        let last = self.attempts.last().filter(|_| self.phase == Phase::Submitting);
        self.lost.iter().chain(last).copied().collect()
    }

    /// Records a new attempt, to be sent once this is committed.
    pub fn submit(&mut self, by: usize) {
        self.phase = Phase::Submitting;
        self.attempts.push(AttemptId { number: self.attempts.len() + 1, by });
    }

    /// Records that the last attempt may have started something that nobody found.
    pub fn lose_attempt(&mut self) {
        self.lost.extend(self.attempts.last());
        self.in_doubt = true;
    }

    /// Nothing can be started now.
    pub fn wait(&mut self) {
        self.phase = Phase::Waiting;
        self.task = None;
    }

    /// The task that an attempt started.
    pub fn run(&mut self, task: TaskId) {
        self.phase = Phase::Running;
        self.task = Some(task);
    }

    /// Which task of the attempts that were looked for counts; the others, if they did not fail, are a surplus. An attempt that
    /// was not found stays lost.
    pub fn adopt(&mut self, kept: (TaskId, Task), others: &[(TaskId, Task)]) {
        self.lost = self.open_attempts();
        self.lost.remove(&kept.1.attempt);
        self.surplus.remove(&kept.0);
        for (id, task) in others {
            self.lost.remove(&task.attempt);
            if matches!(task.state, TaskState::Open | TaskState::Completed) {
                self.surplus.entry(*id).or_insert(SurplusState::Found);
            }
        }
        self.run(kept.0);
    }

    /// The backup exists.
    pub fn succeed(&mut self) {
        self.phase = Phase::Done;
        self.failed = false;
    }

    /// Over without a backup.
    pub fn fail(&mut self) {
        self.phase = Phase::Done;
        self.failed = true;
    }

    /// Opens a failed batch again. Its attempts stay.
    pub fn run_again(&mut self) {
        self.phase = Phase::Waiting;
        self.task = None;
        self.failed = false;
    }
}
