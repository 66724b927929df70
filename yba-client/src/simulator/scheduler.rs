//! YBA's own scheduler: a tick now and then that starts what is due, unless something is in the way.

use std::time::Duration;

use serde_json::Value;

use super::{
    cron::Cron,
    spec::Outcome,
    world::{BackupOrder, Instant, SimSchedule, SimTask, Work, World},
};
use crate::{
    ids::{BackupId, ScheduleId, TaskId},
    types::{BackupState, ScheduleState},
};

/// Schedules fire at ticks, not on the second.
pub(super) const TICK: Duration = Duration::from_mins(2);

impl SimSchedule {
    /// When it fires next, counted from a moment.
    pub(super) fn next_full(&self, from: Instant) -> Option<Instant> {
        match Cron::parse(&self.cron) {
            Some(cron) => cron.next(from),
            None => Some(from + Duration::from_millis(self.frequency)),
        }
    }

    fn next_increment(&self, from: Instant) -> Option<Instant> {
        (self.increment_frequency > 0).then(|| from + Duration::from_millis(self.increment_frequency))
    }

    /// Sets both timers anew.
    pub(super) fn rearm(&mut self, from: Instant) {
        self.next_full = self.next_full(from);
        self.next_increment = self.next_increment(from);
    }
}

/// What a schedule wants to do at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Full,
    Increment,
}

impl World {
    pub(super) fn tick(&mut self, at: Instant) {
        let ids: Vec<ScheduleId> = self.data.schedules.keys().cloned().collect();
        for id in ids {
            let due = self.data.schedules.get(&id).and_then(|schedule| due(schedule, at));
            if let Some(due) = due {
                self.fire(&id, due, at);
            }
        }
    }

    fn fire(&mut self, id: &ScheduleId, due: Due, at: Instant) {
        let Some(schedule) = self.data.schedules.get(id).cloned() else { return };
        let Some(universe) = self.data.universes.get(&schedule.order.universe) else {
            // Its universe is gone, and so is it.
            self.data.schedules.remove(id);
            return;
        };
        let skipped = universe.paused || !universe.take_backups;
        let blocked = universe.lock.is_some() || universe.queued.is_some();
        if skipped || blocked {
            if let Some(schedule) = self.data.schedules.get_mut(id) {
                schedule.postpone(due, at, blocked && !skipped);
            }
            return;
        }
        let base = match due {
            Due::Full => None,
            Due::Increment => match self.base_for(id) {
                Some(base) => Some(base),
                // Nothing to build on: a full backup, unless one is being made already.
                None if self.is_running(id) => return,
                None => None,
            },
        };
        let full = base.is_none();
        let task = self.start_scheduled(&schedule, base, at);
        if let Some(schedule) = self.data.schedules.get_mut(id) {
            schedule.fired(full, task, at);
        }
    }

    /// The base of the schedule's last completed backup, if that still exists.
    fn base_for(&self, id: &ScheduleId) -> Option<BackupId> {
        let rows = self.data.backups.values();
        let ours = rows.filter(|row| row.order.schedule.as_ref() == Some(id));
        let last = ours.filter(|row| row.state == BackupState::Completed).max_by_key(|row| row.created)?;
        Some(last.base.clone())
    }

    fn is_running(&self, id: &ScheduleId) -> bool {
        let open = self.data.open_tasks.iter().filter_map(|task| self.data.tasks.get(task));
        open.filter_map(|task| task.work.backup()).any(|order| order.schedule.as_ref() == Some(id))
    }

    fn start_scheduled(&mut self, schedule: &SimSchedule, base: Option<BackupId>, at: Instant) -> TaskId {
        let order = BackupOrder { base, schedule: Some(schedule.id.clone()), ..schedule.order.clone() };
        let mut task = SimTask::new(Work::Backup(order), at);
        task.type_name = Some(schedule.name.clone());
        task.target = schedule.order.universe.to_string();
        task.duration = self.settings.task_duration;
        if let Some(universe) = self.data.universes.get_mut(&schedule.order.universe) {
            task.target_name.clone_from(&universe.spec.name);
            task.duration = universe.spec.task_duration.unwrap_or(task.duration);
            task.outcome = universe.outcomes.pop_front().unwrap_or(Outcome::Success);
            universe.started += 1;
            universe.queued = Some(task.id.clone());
        }
        self.submit(task)
    }
}

fn due(schedule: &SimSchedule, at: Instant) -> Option<Due> {
    if schedule.state != ScheduleState::Active {
        return None;
    }
    let reached = |time: Option<Instant>| time.is_some_and(|time| time <= at);
    if schedule.backlog || reached(schedule.next_full) {
        Some(Due::Full)
    } else if schedule.increment_backlog || reached(schedule.next_increment) {
        Some(Due::Increment)
    } else {
        None
    }
}

impl SimSchedule {
    fn postpone(&mut self, due: Due, at: Instant, backlog: bool) {
        match due {
            Due::Full => {
                self.next_full = self.next_full(at);
                self.backlog |= backlog;
            }
            Due::Increment => {
                self.next_increment = self.next_increment(at);
                self.increment_backlog |= backlog;
            }
        }
    }

    fn fired(&mut self, full: bool, task: TaskId, at: Instant) {
        self.last_task = Some(task);
        self.last_fired = Some(at);
        self.increment_backlog = false;
        self.next_increment = self.next_increment(at);
        if full {
            self.backlog = false;
            self.next_full = self.next_full(at);
        }
    }

    /// A schedule from the body of a request whose checks have passed.
    pub(super) fn of(order: BackupOrder, body: &Value, at: Instant) -> Self {
        let number = |field: &str| body.get(field).and_then(Value::as_u64).unwrap_or(0);
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut schedule = Self {
            id: ScheduleId::from(uuid::Uuid::new_v4()),
            name: text("scheduleName"),
            order,
            state: ScheduleState::Active,
            frequency: number("schedulingFrequency"),
            frequency_unit: text("frequencyTimeUnit"),
            cron: text("cronExpression"),
            increment_frequency: number("incrementalBackupFrequency"),
            increment_unit: text("incrementalBackupFrequencyTimeUnit"),
            keep: usize::try_from(number("minNumBackupsToRetain")).unwrap_or(0),
            next_full: None,
            next_increment: None,
            backlog: false,
            increment_backlog: false,
            last_task: None,
            last_fired: None,
        };
        schedule.rearm(at);
        schedule
    }
}
