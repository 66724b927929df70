//! The life of a task: accepted, started, its row made, ended; or aborted.

use serde_json::Value;

use super::{
    spec::Outcome,
    world::{
        Event, Instant, Lock, PitrChange, RestoreOrder, ScheduleChange, SimBackup, SimRestore, SimSchedule,
        SimTask, SubtaskError, Work, World, expiry,
    },
};
use crate::{
    ids::{BackupId, RestoreId, TaskId},
    types::{BackupState, PitrState, RestoreState, TaskState},
};

/// A task is told to have so many subtasks.
const STEPS: f64 = 8.0;

impl World {
    /// Accepts a task: its row exists, its thread does not run yet.
    pub(super) fn submit(&mut self, task: SimTask) -> TaskId {
        let (id, target, life) = (task.id.clone(), task.target.clone(), task.life);
        let start = task.created + self.settings.start_delay;
        self.data.task_order.push(id.clone());
        self.data.tasks_of.entry(target).or_default().push(id.clone());
        self.data.open_tasks.insert(id.clone());
        self.data.tasks.insert(id.clone(), task);
        self.schedule(start, Event::Starts(id.clone(), life));
        id
    }

    /// The task's thread begins: it locks the universe, or fails.
    pub(super) fn start(&mut self, id: &TaskId, at: Instant) {
        let (universe, task_type) = {
            let task = &self.data.tasks[id];
            (task.work.universe().cloned(), task.work.type_name().to_owned())
        };
        if let Some(universe) = universe.and_then(|id| self.data.universes.get_mut(&id)) {
            if universe.queued.as_ref() == Some(id) {
                universe.queued = None;
            }
            if let Some(holder) = universe.lock.as_ref().filter(|lock| lock.task != *id) {
                let text =
                    format!("Universe {} is already being updated by task {}", universe.id, holder.task);
                let outcome = Outcome::failure_without_row(text);
                return self.end(id, &outcome, at);
            }
            universe.lock = Some(Lock { task: id.clone(), task_type });
        }
        if let Some(text) = self.refusal_of_the_thread(id) {
            return self.end(id, &Outcome::failure_without_row(text), at);
        }
        let row_delay = self.settings.row_delay;
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        task.state = TaskState::Running;
        task.started = Some(at);
        let (life, duration) = (task.life, task.duration);
        if task.outcome.leaves_no_row() {
            self.schedule(at + duration, Event::Ends(id.clone(), life));
            return;
        }
        let never = task.outcome == Outcome::Never;
        let row = row_delay.unwrap_or(duration / 4).min(duration);
        self.schedule(at + row, Event::MakesRow(id.clone(), life));
        if !never {
            self.schedule(at + duration, Event::Ends(id.clone(), life));
        }
    }

    /// What YBA checks again, or only then, once the task runs.
    fn refusal_of_the_thread(&self, id: &TaskId) -> Option<String> {
        let order = self.data.tasks.get(id)?.work.backup()?;
        let universe = self.data.universes.get(&order.universe)?;
        if universe.paused {
            return Some(format!("Universe {} is currently paused", universe.id));
        }
        let active = self.data.configs.get(&order.config).is_some_and(|config| config.active);
        (!active).then(|| "Storage config cannot be used as it is not in Active state".to_owned())
    }

    pub(super) fn make_row(&mut self, id: &TaskId, at: Instant) {
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        task.had_row = true;
        let order = match task.work.clone() {
            Work::Backup(order) => order,
            Work::Restore(order) => return self.make_restore(id, order, at),
            _ => return,
        };
        if let Some(existing) = self.data.backup_of_task.get(id) {
            // A resumed task finds its row again.
            if let Some(row) = self.data.backups.get_mut(existing) {
                row.state = BackupState::InProgress;
                row.updated = at;
            }
            return;
        }
        let known = order.keyspaces.iter().all(|keyspace| {
            self.data.universes.get(&order.universe).is_none_or(|u| u.spec.has_keyspace(keyspace))
        });
        if !known {
            let text = "Invalid Keyspaces or no tables to backup";
            return self.end(id, &Outcome::failure_without_row(text), at);
        }
        let backup = BackupId::from(uuid::Uuid::new_v4());
        let base = order.base.clone().unwrap_or_else(|| backup.clone());
        let row = SimBackup {
            id: backup.clone(),
            base: base.clone(),
            task: id.clone(),
            state: BackupState::InProgress,
            created: at,
            updated: at,
            completed: None,
            expiry: expiry(at, order.time_before_delete),
            size: 0,
            order,
        };
        if !row.is_increment() {
            self.data.heads.push(backup.clone());
            let universe = row.order.universe.clone();
            self.data.heads_of.entry(universe).or_default().push(backup.clone());
        }
        self.data.chains.entry(base).or_default().push(backup.clone());
        self.data.backup_of_task.insert(id.clone(), backup.clone());
        self.data.backups.insert(backup, row);
    }

