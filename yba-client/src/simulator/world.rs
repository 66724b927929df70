//! The simulator's state, and how time changes it.
//!
//! Nothing runs in the background. What is due happens when somebody looks: every request and every
//! inspection first lets the events that are due take place, in order, each at its own time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    clock::Clock,
    endpoint::Endpoint,
    fault::Script,
    scheduler::TICK,
    spec::{Outcome, Role, UniverseSpec},
};
use crate::{
    ids::{
        BackupId, CustomerId, PitrConfigId, RequestId, RestoreId, ScheduleId, StorageConfigId, TaskId,
        UniverseId,
    },
    types::{BackupCategory, BackupState, PitrState, RestoreState, ScheduleState, TableType, TaskState},
};

pub(super) type Instant = DateTime<Utc>;

/// Everything the simulator knows.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) data: Data,
    pub(super) scripts: HashMap<Endpoint, Vec<Script>>,
    pub(super) counts: [u64; Endpoint::COUNT],
    pub(super) log: VecDeque<super::RecordedRequest>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    sequence: u64,
}

/// What kind of YBA this is, and how it feels today.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a server")]
pub(super) struct Settings {
    pub(super) customer: CustomerId,
    pub(super) token: String,
    pub(super) version: String,
    pub(super) role: Role,
    /// The newer access model says 401 where the older says 403.
    pub(super) new_access_model: bool,
    /// Requests wait in, or are refused by, a queue per universe. Older servers let both in.
    pub(super) task_queue: bool,
    /// Tasks remember the `X-REQUEST-ID` of their request.
    pub(super) correlation: bool,
    pub(super) high_availability: bool,
    pub(super) mode: Mode,
    pub(super) task_duration: Duration,
    /// Between the acceptance of a task and its thread.
    pub(super) start_delay: Duration,
    pub(super) row_delay: Option<Duration>,
    pub(super) resume_delay: Duration,
    pub(super) task_list_limit: usize,
    pub(super) record: bool,
    pub(super) record_limit: usize,
    pub(super) storage_check: Option<(u16, String)>,
    /// Routes that YBA does not have, and a gateway in front of it may.
    pub(super) legacy_gateway: bool,
    /// E-mail and password.
    pub(super) login: (String, String),
    pub(super) token_version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Leader,
    Standby,
    Stopping,
}

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Starts(TaskId, u32),
    MakesRow(TaskId, u32),
    Ends(TaskId, u32),
    AbortEnds(TaskId, u32),
    Resumes(TaskId, u32),
    CollectsGarbage,
    Ticks,
}

const GARBAGE_INTERVAL: Duration = Duration::from_mins(15);
const GARBAGE_PER_RUN: usize = 10;
const STEPS: f64 = 8.0;

