//! A batch in the hands of this process: its record, its lease, and what only memory knows.

use std::{sync::Arc, time::Duration};

use tracing::Span;

use crate::{
    ids::TaskId, lease::LeaseState, look::Look, record::BackupRecord, silence::Silence, store::Lease,
    target::BackupTarget,
};

/// A batch that this process works on.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: BackupRecord,
    /// The share of subtasks that succeeded, as last seen.
    pub(crate) percent: Option<f64>,
    pub(crate) span: Span,
    pub(crate) lease: Lease,
    pub(crate) lease_state: Arc<LeaseState>,
    pub(crate) target: Option<Arc<BackupTarget>>,
    /// The last attempt was recorded by this holder and is not sent yet.
    pub(crate) unsent: bool,
    /// A change to `record` that is not known to be committed: the record before it, and when it is due.
    pub(crate) unsaved: Option<Box<(BackupRecord, Duration)>>,
    /// Since when, by this process's clock, an attempt has been looked for or an end has been settling.
    pub(crate) watching_since: Option<Duration>,
    /// A look at the task that went beside its record.
    pub(crate) look: Option<Look>,
    /// Since when YBA gives no answer about it.
    pub(crate) silence: Option<Silence>,
    /// YBA was asked to abort the task.
    pub(crate) abort_sent: bool,
    /// The surplus tasks that this holder asked YBA to abort.
    pub(crate) surplus_aborted: Vec<TaskId>,
    /// Looks, or failures, in a row: the intervals grow with it.
    pub(crate) tries: u32,
}

impl Held {
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The YBA instance: the part of the slot before the universe.
    pub(crate) fn instance(&self) -> &str {
        self.record.slot.split('/').next().unwrap_or_default()
    }
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another step at once.
    Now,
    /// Another step after this long.
    After(Duration),
    /// Nothing more to do here: it is over, or it waits in the store for whoever comes.
    Over,
    /// The lease is lost: someone else goes on.
    Lost,
}
