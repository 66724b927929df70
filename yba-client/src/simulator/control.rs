//! What a test can do to a simulator: fill it, move its clock, and let things go wrong.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{
    Simulator, SimulatorBuilder,
    clock::Clock,
    endpoint::Endpoint,
    fault::Script,
    relay::Listening,
    spec::{Outcome, Role, UniverseSpec},
    world::{Lock, Mode, Settings, SimConfig, SimTask, SimUniverse, Work, World},
};
use crate::{
    ids::{BackupId, StorageConfigId, TaskId, UniverseId},
    types::BackupState,
};

/// What is in it.
impl Simulator {
    /// Adds a universe: by name with everything on, or as specified.
    pub fn add_universe(&self, spec: impl Into<UniverseSpec>) -> UniverseId {
        let spec = spec.into();
        let id = match &spec.id {
            Some(id) => UniverseId::from(id.as_str()),
            None => UniverseId::from(uuid::Uuid::new_v4()),
        };
        self.world(|world| {
            let universe = SimUniverse {
                id: id.clone(),
                spec,
                created: world.now(),
                take_backups: true,
                paused: false,
                lock: None,
                queued: None,
                outcomes: VecDeque::new(),
                restore_outcomes: VecDeque::new(),
                restored: Vec::new(),
                started: 0,
            };
            world.data.universes.insert(id.clone(), universe);
        });
        id
    }

    /// Removes a universe. Its backups stay.
    pub fn remove_universe(&self, universe: &UniverseId) {
        self.world(|world| world.data.universes.remove(universe));
    }

    /// Adds a storage config with a random id.
    pub fn add_storage_config(&self, name: impl Into<String>) -> StorageConfigId {
        self.add_storage_config_with_id(name, uuid::Uuid::new_v4())
    }

    /// Adds a storage config with this id; need not be a UUID.
    pub fn add_storage_config_with_id(
        &self,
        name: impl Into<String>,
        id: impl Into<StorageConfigId>,
    ) -> StorageConfigId {
        let (id, name) = (id.into(), name.into());
        let config = SimConfig { id: id.clone(), name, active: true };
        self.world(|world| world.data.configs.insert(id.clone(), config));
        id
    }

    /// Queues a storage config for deletion: nothing can be written to it any more.
    pub fn retire_storage_config(&self, config: &StorageConfigId) {
        self.world(|world| {
            if let Some(config) = world.data.configs.get_mut(config) {
                config.active = false;
            }
        });
    }

    /// The live check of the storage config fails at every new backup; `None` lets it pass again.
    pub fn fail_storage_check(&self, answer: Option<(u16, &str)>) {
        let answer = answer.map(|(status, text)| (status, text.to_owned()));
        self.world(|world| world.settings.storage_check = answer);
    }

    fn edit_universe(&self, universe: &UniverseId, edit: impl FnOnce(&mut SimUniverse)) {
        self.world(|world| {
            let known = world.data.universes.get_mut(universe);
            assert!(known.is_some(), "the simulator has no universe {universe}");
            known.map(edit)
        });
    }

    /// Switches backups of a universe on or off.
    pub fn set_take_backups(&self, universe: &UniverseId, on: bool) {
        self.edit_universe(universe, |universe| universe.take_backups = on);
    }

    /// Pauses a universe, or resumes it. A paused one keeps its expired backups.
    pub fn set_paused(&self, universe: &UniverseId, paused: bool) {
        self.edit_universe(universe, |universe| universe.paused = paused);
    }

    /// Lets another operation (`SoftwareUpgrade`, `EditUniverse`) hold a universe.
    ///
    /// # Panics
    /// When there is no such universe.
    pub fn lock_universe(&self, universe: &UniverseId, task_type: &str) -> TaskId {
        let (universe, task_type) = (universe.clone(), task_type.to_owned());
        self.world(|world| {
            let now = world.now();
            let mut task = SimTask::new(Work::Other(universe.clone(), task_type.clone()), now);
            task.target = universe.to_string();
            task.outcome = Outcome::Never;
            let id = world.submit(task);
            let known = world.data.universes.get_mut(&universe);
            assert!(known.is_some(), "the simulator has no universe {universe}");
            if let Some(known) = known {
                known.lock = Some(Lock { task: id.clone(), task_type });
            }
            id
        })
    }