    /// The task's thread ends.
    pub(super) fn end(&mut self, id: &TaskId, outcome: &Outcome, at: Instant) {
        let percent = self.percent(id, at);
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        if task.completed.is_some() && task.state.is_complete() {
            return;
        }
        task.life += 1;
        task.completed = Some(at);
        let state = match outcome {
            Outcome::Success | Outcome::Never => {
                task.state = TaskState::Success;
                BackupState::Completed
            }
            Outcome::Failure { text, code, row } => {
                task.state = TaskState::Failure;
                task.frozen_percent = percent;
                task.errors.push(SubtaskError { text: text.clone(), code, preparation: !row, at });
                BackupState::Failed
            }
        };
        self.data.open_tasks.remove(id);
        self.unlock(id);
        match self.data.tasks[id].work.clone() {
            Work::Backup(_) => self.finish_row(id, &state, at),
            Work::Delete(backup) if state == BackupState::Completed => self.queue_deletion(&backup, at),
            Work::Restore(order) => self.finish_restore(id, &order, state == BackupState::Completed, at),
            Work::Schedule(change) if state == BackupState::Completed => self.change_schedule(change, at),
            Work::Pitr(_, change) if state == BackupState::Completed => self.change_pitr(change),
            _ => {}
        }
    }

    pub(super) fn unlock(&mut self, id: &TaskId) {
        let universe = self.data.tasks.get(id).and_then(|task| task.work.universe()).cloned();
        if let Some(universe) = universe.and_then(|id| self.data.universes.get_mut(&id)) {
            if universe.lock.as_ref().is_some_and(|lock| lock.task == *id) {
                universe.lock = None;
            }
            if universe.queued.as_ref() == Some(id) {
                universe.queued = None;
            }
        }
    }

    pub(super) fn finish_row(&mut self, id: &TaskId, state: &BackupState, at: Instant) {
        let Some(backup) = self.data.backup_of_task.get(id).cloned() else { return };
        let Some(row) = self.data.backups.get_mut(&backup) else { return };
        row.updated = at;
        if *state == BackupState::Completed {
            row.size = if row.is_increment() { 64 << 20 } else { 1 << 30 };
            row.completed = Some(at);
            // The life of a backup is counted from its completion.
            row.expiry = expiry(at, row.order.time_before_delete);
        }
        row.state = state.clone();
        let (base, created, is_increment) = (row.base.clone(), row.created, row.is_increment());
        if *state == BackupState::Completed
            && is_increment
            && let Some(base) = self.data.backups.get_mut(&base)
        {
            // An increment prolongs the life of its base, by the base's own measure.
            base.expiry = base.expiry.max(expiry(created, base.order.time_before_delete));
        }
    }

    /// Share of steps done, as YBA counts it.
    pub(super) fn percent(&self, id: &TaskId, now: Instant) -> f64 {
        let Some(task) = self.data.tasks.get(id) else { return 0.0 };
        match (&task.state, task.started) {
            (TaskState::Success, _) => 100.0,
            (state, _) if state.is_complete() => task.frozen_percent,
            (_, None) => 0.0,
            (_, Some(started)) => {
                let whole = task.duration.as_secs_f64().max(f64::EPSILON);
                let passed = (now - started).to_std().unwrap_or_default().as_secs_f64();
                (passed / whole * STEPS).floor().clamp(0.0, STEPS - 1.0) / STEPS * 100.0
            }
        }
    }

    /// Ends a task by hand: what it would have done before its end, it has done.
    pub(super) fn finish(&mut self, id: &TaskId, outcome: &Outcome, at: Instant) {
        let Some(task) = self.data.tasks.get(id) else { return };
        if task.state.is_complete() {
            return;
        }
        if task.state == TaskState::Created {
            self.start(id, at);
        }
        if !outcome.leaves_no_row() && !self.data.tasks[id].state.is_complete() {
            self.make_row(id, at);
        }
        self.end(id, outcome, at);
    }

