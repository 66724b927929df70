//! The states of a batch and the legal ways between them: one pure table.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the path.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the tables.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value with this word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// Where on the path a batch is.
    Phase {
        /// Recorded; nothing was sent to YBA.
        Planned = "PLANNED",
        /// Nothing is under way at YBA: the universe is busy, or YBA cannot be reached, or it is not yet due.
        Waiting = "WAITING",
        /// An attempt is recorded and may have been sent; its task is not known.
        Submitting = "SUBMITTING",
        /// The task is known and open.
        Running = "RUNNING",
        /// The task ended in a way that may not last, or disagrees with the backup.
        Settling = "SETTLING",
        /// Over. See [`TrackerStatus`].
        Done = "DONE",
    }
);

words!(
    /// The tracker's `backup_status`.
    TrackerStatus {
        /// Not over.
        InProgress = "IN_PROGRESS",
        /// The task is `Success` and the backup is `Completed`.
        Success = "SUCCESS",
        /// Over, without a backup that counts.
        Failed = "FAILED",
    }
);

words!(
    /// The batch's `status`.
    BatchStatus {
        /// Not over.
        InProgress = "IN_PROGRESS",
        /// The backup exists.
        Completed = "COMPLETED",
        /// It does not, or nobody knows.
        Failed = "FAILED",
    }
);

impl Phase {
    /// The legal next phases. A phase may always be saved again as itself, except [`Phase::Done`].
    ///
    /// `Done` leads back only for a batch that failed and is run again.
    pub fn next(self) -> &'static [Phase] {
        use Phase::{Done, Planned, Running, Settling, Submitting, Waiting};
        match self {
            // From waiting to waiting: its time has not come. To running: the task of a lost attempt was found.
            Planned | Waiting => &[Waiting, Submitting, Running, Done],
            // Submitting again is a further attempt; waiting again is a busy universe or an unsent request.
            Submitting => &[Submitting, Waiting, Running, Done],
            // Back to waiting: the task lost the race for the universe's lock, and there is no backup.
            Running => &[Settling, Waiting, Done],
            // Back to running: a restarted YBA resumed the task under the same id.
            Settling => &[Running, Waiting, Done],
            Done => &[Planned],
        }
    }

    /// Whether the batch holds its universe's slot while in this phase.
    pub fn holds_slot(self) -> bool {
        matches!(self, Phase::Submitting | Phase::Running | Phase::Settling)
    }
}

impl From<TrackerStatus> for BatchStatus {
    fn from(status: TrackerStatus) -> Self {
        match status {
            TrackerStatus::InProgress => Self::InProgress,
            TrackerStatus::Success => Self::Completed,
            TrackerStatus::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_again() {
        assert!(Phase::ALL.iter().all(|phase| Phase::parse(phase.as_str()) == Some(*phase)));
        assert!(
            TrackerStatus::ALL.iter().all(|status| TrackerStatus::parse(status.as_str()) == Some(*status))
        );
        assert!(BatchStatus::ALL.iter().all(|status| BatchStatus::parse(status.as_str()) == Some(*status)));
    }

    #[test]
    fn every_open_phase_can_reach_the_end() {
        for phase in Phase::ALL.iter().filter(|phase| **phase != Phase::Done) {
            assert!(phase.next().contains(&Phase::Done), "{phase} has no way out");
        }
    }

    #[test]
    fn only_a_batch_that_failed_is_run_again() {
        assert_eq!(Phase::Done.next(), [Phase::Planned]);
    }
}