    /// Ends what holds a universe, if it is not a backup.
    pub fn unlock_universe(&self, universe: &UniverseId) {
        self.world(|world| {
            let lock = world.data.universes.get(universe).and_then(|u| u.lock.clone());
            let Some(Lock { task, .. }) = lock else { return };
            if matches!(world.data.tasks.get(&task).map(|t| &t.work), Some(Work::Other(..))) {
                let now = world.now();
                world.finish(&task, &Outcome::Success, now);
            }
        });
    }
}

/// Time.
impl Simulator {
    /// How long tasks take from now on.
    pub fn set_task_duration(&self, duration: Duration) {
        self.world(|world| world.settings.task_duration = duration);
    }

    /// How long the tasks of one universe take from now on.
    pub fn set_task_duration_of(&self, universe: &UniverseId, duration: Duration) {
        self.edit_universe(universe, |universe| universe.spec.task_duration = Some(duration));
    }

    /// How long a task waits for its thread: a time in which it holds the universe's queue, but not
    /// yet its lock, so that another request is refused with the queue's text. Default 0.
    pub fn set_start_delay(&self, delay: Duration) {
        self.world(|world| world.settings.start_delay = delay);
    }

    /// How long after its start a task makes its backup row. By default a quarter of its duration.
    pub fn set_row_delay(&self, delay: Duration) {
        self.world(|world| world.settings.row_delay = Some(delay));
    }

    /// How long after a start of YBA the interrupted tasks run again. Default 100 ms.
    pub fn set_resume_delay(&self, delay: Duration) {
        self.world(|world| world.settings.resume_delay = delay);
    }

    /// Moves the clock, manual or real, forward.
    pub fn advance(&self, by: Duration) {
        self.world(|world| world.clock.advance(by));
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.world(|world| world.now())
    }
}

/// What happens to tasks.
impl Simulator {
    /// The next backup of a universe that is accepted ends like this. Several calls queue up.
    pub fn plan_next_backup(&self, universe: &UniverseId, outcome: Outcome) {
        self.edit_universe(universe, |universe| universe.outcomes.push_back(outcome));
    }

    /// The next backup of a universe fails, and leaves a failed row.
    pub fn fail_next_backup(&self, universe: &UniverseId, text: &str) {
        self.plan_next_backup(universe, Outcome::failure(text));
    }

    /// The next backup of a universe fails before it has made its row.
    pub fn fail_next_backup_without_row(&self, universe: &UniverseId, text: &str) {
        self.plan_next_backup(universe, Outcome::failure_without_row(text));
    }

    /// The next backup of a universe does not end by itself.
    pub fn hang_next_backup(&self, universe: &UniverseId) {
        self.plan_next_backup(universe, Outcome::Never);
    }

    /// The next restore into a universe that is accepted ends like this. Several calls queue up.
    pub fn plan_next_restore(&self, universe: &UniverseId, outcome: Outcome) {
        self.edit_universe(universe, |universe| universe.restore_outcomes.push_back(outcome));
    }

    /// Ends a task now.
    pub fn finish_task(&self, task: &TaskId, outcome: impl Into<Outcome>) {
        let outcome = outcome.into();
        self.world(|world| {
            let now = world.now();
            world.finish(task, &outcome, now);
        });
    }

    /// Sets the state of a backup row, whatever its task says: for the rows that real servers leave
    /// `InProgress` for ever, and the like.
    pub fn set_backup_state(&self, backup: &BackupId, state: BackupState) {
        self.world(|world| {
            if let Some(row) = world.data.backups.get_mut(backup) {
                row.state = state;
            }
        });
    }

    /// Forgets all completed tasks, as YBA does after 120 days: asking for one is then a 400.
    pub fn collect_tasks(&self) {
        self.world(World::collect_tasks);
    }
}

