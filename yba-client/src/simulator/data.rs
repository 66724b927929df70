//! The rows of the simulator's database.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use serde_json::Value;

use super::{
    spec::{Outcome, UniverseSpec},
    world::{Instant, World},
};
use crate::{
    ids::{BackupId, PitrConfigId, RequestId, RestoreId, ScheduleId, StorageConfigId, TaskId, UniverseId},
    types::{BackupCategory, BackupState, PitrState, RestoreState, ScheduleState, TableType, TaskState},
};

/// The database: what a standby has an old copy of.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    pub(super) universes: BTreeMap<UniverseId, SimUniverse>,
    pub(super) configs: BTreeMap<StorageConfigId, SimConfig>,
    pub(super) tasks: HashMap<TaskId, SimTask>,
    /// Every task ever, oldest first; some may have been collected.
    pub(super) task_order: Vec<TaskId>,
    pub(super) tasks_of: HashMap<String, Vec<TaskId>>,
    pub(super) open_tasks: HashSet<TaskId>,
    pub(super) backups: HashMap<BackupId, SimBackup>,
    pub(super) backup_of_task: HashMap<TaskId, BackupId>,
    /// Members of each chain, oldest first, the full backup being the first.
    pub(super) chains: HashMap<BackupId, Vec<BackupId>>,
    /// Full backups, oldest first; some may have been deleted.
    pub(super) heads: Vec<BackupId>,
    pub(super) heads_of: HashMap<UniverseId, Vec<BackupId>>,
    pub(super) schedules: BTreeMap<ScheduleId, SimSchedule>,
    pub(super) restores: BTreeMap<RestoreId, SimRestore>,
    pub(super) pitr: BTreeMap<PitrConfigId, SimPitr>,
}

#[derive(Clone, Debug)]
pub(super) struct SimSchedule {
    pub(super) id: ScheduleId,
    pub(super) name: String,
    pub(super) order: BackupOrder,
    pub(super) state: ScheduleState,
    /// Milliseconds; 0 with cron.
    pub(super) frequency: u64,
    pub(super) frequency_unit: String,
    pub(super) cron: String,
    /// Milliseconds; 0 for none.
    pub(super) increment_frequency: u64,
    pub(super) increment_unit: String,
    /// So many completed backups stay even when they have expired.
    pub(super) keep: usize,
    pub(super) next_full: Option<Instant>,
    pub(super) next_increment: Option<Instant>,
    pub(super) backlog: bool,
    pub(super) increment_backlog: bool,
    pub(super) last_task: Option<TaskId>,
    pub(super) last_fired: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) struct SimRestore {
    pub(super) id: RestoreId,
    pub(super) task: TaskId,
    pub(super) order: RestoreOrder,
    pub(super) state: RestoreState,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    pub(super) completed: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) struct SimPitr {
    pub(super) id: PitrConfigId,
    pub(super) universe: UniverseId,
    pub(super) name: Option<String>,
    pub(super) keyspace: String,
    pub(super) table_type: TableType,
    pub(super) state: PitrState,
    pub(super) retention: u64,
    pub(super) interval: u64,
    pub(super) created: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct SimUniverse {
    pub(super) id: UniverseId,
    pub(super) spec: UniverseSpec,
    pub(super) created: Instant,
    pub(super) take_backups: bool,
    pub(super) paused: bool,
    pub(super) lock: Option<Lock>,
    /// The accepted task whose thread has not locked the universe yet.
    pub(super) queued: Option<TaskId>,
    pub(super) outcomes: VecDeque<Outcome>,
    pub(super) restore_outcomes: VecDeque<Outcome>,
    /// Keyspaces that restores have made.
    pub(super) restored: Vec<String>,
    pub(super) started: usize,
}

impl SimUniverse {
    /// The type of the task that holds the universe or stands first in its queue.
    pub(super) fn holder_type(&self, world: &World) -> Option<String> {
        let queued = || {
            let task = world.data.tasks.get(self.queued.as_ref()?)?;
            Some(task.work.type_name().to_owned())
        };
        self.lock.as_ref().map(|lock| lock.task_type.clone()).or_else(queued)
    }

    pub(super) fn known_keyspaces(&self) -> Vec<String> {
        let mut names = self.spec.keyspaces.clone().unwrap_or_else(|| vec!["yugabyte".to_owned()]);
        names.extend(self.restored.iter().cloned());
        names
    }
}

/// Who holds a universe.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    pub(super) task: TaskId,
    pub(super) task_type: String,
}

