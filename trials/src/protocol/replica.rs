//! A replica on the path of the batch: `backup_core::path`. Each function is one step of it: what is seen decides what to save.

use std::collections::BTreeSet;

use super::{
    audit::Audit,
    config::{Breakage, Config},
    record::{AttemptId, BackupRecord, Phase},
    store::Store,
    yba::{Answer, Task, TaskId, TaskState, Yba},
};

/// A process of the service. One that is killed is started again at once, and knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// Between SIGSTOP and SIGCONT.
    pub is_stopped: bool,
    /// The batch, while this process follows it or believes so.
    pub held: Option<Held>,
    /// The batch, while this process audits it.
    pub audit: Option<Audit>,
    /// The task that this process is about to abort because it lost the lease.
    pub late: Option<TaskId>,
}

/// The batch in the hands of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// What this process knows. It is not always what is committed.
    pub record: BackupRecord,
    /// The lease.
    pub epoch: u8,
    /// The last attempt was recorded by this process and is not sent yet.
    pub unsent: bool,
    /// `record` has a change that is not committed.
    pub unsaved: bool,
    /// The request under way.
    pub call: Option<Call>,
    /// Absence has lasted for the settling time.
    pub is_settled: bool,
    /// The surplus that YBA was asked to abort.
    pub surplus_aborted: BTreeSet<TaskId>,
    /// What the failed batch was when this process began to open it again.
    pub reopens: Option<BackupRecord>,
}

/// A POST whose sender waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// On its way, or its answer is lost.
    Sent(AttemptId),
    /// Its answer is there to be read.
    Answered(Answer),
}

impl Replica {
    /// Whether it has nothing to do, and could take something up.
    pub fn is_idle(&self) -> bool {
        !self.is_stopped && !self.is_busy()
    }

    /// Whether it is in the middle of something.
    pub fn is_busy(&self) -> bool {
        self.held.is_some() || self.audit.is_some() || self.late.is_some()
    }
}

impl Held {
    /// What a process knows that has just claimed the batch.
    pub fn claimed(store: &Store) -> Self {
        Self {
            record: store.record.clone(),
            epoch: store.epoch,
            unsent: false,
            unsaved: false,
            call: None,
            is_settled: false,
            surplus_aborted: BTreeSet::new(),
            reopens: None,
        }
    }

    /// A failed batch that is about to be opened again: read, planned, and not written yet.
    pub fn reopening(store: &Store, me: usize, yba: &Yba, config: &Config) -> Self {
        let mut held = Self { reopens: Some(store.record.clone()), ..Self::claimed(store) };
        held.record.run_again();
        held.prepare(me, yba, config);
        held
    }

    /// WAITING: follows what a lost attempt started after all; else records a new attempt.
    pub fn prepare(&mut self, me: usize, yba: &Yba, config: &Config) {
        let found = if config.has(Breakage::BlindRepost) { Vec::new() } else { self.find(yba) };
        match found.first() {
            Some((_, task)) if lives(task.state) => self.adopt(&found, config),
            _ => {
                // They failed: there is nothing of them to follow.
                self.record.lost.retain(|lost| found.iter().all(|(_, task)| task.attempt != *lost));
                self.next_attempt(me, config);
            }
        }
        self.unsaved = true;
    }

    /// SUBMITTING, and recorded by us just now: sends the one request of this attempt.
    pub fn post(&mut self, yba: &mut Yba) {
        let Some(&attempt) = self.record.attempts.last() else { return };
        self.unsent = false;
        self.call = Some(Call::Sent(attempt));
        yba.send(attempt);
    }

    /// SUBMITTING: the answer is read.
    pub fn read_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Accepted(task) => self.record.run(task),
            Answer::Busy => self.record.wait(),
        }
        self.call = None;
        self.unsaved = true;
    }

    /// SUBMITTING, and it may have been sent: looks for what it started; a new attempt once absence has settled.
    pub fn look_up(&mut self, me: usize, yba: &Yba, config: &Config) {
        self.record.in_doubt = true;
        let found = if config.has(Breakage::BlindRepost) { Vec::new() } else { self.find(yba) };
        if found.is_empty() {
            self.record.lose_attempt();
            self.next_attempt(me, config);
        } else {
            self.adopt(&found, config);
        }
        self.is_settled = false;
        self.unsaved = true;
    }

    /// Whether a look-up would change anything now.
    pub fn look_up_decides(&self, yba: &Yba, config: &Config) -> bool {
        let absence_counts = self.is_settled || config.has(Breakage::NoSettling);
        absence_counts || config.has(Breakage::BlindRepost) || !self.find(yba).is_empty()
    }

    /// RUNNING: the task is over.
    pub fn poll(&mut self, yba: &Yba) {
        match self.task(yba).map(|task| task.state) {
            Some(TaskState::Completed) => self.record.succeed(),
            _ => self.record.fail(),
        }
        self.unsaved = true;
    }

    /// The task that is followed, as YBA shows it.
    pub fn task(&self, yba: &Yba) -> Option<Task> {
        self.record.task.and_then(|task| yba.tasks.get(task).copied())
    }

    fn next_attempt(&mut self, me: usize, config: &Config) {
        if self.record.attempts.len() >= config.attempts {
            return self.record.fail();
        }
        self.record.submit(me);
        self.unsent = true;
    }

    /// The tasks of the attempts whose fate is open, the one to follow first: completed, else running, else ended; the oldest.
    fn find(&self, yba: &Yba) -> Vec<(TaskId, Task)> {
        let open = self.record.open_attempts();
        let mut found: Vec<_> = yba.list().filter(|(_, task)| open.contains(&task.attempt)).collect();
        found.sort_by_key(|(id, task)| (rank(task.state), *id));
        found
    }

    fn adopt(&mut self, found: &[(TaskId, Task)], config: &Config) {
        let Some((kept, others)) = found.split_first() else { return };
        self.record.adopt(*kept, others);
        if config.has(Breakage::AdoptionForgets) {
            self.record.lost.clear();
            self.record.attempts = vec![kept.1.attempt];
            self.record.in_doubt = false;
        }
    }

    /// The surplus on record that YBA has not been asked to abort.
    pub fn surplus_to_abort(&self) -> BTreeSet<TaskId> {
        self.record.found_surplus().filter(|task| !self.surplus_aborted.contains(task)).collect()
    }

    /// The lease is lost: the task of an attempt that this process sent, if it sent one. `backup_core::late`.
    pub fn late_task(&self, yba: &Yba) -> Option<TaskId> {
        match self.record.phase {
            Phase::Running if self.unsaved => self.record.task,
            Phase::Submitting if !self.unsent => {
                let own = self.record.attempts.last();
                yba.list().find(|(_, task)| Some(&task.attempt) == own && lives(task.state)).map(|(id, _)| id)
            }
            _ => None,
        }
    }

    /// Whether this process sent a request whose task it did not put on record.
    pub fn was_sent(&self) -> bool {
        let accepted = self.record.phase == Phase::Running && self.unsaved;
        accepted || (self.record.phase == Phase::Submitting && !self.unsent)
    }

    /// Whether the path is at this phase, with nothing left to commit.
    pub fn is_at(&self, phase: Phase) -> bool {
        self.record.phase == phase && !self.unsaved
    }
}

fn lives(state: TaskState) -> bool {
    matches!(state, TaskState::Open | TaskState::Completed)
}

fn rank(state: TaskState) -> u8 {
    match state {
        TaskState::Completed => 0,
        TaskState::Open => 1,
        TaskState::Failed | TaskState::Aborted => 2,
    }
}