/// What happens to the server.
impl Simulator {
    /// Orders a fault for the next matching call. Scripts of one endpoint are tried in order.
    pub fn script(&self, endpoint: Endpoint, script: impl Into<Script>) {
        self.world(|world| world.scripts.entry(endpoint).or_default().push(script.into()));
    }

    /// Forgets all faults that have not happened yet.
    pub fn clear_scripts(&self) {
        self.world(|world| world.scripts.clear());
    }

    /// Begins an orderly stop: running tasks read `Aborted`, their backups `Stopped`, and every
    /// request is answered 503.
    pub fn shut_down(&self) {
        self.world(World::shut_down);
    }

    /// Starts again after [`shut_down`](Self::shut_down): script backups fail for good; YBC backups run
    /// again under the same task id, a little later.
    pub fn start_up(&self) {
        self.world(World::start_up);
    }

    /// An orderly stop and a start.
    pub fn restart(&self) {
        self.shut_down();
        self.start_up();
    }

    /// The process dies and is started again: there was no time to mark anything `Aborted`, so
    /// interrupted tasks read `Failure`, "Platform restarted.", until they run again.
    pub fn crash_and_restart(&self) {
        self.start_up();
    }

    /// Stops listening: connections are refused, open ones are closed.
    pub async fn go_down(&self) {
        self.relay.listen(Listening::No).await;
    }

    /// Listens again, on the same port.
    pub async fn come_up(&self) {
        self.relay.listen(Listening::Yes).await;
    }

    /// Starts a standby of this one, on an address of its own: same customer and token, and a copy of
    /// everything as it is now. The copy changes only by [`sync_from`](Self::sync_from).
    ///
    /// # Panics
    /// When no port can be listened on.
    pub async fn start_standby(&self) -> Self {
        let settings = self.world(|world| {
            world.settings.high_availability = true;
            world.settings.clone()
        });
        let builder = SimulatorBuilder {
            listen: "127.0.0.1:0".to_owned(),
            manual_clock: self.world(|world| matches!(world.clock, Clock::Manual { .. })),
            settings: Settings { mode: Mode::Standby, ..settings },
        };
        let mut standby = match builder.try_start_empty().await {
            Ok(standby) => standby,
            Err(error) => panic!("the standby cannot start: {error}"),
        };
        standby.universe = self.universe();
        standby.storage_config = self.storage_config();
        standby.sync_from(self);
        standby
    }

    /// Takes over a copy of everything that another simulator knows, as a standby does now and then.
    pub fn sync_from(&self, leader: &Self) {
        let (data, clock) = leader.world(|world| (world.data.clone(), world.clock));
        self.world(|world| {
            world.data = data;
            world.clock = clock;
        });
    }

    /// Becomes a standby: writes are answered 503; reads are answered from its copy of now, which no
    /// longer changes.
    pub fn become_standby(&self) {
        self.world(|world| {
            world.settings.high_availability = true;
            world.settings.mode = Mode::Standby;
        });
    }

    /// Is promoted to leader: what its copy holds unfinished is handled as after a restart.
    pub fn become_leader(&self) {
        self.world(|world| {
            world.settings.high_availability = true;
            if world.settings.mode != Mode::Leader {
                world.start_up();
            }
        });
    }

    /// Becomes a server from before tasks remembered request ids.
    pub fn disable_correlation(&self) {
        self.world(|world| world.settings.correlation = false);
    }

    /// Gives the token's user another role.
    pub fn set_role(&self, role: Role) {
        self.world(|world| world.settings.role = role);
    }

    /// Uses the newer access model, which says 401 where the older says 403.
    pub fn use_new_access_model(&self) {
        self.world(|world| world.settings.new_access_model = true);
    }

    /// Replaces the token, as when somebody generates a new one: the old one is no longer accepted.
    pub fn rotate_token(&self) -> SecretString {
        let token = uuid::Uuid::new_v4().to_string();
        self.world(|world| world.settings.token.clone_from(&token));
        SecretString::from(token)
    }
}