#[derive(Clone, Debug)]
pub(super) struct SimConfig {
    pub(super) id: StorageConfigId,
    pub(super) name: String,
    pub(super) active: bool,
}

#[derive(Clone, Debug)]
pub(super) struct SimTask {
    pub(super) id: TaskId,
    pub(super) work: Work,
    /// What the task list calls the target (`Backup`) and the task (`Create`).
    pub(super) target_type: &'static str,
    pub(super) type_: &'static str,
    /// Where it is not the same as the type: a schedule's name.
    pub(super) type_name: Option<String>,
    pub(super) target_name: String,
    pub(super) target: String,
    pub(super) state: TaskState,
    pub(super) created: Instant,
    pub(super) started: Option<Instant>,
    pub(super) completed: Option<Instant>,
    pub(super) duration: Duration,
    pub(super) correlation: Option<RequestId>,
    pub(super) outcome: Outcome,
    pub(super) errors: Vec<SubtaskError>,
    /// Percent at which a failed task froze.
    pub(super) frozen_percent: f64,
    pub(super) had_row: bool,
    /// Events made for an earlier life of the task no longer count.
    pub(super) life: u32,
}

/// What a task does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Backup(BackupOrder),
    Delete(BackupId),
    Restore(RestoreOrder),
    Schedule(ScheduleChange),
    Pitr(UniverseId, PitrChange),
    /// Something that only holds the lock: an upgrade, an edit.
    Other(UniverseId, String),
}

/// An accepted request for a restore.
#[derive(Clone, Debug)]
pub(super) struct RestoreOrder {
    pub(super) universe: UniverseId,
    pub(super) sources: Vec<RestoreKeyspaceOrder>,
    /// By YB-Controller, so it survives a restart of YBA.
    pub(super) ybc: bool,
}

#[derive(Clone, Debug)]
pub(super) struct RestoreKeyspaceOrder {
    pub(super) keyspace: String,
    pub(super) location: String,
    pub(super) table_type: TableType,
}

/// An accepted change to a schedule.
#[derive(Clone, Debug)]
pub(super) enum ScheduleChange {
    Create(Box<SimSchedule>),
    Edit(ScheduleId, Value),
    Delete(ScheduleId),
}

/// An accepted change to point-in-time recovery.
#[derive(Clone, Debug)]
pub(super) enum PitrChange {
    Create(SimPitr),
    Update { id: PitrConfigId, retention: u64, interval: u64 },
    Delete(PitrConfigId),
    Restore(PitrConfigId),
}

impl PitrChange {
    pub(super) fn task_type(&self) -> &'static str {
        match self {
            Self::Create(_) => "CreatePitrConfig",
            Self::Update { .. } => "UpdatePitrConfig",
            Self::Delete(_) => "DeletePitrConfig",
            Self::Restore(_) => "RestoreSnapshotSchedule",
        }
    }
}

/// An accepted request for a backup.
#[derive(Clone, Debug)]
pub(super) struct BackupOrder {
    pub(super) universe: UniverseId,
    pub(super) config: StorageConfigId,
    pub(super) table_type: TableType,
    pub(super) category: BackupCategory,
    pub(super) keyspaces: Vec<String>,
    pub(super) base: Option<BackupId>,
    pub(super) time_before_delete: i64,
    pub(super) expiry_time_unit: Option<String>,
    pub(super) schedule: Option<ScheduleId>,
    pub(super) body: Value,
}

