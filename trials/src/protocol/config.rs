//! How large the world is, what may go wrong in it, and how the protocol may be broken on purpose.

use clap::{Args, ValueEnum};

/// The bounds of one check.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Config {
    /// Replicas of the service.
    #[arg(long, default_value_t = 2)]
    pub replicas: usize,
    /// POSTs of the batch, at most, over all its runs.
    #[arg(long, default_value_t = 3)]
    pub attempts: usize,
    /// What may go wrong.
    #[command(flatten)]
    pub faults: Faults,
    /// Breaks the protocol on purpose.
    #[arg(long, value_enum)]
    pub breakage: Option<Breakage>,
}

/// How often each fault may happen, in any order and at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Args)]
pub struct Faults {
    /// SIGKILL; the process is started again.
    #[arg(long, default_value_t = 1)]
    pub kills: u8,
    /// SIGSTOP, and SIGCONT at any later moment.
    #[arg(long, default_value_t = 1)]
    pub stops: u8,
    /// An answer of YBA to a POST does not reach its sender.
    #[arg(long, default_value_t = 1)]
    pub lost_answers: u8,
    /// A POST takes longer than the settling time.
    #[arg(long, default_value_t = 1)]
    pub late_posts: u8,
    /// A task fails.
    #[arg(long, default_value_t = 1)]
    pub failures: u8,
    /// The deadline passes while a task runs.
    #[arg(long, default_value_t = 0)]
    pub deadlines: u8,
    /// A failed batch is run again.
    #[arg(long, default_value_t = 1)]
    pub reruns: u8,
}

/// A part of the protocol that is left out, or done in the wrong order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Breakage {
    /// What a look-up does not find is posted again at once.
    NoSettling,
    /// What was sent without an answer is posted again without a look-up.
    BlindRepost,
    /// A write is not refused when its lease is lost.
    NoFence,
    /// The audit's writes are not refused when the batch was opened again meanwhile.
    UnfencedAudit,
    /// Nobody audits.
    NoAudit,
    /// The audit is over after one look.
    AuditOnce,
    /// Batches are audited before they are over.
    AuditOpenBatches,
    /// A surplus is aborted first and recorded then.
    AbortBeforeRecord,
    /// A process that lost its lease aborts what it started late although the batch failed, and may be run again.
    AbortOfAFailedBatch,
    /// A batch that found one of its tasks forgets its other attempts.
    AdoptionForgets,
    /// A request is sent before its attempt is recorded.
    SendBeforeRecord,
}

impl Config {
    /// Whether the protocol is broken in this way.
    pub fn has(&self, breakage: Breakage) -> bool {
        self.breakage == Some(breakage)
    }
}
