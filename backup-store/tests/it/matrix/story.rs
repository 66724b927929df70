//! The ways a backup can go when nothing goes wrong on our side. Together they take every step of the protocol.

use std::{fmt, time::Duration};

use backup_core::{BackupTarget, Settings, TrackerStatus, strategy};
use yba_client::{
    CreateBackup, RequestId, TableType, UniverseId,
    simulator::{Endpoint, Fault, Outcome, Simulator},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// A full backup.
    Full,
    /// A full backup whose task is looked at while it is recorded.
    AtOnce,
    /// An increment on a full backup.
    Increment,
    /// An increment, and YBA cannot be asked for its base at first.
    Unplanned,
    /// An increment without a base.
    NoBase,
    /// Another operation holds the universe at first.
    Busy,
    /// YBA refuses the POST.
    Refusal,
    /// The POST was carried out, and its answer is lost.
    LostAnswer,
    /// The POST never arrives.
    LostRequest,
    /// The POST hangs in a proxy, which drops the caller and delivers it all the same.
    LateRequest,
    /// YBA restarts in the middle, and resumes the task.
    Restart,
    /// The backup fails.
    Failure,
    /// YBA says success of the task, and the backup is not there.
    Divergence,
    /// It fails, is run again, and succeeds.
    RunAgain,
    /// Somebody cancels it.
    Cancel,
    /// The replica is shut down in the middle, and another one started.
    HandOver,
    /// Two batches of one universe.
    Queue,
}

impl Story {
    pub(super) const ALL: [Self; 17] = [
        Self::Full,
        Self::AtOnce,
        Self::Increment,
        Self::Unplanned,
        Self::NoBase,
        Self::Busy,
        Self::Refusal,
        Self::LostAnswer,
        Self::LostRequest,
        Self::LateRequest,
        Self::Restart,
        Self::Failure,
        Self::Divergence,
        Self::RunAgain,
        Self::Cancel,
        Self::HandOver,
        Self::Queue,
    ];

    /// Prepares YBA. The increment's base is taken past us.
    pub(super) async fn begin(self, yba: &Simulator, universe: &UniverseId) {
        match self {
            Self::Full
            | Self::AtOnce
            | Self::NoBase
            | Self::Restart
            | Self::Divergence
            | Self::HandOver
            | Self::Queue => {}
            Self::Increment | Self::Unplanned => {
                let accepted = yba.client().backups().create(&order(yba, universe), &RequestId::new()).await;
                yba.finish_task(&accepted.expect("a base").task, Outcome::Success);
                if self == Self::Unplanned {
                    yba.script(Endpoint::PageBackups, Fault::DropBeforeAcceptance);
                }
            }
            Self::Refusal => {
                let text = "Please provide time unit for backup expiry";
                yba.script(Endpoint::CreateBackup, Fault::status(400, text).always());
            }
            Self::Busy => {
                yba.lock_universe(universe, "SoftwareUpgrade");
            }
            Self::LostAnswer => yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance),
            Self::LostRequest | Self::LateRequest => {
                yba.script(Endpoint::CreateBackup, Fault::DropBeforeAcceptance);
            }
            Self::Failure | Self::RunAgain => {
                yba.fail_next_backup(universe, "S3 upload failed: access denied");
            }
            Self::Cancel => yba.hang_next_backup(universe),
        }
    }

    pub(super) fn target(self, yba: &Simulator, universe: &UniverseId) -> BackupTarget {
        let mut target = BackupTarget::new("db1", "yba", universe.as_str(), yba.storage_config().as_str());
        target.deadline = Duration::from_mins(15);
        match self {
            Self::Increment | Self::Unplanned | Self::NoBase => target.with_strategy(strategy::INCREMENTAL),
            _ => target,
        }
    }

    /// When a task is first looked at.
    pub(super) fn poll_first(self) -> Duration {
        if self == Self::AtOnce { Duration::ZERO } else { Settings::default().poll_first }
    }

    /// The steps have the names of other stories' steps, and are others: a look goes beside a write.
    pub(super) fn has_steps_of_its_own(self) -> bool {
        self == Self::AtOnce
    }

    /// How many batches are asked for at the beginning.
    pub(super) fn batches(self) -> usize {
        if self == Self::Queue { 2 } else { 1 }
    }

    /// Backups that YBA starts in all, without the base of an increment.
    pub(super) fn backups(self) -> usize {
        match self {
            Self::NoBase | Self::Refusal => 0,
            Self::RunAgain | Self::Queue => 2,
            _ => 1,
        }
    }

    /// Backups that were there before.
    pub(super) fn bases(self) -> usize {
        usize::from(matches!(self, Self::Increment | Self::Unplanned))
    }

    fn fails(self) -> bool {
        matches!(self, Self::NoBase | Self::Refusal | Self::Failure | Self::Divergence | Self::Cancel)
    }

    /// How each batch ends.
    pub(super) fn end(self) -> TrackerStatus {
        if self.fails() { TrackerStatus::Failed } else { TrackerStatus::Success }
    }

    /// Exceptions that each batch leaves.
    pub(super) fn exceptions(self) -> usize {
        usize::from(self.fails() || self == Self::RunAgain)
    }
}

/// The body of a full backup.
pub(super) fn order(yba: &Simulator, universe: &UniverseId) -> CreateBackup {
    CreateBackup::full(universe.clone(), yba.storage_config(), TableType::Ysql)
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "a full backup",
            Self::AtOnce => "a first look at once",
            Self::Increment => "an increment",
            Self::Unplanned => "an increment that cannot be planned at once",
            Self::NoBase => "an increment without a base",
            Self::Busy => "a busy universe",
            Self::Refusal => "a refused request",
            Self::LostAnswer => "a lost answer",
            Self::LostRequest => "a lost request",
            Self::LateRequest => "a request that arrives late",
            Self::Restart => "a restart of YBA",
            Self::Failure => "a failure",
            Self::Divergence => "a success without a backup",
            Self::RunAgain => "a second run",
            Self::Cancel => "a cancellation",
            Self::HandOver => "a hand-over",
            Self::Queue => "two batches of one universe",
        })
    }
}