#[derive(Clone, Debug)]
pub(super) struct SubtaskError {
    pub(super) text: String,
    pub(super) code: &'static str,
    pub(super) preparation: bool,
    pub(super) at: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct SimBackup {
    pub(super) id: BackupId,
    pub(super) base: BackupId,
    pub(super) task: TaskId,
    pub(super) order: BackupOrder,
    pub(super) state: BackupState,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    pub(super) completed: Option<Instant>,
    pub(super) expiry: Option<Instant>,
    pub(super) size: i64,
}

impl SimBackup {
    pub(super) fn is_increment(&self) -> bool {
        self.id != self.base
    }
}

impl SimTask {
    pub(super) fn new(work: Work, at: Instant) -> Self {
        let (target_type, type_) = match &work {
            Work::Backup(_) => ("Backup", "Create"),
            Work::Delete(_) => ("Backup", "Delete"),
            Work::Restore(_) => ("Universe", "Restore"),
            Work::Schedule(ScheduleChange::Create(_)) => ("Schedule", "Create"),
            Work::Schedule(ScheduleChange::Edit(..)) => ("Schedule", "Update"),
            Work::Schedule(ScheduleChange::Delete(_)) => ("Schedule", "Delete"),
            Work::Pitr(_, PitrChange::Create(_)) => ("Universe", "CreatePitrConfig"),
            Work::Pitr(_, PitrChange::Update { .. }) => ("Universe", "UpdatePitrConfig"),
            Work::Pitr(_, PitrChange::Delete(_)) => ("Universe", "DeletePitrConfig"),
            Work::Pitr(_, PitrChange::Restore(_)) => ("Universe", "RestoreSnapshotSchedule"),
            Work::Other(..) => ("Universe", "Update"),
        };
        Self {
            id: TaskId::from(uuid::Uuid::new_v4()),
            work,
            target_type,
            type_,
            type_name: None,
            target_name: String::new(),
            target: String::new(),
            state: TaskState::Created,
            created: at,
            started: None,
            completed: None,
            duration: Duration::ZERO,
            correlation: None,
            outcome: Outcome::Success,
            errors: Vec::new(),
            frozen_percent: 0.0,
            had_row: false,
            life: 0,
        }
    }
}

impl SubtaskError {
    pub(super) fn restarted(at: Instant) -> Self {
        let text = "Platform restarted.".to_owned();
        Self { text, code: "PLATFORM_RESTARTED", preparation: false, at }
    }
}

impl Work {
    /// The universe that the task locks.
    pub(super) fn universe(&self) -> Option<&UniverseId> {
        match self {
            Self::Backup(order) => Some(&order.universe),
            Self::Restore(order) => Some(&order.universe),
            Self::Other(universe, _) | Self::Pitr(universe, _) => Some(universe),
            Self::Delete(_) | Self::Schedule(_) => None,
        }
    }

    pub(super) fn backup(&self) -> Option<&BackupOrder> {
        match self {
            Self::Backup(order) => Some(order),
            _ => None,
        }
    }

    pub(super) fn type_name(&self) -> &str {
        match self {
            Self::Backup(_) => "CreateBackup",
            Self::Delete(_) => "DeleteBackupYb",
            Self::Restore(_) => "RestoreBackup",
            Self::Schedule(ScheduleChange::Create(_)) => "CreateBackupSchedule",
            Self::Schedule(ScheduleChange::Edit(..)) => "EditBackupSchedule",
            Self::Schedule(ScheduleChange::Delete(_)) => "DeleteBackupSchedule",
            Self::Pitr(_, change) => change.task_type(),
            Self::Other(_, name) => name,
        }
    }

    /// The type of the subtask that does the work.
    pub(super) fn subtask(&self) -> &str {
        match self {
            Self::Backup(_) => "BackupTableYbc",
            Self::Restore(_) => "RestoreBackupYbc",
            other => other.type_name(),
        }
    }

    /// After a restart of YBA the task runs again.
    pub(super) fn is_resumable(&self) -> bool {
        match self {
            Self::Backup(order) => order.category == BackupCategory::YbController,
            Self::Restore(order) => order.ybc,
            _ => false,
        }
    }
}

/// When a backup made (or completed) at `from` expires; never for a life of 0.
pub(super) fn expiry(from: Instant, time_before_delete: i64) -> Option<Instant> {
    (time_before_delete > 0)
        .then(|| from.checked_add_signed(chrono::TimeDelta::milliseconds(time_before_delete)))?
}
