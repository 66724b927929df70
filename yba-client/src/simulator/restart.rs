//! YBA stops and starts, and its tasks with it.

use super::{
    spec::Outcome,
    world::{Event, Instant, Mode, SubtaskError, World},
};
use crate::{
    ids::TaskId,
    types::{BackupState, TaskState},
};

impl World {
    /// An orderly stop: running tasks are cancelled, but not marked complete.
    pub(super) fn shut_down(&mut self) {
        self.settle();
        let at = self.now();
        let open: Vec<TaskId> = self.data.open_tasks.iter().cloned().collect();
        for id in open {
            let percent = self.percent(&id, at);
            let Some(task) = self.data.tasks.get_mut(&id) else { continue };
            task.life += 1;
            task.state = TaskState::Aborted;
            task.frozen_percent = percent;
            let text = "Platform shutdown".to_owned();
            task.errors.push(SubtaskError { text, code: "PLATFORM_SHUTDOWN", preparation: false, at });
            self.set_row_state(&id, BackupState::Stopped, at);
        }
        self.settings.mode = Mode::Stopping;
    }

    /// A start (or the promotion of a standby): what was open is failed, and YBC backups are then
    /// submitted again under the same id.
    pub(super) fn start_up(&mut self) {
        self.settings.mode = Mode::Leader;
        let at = self.now();
        for row in self.data.backups.values_mut().filter(|row| row.state == BackupState::DeleteInProgress) {
            row.state = BackupState::QueuedForDeletion;
            row.updated = at;
        }
        let mut open: Vec<TaskId> = self.data.open_tasks.iter().cloned().collect();
        open.sort_by_key(|id| self.data.tasks.get(id).map(|task| task.created));
        for id in open {
            let Some(task) = self.data.tasks.get_mut(&id) else { continue };
            task.life += 1;
            if task.work.is_resumable() && task.had_row {
                if task.state != TaskState::Aborted {
                    task.state = TaskState::Failure;
                    task.errors.push(SubtaskError::restarted(at));
                }
                let life = task.life;
                self.schedule(at + self.settings.resume_delay, Event::Resumes(id.clone(), life));
            } else {
                let outcome = Outcome::Failure {
                    text: "Platform restarted.".to_owned(),
                    code: "PLATFORM_RESTARTED",
                    row: task.had_row,
                };
                task.state = TaskState::Running;
                self.end(&id, &outcome, at);
            }
        }
    }

    /// The same task runs again from the start; its subtasks, and so its errors, are made anew.
    pub(super) fn resume(&mut self, id: &TaskId, at: Instant) {
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        let universe = task.work.universe().and_then(|id| self.data.universes.get(id));
        if universe.is_some_and(|u| u.lock.as_ref().is_some_and(|lock| lock.task != *id)) {
            // Somebody else has the universe now: the task is closed as it is, its row forgotten.
            task.completed = Some(at);
            self.data.open_tasks.remove(id);
            return;
        }
        task.life += 1;
        task.errors.clear();
        task.frozen_percent = 0.0;
        self.start(id, at);
        // The row is the old one; it need not be waited for.
        self.make_row(id, at);
    }
}