    pub(super) fn make_restore(&mut self, id: &TaskId, order: RestoreOrder, at: Instant) {
        if let Some(row) = self.data.restores.values_mut().find(|row| row.task == *id) {
            row.state = RestoreState::InProgress;
            row.updated = at;
            return;
        }
        let row = SimRestore {
            id: RestoreId::from(uuid::Uuid::new_v4()),
            task: id.clone(),
            state: RestoreState::InProgress,
            created: at,
            updated: at,
            completed: None,
            order,
        };
        let taken = self.data.universes.get(&row.order.universe).and_then(|universe| {
            let known = universe.spec.keyspaces.iter().flatten().chain(&universe.restored);
            let mut wanted = row.order.sources.iter().map(|source| &source.keyspace);
            let known: Vec<&String> = known.collect();
            wanted.find(|keyspace| known.contains(keyspace)).cloned()
        });
        self.data.restores.insert(row.id.clone(), row);
        if let Some(keyspace) = taken {
            let text = format!("Restore attempting overwrite on YSQL keyspace {keyspace}.");
            self.end(id, &Outcome::failure(text), at);
        }
    }

    pub(super) fn finish_restore(&mut self, id: &TaskId, order: &RestoreOrder, success: bool, at: Instant) {
        let state = if success { RestoreState::Completed } else { RestoreState::Failed };
        self.set_restore_state(id, state, at);
        if success && let Some(universe) = self.data.universes.get_mut(&order.universe) {
            universe.restored.extend(order.sources.iter().map(|source| source.keyspace.clone()));
        }
    }

    pub(super) fn set_restore_state(&mut self, id: &TaskId, state: RestoreState, at: Instant) {
        if let Some(row) = self.data.restores.values_mut().find(|row| row.task == *id) {
            row.completed = (state == RestoreState::Completed).then_some(at);
            row.state = state;
            row.updated = at;
        }
    }

    pub(super) fn change_schedule(&mut self, change: ScheduleChange, at: Instant) {
        match change {
            ScheduleChange::Create(schedule) => {
                self.data.schedules.insert(schedule.id.clone(), *schedule);
            }
            ScheduleChange::Edit(id, body) => {
                if let Some(old) = self.data.schedules.get_mut(&id) {
                    let mut order = old.order.clone();
                    if let Some(millis) = body.get("timeBeforeDelete").and_then(Value::as_i64) {
                        order.time_before_delete = millis;
                    }
                    let new = SimSchedule::of(order, &body, at);
                    let (name, keep) = (old.name.clone(), old.keep);
                    let state = old.state.clone();
                    *old = SimSchedule { id, name, state, keep, ..new };
                }
            }
            ScheduleChange::Delete(id) => {
                self.data.schedules.remove(&id);
            }
        }
    }

    pub(super) fn change_pitr(&mut self, change: PitrChange) {
        match change {
            PitrChange::Create(row) => {
                self.data.pitr.insert(row.id.clone(), row);
            }
            PitrChange::Update { id, retention, interval } => {
                if let Some(row) = self.data.pitr.get_mut(&id) {
                    (row.retention, row.interval) = (retention, interval);
                }
            }
            PitrChange::Delete(id) => {
                self.data.pitr.remove(&id);
            }
            PitrChange::Restore(id) => {
                if let Some(row) = self.data.pitr.get_mut(&id) {
                    row.state = PitrState::Restored;
                }
            }
        }
    }
}

/// Abort.
impl World {
    pub(super) fn abort(&mut self, id: &TaskId, at: Instant) {
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        task.state = TaskState::Abort;
        task.life += 1;
        let (life, unwinding) = (task.life, task.duration / 10);
        self.set_row_state(id, BackupState::Stopping, at);
        self.schedule(at + unwinding, Event::AbortEnds(id.clone(), life));
    }

    pub(super) fn aborted(&mut self, id: &TaskId, at: Instant) {
        let percent = self.percent(id, at);
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        task.state = TaskState::Aborted;
        task.frozen_percent = percent;
        task.completed = Some(at);
        let text = "Task has been aborted".to_owned();
        task.errors.push(SubtaskError { text, code: "UNKNOWN_ERROR", preparation: false, at });
        self.data.open_tasks.remove(id);
        self.unlock(id);
        self.set_row_state(id, BackupState::Stopped, at);
        self.set_restore_state(id, RestoreState::Aborted, at);
    }

    pub(super) fn set_row_state(&mut self, id: &TaskId, state: BackupState, at: Instant) {
        let backup = self.data.backup_of_task.get(id).cloned();
        if let Some(row) = backup.and_then(|id| self.data.backups.get_mut(&id)) {
            row.state = state;
            row.updated = at;
        }
    }
}
