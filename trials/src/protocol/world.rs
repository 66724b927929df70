//! The whole world of one batch, and the names of everything that can happen in it.

use std::collections::BTreeSet;

use super::{
    config::{Config, Faults},
    replica::Replica,
    store::Store,
    yba::{TaskId, Yba},
};

/// Everything that is true at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What is committed.
    pub store: Store,
    /// The processes.
    pub replicas: Vec<Replica>,
    /// YBA, and what is on its way there.
    pub yba: Yba,
    /// What may still go wrong.
    pub faults: Faults,
    /// For the properties: every task that a committed success has ever named.
    pub counted: BTreeSet<TaskId>,
    /// For the properties: a task was aborted that the batch followed or counted.
    pub aborted_its_own: bool,
}

/// One step. Replicas, posts and tasks by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The replica takes up the open batch.
    Claim(usize),
    /// It looks for lost attempts, and plans a new one.
    Prepare(usize),
    /// It commits its change, or learns that it must not.
    Save(usize),
    /// It sends the request of an attempt.
    Post(usize),
    /// It reads YBA's answer.
    ReadAnswer(usize),
    /// It waits for an answer no longer.
    GiveUpWaiting(usize),
    /// Absence has lasted for the settling time, for it.
    Settle(usize),
    /// It looks its attempts up.
    LookUp(usize),
    /// It asks YBA to abort the surplus that its look-up found.
    AbortFound(usize),
    /// It looks at the task, which is over.
    Poll(usize),
    /// It learns that it has lost the lease.
    Lose(usize),
    /// It asks YBA to abort what it started too late.
    AbortLate(usize),
    /// It claims the audit, and compares the task list with the record.
    Audit(usize),
    /// It records what the audit found.
    RecordAudit(usize),
    /// It asks YBA to abort the surplus that runs, and looks how the rest ended.
    FollowSurplus(usize),
    /// The lease of a process that is dead or stopped is over.
    Expire,
    /// A POST arrives.
    Arrive(usize),
    /// A task and its backup are completed.
    Complete(TaskId),
    /// SIGCONT.
    Wake(usize),

    /// Fault: SIGKILL.
    Kill(usize),
    /// Fault: SIGSTOP.
    Stop(usize),
    /// Fault: the POST takes longer than the settling time.
    Delay(usize),
    /// Fault: the POST arrives, and its answer is lost.
    ArriveUnanswered(usize),
    /// Fault: the task fails.
    Fail(TaskId),
    /// Fault: the deadline passes while the task runs.
    Deadline(usize),
    /// Somebody has a replica run the failed batch again.
    RunAgain(usize),
}

impl World {
    /// A batch that was just requested.
    pub fn new(config: &Config) -> Self {
        Self {
            store: Store::with_a_request(),
            replicas: vec![Replica::default(); config.replicas],
            yba: Yba::default(),
            faults: config.faults,
            counted: BTreeSet::new(),
            aborted_its_own: false,
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_quiet(&self, config: &Config) -> bool {
        let mut actions = Vec::new();
        self.steps(config, &mut actions);
        actions.is_empty()
    }
}