impl World {
    pub(super) fn new(settings: Settings, clock: Clock) -> Self {
        let mut world = Self {
            settings,
            clock,
            data: Data::default(),
            scripts: HashMap::new(),
            counts: [0; Endpoint::COUNT],
            log: VecDeque::new(),
            events: BinaryHeap::new(),
            sequence: 0,
        };
        let first = world.clock.now() + GARBAGE_INTERVAL;
        world.schedule(first, Event::CollectsGarbage);
        let first = world.clock.now() + TICK;
        world.schedule(first, Event::Ticks);
        world
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// Lets everything happen that is due. A standby's copy stands still.
    pub(super) fn settle(&mut self) {
        if self.settings.mode != Mode::Leader {
            return;
        }
        let now = self.now();
        while let Some(Reverse((at, ..))) = self.events.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((at, _, event))) = self.events.pop() else { break };
            self.happen(at, event);
        }
    }

    fn happen(&mut self, at: Instant, event: Event) {
        match event {
            Event::Starts(task, life) if self.lives(&task, life) => self.start(&task, at),
            Event::MakesRow(task, life) if self.lives(&task, life) => self.make_row(&task, at),
            Event::Ends(task, life) if self.lives(&task, life) => {
                let outcome = self.data.tasks[&task].outcome.clone();
                self.end(&task, &outcome, at);
            }
            Event::AbortEnds(task, life) if self.lives(&task, life) => self.aborted(&task, at),
            Event::Resumes(task, life) if self.lives(&task, life) => self.resume(&task, at),
            Event::CollectsGarbage => {
                self.collect_garbage(at);
                self.schedule(at + GARBAGE_INTERVAL, Event::CollectsGarbage);
            }
            Event::Ticks => {
                self.tick(at);
                self.schedule(at + TICK, Event::Ticks);
            }
            _ => {}
        }
    }

    fn lives(&self, task: &TaskId, life: u32) -> bool {
        self.data.tasks.get(task).is_some_and(|task| task.life == life)
    }

    // --- the life of a task ------------------------------------------------------------------

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
    fn start(&mut self, id: &TaskId, at: Instant) {
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

    fn make_row(&mut self, id: &TaskId, at: Instant) {
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

    fn unlock(&mut self, id: &TaskId) {
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

    fn finish_row(&mut self, id: &TaskId, state: &BackupState, at: Instant) {
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

    fn make_restore(&mut self, id: &TaskId, order: RestoreOrder, at: Instant) {
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

    fn finish_restore(&mut self, id: &TaskId, order: &RestoreOrder, success: bool, at: Instant) {
        let state = if success { RestoreState::Completed } else { RestoreState::Failed };
        self.set_restore_state(id, state, at);
        if success && let Some(universe) = self.data.universes.get_mut(&order.universe) {
            universe.restored.extend(order.sources.iter().map(|source| source.keyspace.clone()));
        }
    }

    fn set_restore_state(&mut self, id: &TaskId, state: RestoreState, at: Instant) {
        if let Some(row) = self.data.restores.values_mut().find(|row| row.task == *id) {
            row.completed = (state == RestoreState::Completed).then_some(at);
            row.state = state;
            row.updated = at;
        }
    }

    fn change_schedule(&mut self, change: ScheduleChange, at: Instant) {
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

    fn change_pitr(&mut self, change: PitrChange) {
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

    // --- abort -------------------------------------------------------------------------------

    pub(super) fn abort(&mut self, id: &TaskId, at: Instant) {
        let Some(task) = self.data.tasks.get_mut(id) else { return };
        task.state = TaskState::Abort;
        task.life += 1;
        let (life, unwinding) = (task.life, task.duration / 10);
        self.set_row_state(id, BackupState::Stopping, at);
        self.schedule(at + unwinding, Event::AbortEnds(id.clone(), life));
    }

    fn aborted(&mut self, id: &TaskId, at: Instant) {
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

    fn set_row_state(&mut self, id: &TaskId, state: BackupState, at: Instant) {
        let backup = self.data.backup_of_task.get(id).cloned();
        if let Some(row) = backup.and_then(|id| self.data.backups.get_mut(&id)) {
            row.state = state;
            row.updated = at;
        }
    }

    // --- YBA stops and starts ----------------------------------------------------------------

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
    fn resume(&mut self, id: &TaskId, at: Instant) {
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

    // --- deletion and expiry -----------------------------------------------------------------

    fn queue_deletion(&mut self, backup: &BackupId, at: Instant) {
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

    /// One run of the garbage collector: what is queued disappears, what has expired is queued.
    pub(super) fn collect_garbage(&mut self, at: Instant) {
        let queued: Vec<BackupId> = self
            .data
            .backups
            .values()
            .filter(|row| row.state == BackupState::QueuedForDeletion)
            .map(|row| row.id.clone())
            .collect();
        for id in queued {
            self.delete_row(&id);
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

    fn is_collectable(&self, row: &SimBackup, at: Instant) -> bool {
        let over = matches!(
            row.state,
            BackupState::Completed | BackupState::Failed | BackupState::Stopped | BackupState::Skipped
        );
        let paused = self.data.universes.get(&row.order.universe).is_some_and(|u| u.paused);
        over && !paused && row.expiry.is_some_and(|expiry| expiry < at) && !self.is_kept(row)
    }

    /// The newest completed backups of a schedule stay, if it says so.
    fn is_kept(&self, row: &SimBackup) -> bool {
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
    fn record_deletion(&mut self, backup: &BackupId, at: Instant) {
        let mut task = SimTask::new(Work::Delete(backup.clone()), at);
        task.target = backup.to_string();
        task.state = TaskState::Success;
        task.completed = Some(at);
        let id = task.id.clone();
        self.data.task_order.push(id.clone());
        self.data.tasks_of.entry(task.target.clone()).or_default().push(id.clone());
        self.data.tasks.insert(id, task);
    }

    fn delete_row(&mut self, id: &BackupId) {
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
    fn restarted(at: Instant) -> Self {
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
    fn is_resumable(&self) -> bool {
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
