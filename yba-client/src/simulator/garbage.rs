//! Deletion and expiry.

use std::time::Duration;

use super::world::{Event, Instant, SimBackup, SimTask, Work, World};
use crate::{
    ids::BackupId,
    types::{BackupState, TaskState},
};

const GARBAGE_PER_RUN: usize = 10;
/// How long the files of a backup take to be removed.
const DELETION: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn queue_deletion(&mut self, backup: &BackupId, at: Instant) {
        let Some(row) = self.data.backups.get(backup) else { return };
        let members = if row.is_increment() {
            vec![backup.clone()]
        } else {
            self.data.chains.get(backup).cloned().unwrap_or_default()
        };
        for member in members {
            if let Some(row) = self.data.backups.get_mut(&member) {
                row.state = BackupState::QueuedForDeletion;
                row.updated = at;
            }
        }
    }

    /// One run of the garbage collector: what is queued is removed, what has expired is queued.
    pub(super) fn collect_garbage(&mut self, at: Instant) {
        let queued: Vec<BackupId> = self
            .data
            .backups
            .values()
            .filter(|row| row.state == BackupState::QueuedForDeletion)
            .map(|row| row.id.clone())
            .collect();
        for id in queued {
            if let Some(row) = self.data.backups.get_mut(&id) {
                row.state = BackupState::DeleteInProgress;
                row.updated = at;
            }
            self.schedule(at + DELETION, Event::Deleted(id));
        }
        let mut expired: Vec<(Instant, BackupId)> = self
            .data
            .backups
            .values()
            .filter(|row| !row.is_increment() && self.is_collectable(row, at))
            .filter_map(|row| Some((row.expiry?, row.id.clone())))
            .collect();
        expired.sort();
        for (_, id) in expired.into_iter().take(GARBAGE_PER_RUN) {
            let row = &self.data.backups[&id];
            let config = self.data.configs.get(&row.order.config).is_some_and(|c| c.active);
            if config {
                self.record_deletion(&id, at);
                self.queue_deletion(&id, at);
            } else if let Some(row) = self.data.backups.get_mut(&id) {
                row.state = BackupState::FailedToDelete;
                row.updated = at;
            }
        }
    }

    /// The files are gone, and the row with them; unless a restart came between and queued it again.
    pub(super) fn finish_deletion(&mut self, id: &BackupId) {
        if self.data.backups.get(id).is_some_and(|row| row.state == BackupState::DeleteInProgress) {
            self.delete_row(id);
        }
    }

    pub(super) fn is_collectable(&self, row: &SimBackup, at: Instant) -> bool {
        let over = matches!(
            row.state,
            BackupState::Completed | BackupState::Failed | BackupState::Stopped | BackupState::Skipped
        );
        let paused = self.data.universes.get(&row.order.universe).is_some_and(|u| u.paused);
        over && !paused && row.expiry.is_some_and(|expiry| expiry < at) && !self.is_kept(row)
    }

    /// The newest completed backups of a schedule stay, if it says so.
    pub(super) fn is_kept(&self, row: &SimBackup) -> bool {
        let Some(id) = &row.order.schedule else { return false };
        let keep = self.data.schedules.get(id).map_or(0, |schedule| schedule.keep);
        let newer = self.data.backups.values().filter(|other| {
            other.order.schedule.as_ref() == Some(id)
                && other.state == BackupState::Completed
                && other.created > row.created
        });
        row.state == BackupState::Completed && newer.count() < keep
    }

    /// The task under which YBA's own deletions appear; it targets the backup, not the universe.
    pub(super) fn record_deletion(&mut self, backup: &BackupId, at: Instant) {
        let mut task = SimTask::new(Work::Delete(backup.clone()), at);
        task.target = backup.to_string();
        task.state = TaskState::Success;
        task.completed = Some(at);
        let id = task.id.clone();
        self.data.task_order.push(id.clone());
        self.data.tasks_of.entry(task.target.clone()).or_default().push(id.clone());
        self.data.tasks.insert(id, task);
    }

    pub(super) fn delete_row(&mut self, id: &BackupId) {
        let Some(row) = self.data.backups.remove(id) else { return };
        if let Some(chain) = self.data.chains.get_mut(&row.base) {
            chain.retain(|member| member != id);
        }
        self.data.backup_of_task.remove(&row.task);
        if !row.is_increment() {
            self.data.heads.retain(|head| head != id);
            if let Some(heads) = self.data.heads_of.get_mut(&row.order.universe) {
                heads.retain(|head| head != id);
            }
        }
    }

    /// Forgets the completed tasks, as YBA does after 120 days.
    pub(super) fn collect_tasks(&mut self) {
        let open = &self.data.open_tasks;
        self.data.tasks.retain(|id, _| open.contains(id));
        let tasks = &self.data.tasks;
        self.data.task_order.retain(|id| tasks.contains_key(id));
        for list in self.data.tasks_of.values_mut() {
            list.retain(|id| tasks.contains_key(id));
        }
    }
}
