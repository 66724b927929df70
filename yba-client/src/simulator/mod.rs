//! A stateful, faithful YugabyteDB Anywhere for tests.
//!
//! It runs in the test's own process, on wiremock, and behaves as awkwardly as the real thing: a task
//! first and the backup row later, one operation per universe, 409s that differ only by their text,
//! standbys that answer reads from an old copy, restarts after which an aborted task runs again.
//!
//! ```
//! use yba_client::{CreateBackup, RequestId, TableType, simulator::Simulator};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let yba = Simulator::builder().manual_clock().start().await;
//! let order = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql);
//! let accepted = yba.client().backups().create(&order, &RequestId::new()).await?;
//!
//! yba.advance(std::time::Duration::from_secs(60));
//! let task = yba.client().tasks().get(&accepted.task).await?;
//! assert!(task.status.is_complete());
//! assert_eq!(yba.backups_started(&yba.universe()), 1);
//! # Ok::<(), yba_client::Error>(()) }).unwrap();
//! ```

mod clock;
mod cron;
mod endpoint;
mod fault;
mod handlers;
mod relay;
mod reply;
mod scheduler;
mod server;
mod spec;
mod wire;
mod world;

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;

use self::{
    clock::Clock,
    relay::{Listening, Relay},
    reply::Reply,
    server::{Incoming, Responder},
    world::{Lock, Mode, Settings, SimConfig, SimTask, SimUniverse, Work, World},
};
pub use self::{
    endpoint::Endpoint,
    fault::{Fault, Script},
    spec::{Outcome, Role, UniverseSpec},
};
use crate::{
    Proxy, YbaClient,
    ids::{BackupId, CustomerId, RequestId, StorageConfigId, TaskId, UniverseId},
    types::{BackupState, TaskState},
};

/// A running simulator. It stops when dropped.
pub struct Simulator {
    responder: Responder,
    relay: Relay,
    universe: UniverseId,
    storage_config: StorageConfigId,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Settings of a simulator that must be known before it starts.
#[derive(Debug)]
#[must_use]
pub struct SimulatorBuilder {
    listen: String,
    manual_clock: bool,
    settings: Settings,
}

impl SimulatorBuilder {
    /// The address to listen on. By default a free port of `127.0.0.1`.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Time stands still except for [`Simulator::advance`].
    pub fn manual_clock(mut self) -> Self {
        self.manual_clock = true;
        self
    }

    /// The customer's id, instead of a random one.
    pub fn customer(mut self, customer: impl Into<CustomerId>) -> Self {
        self.settings.customer = customer.into();
        self
    }

    /// The token, instead of a random one.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into();
        self
    }

    /// How long tasks take. Default 200 ms.
    pub fn task_duration(mut self, duration: Duration) -> Self {
        self.settings.task_duration = duration;
        self
    }

    /// Whether requests are recorded. On by default; counts are always kept.
    pub fn record_requests(mut self, on: bool) -> Self {
        self.settings.record = on;
        self
    }

    /// A server without a task queue: two requests at the same moment are both accepted, and the
    /// loser's task fails without a backup row.
    pub fn without_task_queue(mut self) -> Self {
        self.settings.task_queue = false;
        self.settings.start_delay = Duration::from_millis(50);
        self
    }

    /// Adds what a gateway in front of YBA may offer and YBA itself does not: `POST ~/backups/incremental`
    /// and `GET ~/backups` (an array, with `limit`, `direction` and `universeUUID`).
    pub fn legacy_gateway(mut self) -> Self {
        self.settings.legacy_gateway = true;
        self
    }

    /// The e-mail and password it accepts. Default `admin@example.com` and `password`.
    pub fn login(mut self, email: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.login = (email.into(), password.into());
        self
    }

    /// High availability is configured, and this is the leader.
    pub fn high_availability(mut self) -> Self {
        self.settings.high_availability = true;
        self
    }

    /// The version it reports.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Starts it, with one universe and one storage config.
    ///
    /// # Panics
    /// When it cannot listen. See [`try_start`](Self::try_start).
    pub async fn start(self) -> Simulator {
        match self.try_start().await {
            Ok(simulator) => simulator,
            Err(error) => panic!("the simulator cannot start: {error}"),
        }
    }

    /// Starts it, with one universe and one storage config.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn try_start(self) -> std::io::Result<Simulator> {
        let mut simulator = self.try_start_empty().await?;
        simulator.universe = simulator.add_universe("universe-1");
        simulator.storage_config = simulator.add_storage_config("s3");
        Ok(simulator)
    }

    async fn try_start_empty(self) -> std::io::Result<Simulator> {
        let listener = TcpListener::bind(&self.listen)?;
        let clock = if self.manual_clock { Clock::manual() } else { Clock::Real { ahead: Duration::ZERO } };
        let world = World::new(self.settings, clock);
        let responder = Responder(Arc::new(Mutex::new(world)));
        let relay = Relay::start(listener, responder.clone()).await?;
        Ok(Simulator {
            responder,
            relay,
            universe: UniverseId::from(""),
            storage_config: StorageConfigId::from(""),
        })
    }
}

impl Default for SimulatorBuilder {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            manual_clock: false,
            settings: Settings {
                customer: CustomerId::from(uuid::Uuid::new_v4()),
                token: uuid::Uuid::new_v4().to_string(),
                version: "2024.2.0.0-b145".to_owned(),
                role: Role::Admin,
                new_access_model: false,
                task_queue: true,
                correlation: true,
                high_availability: false,
                mode: Mode::Leader,
                task_duration: Duration::from_millis(200),
                start_delay: Duration::ZERO,
                row_delay: None,
                resume_delay: Duration::from_millis(100),
                task_list_limit: 2000,
                record: true,
                record_limit: 10_000,
                storage_check: None,
                legacy_gateway: false,
                login: ("admin@example.com".to_owned(), "password".to_owned()),
                token_version: 1,
            },
        }
    }
}

/// A request that reached the simulator.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// When, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Which call it was.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, as written.
    pub query: Option<String>,
    /// Its headers in lower case, **without** the token.
    pub headers: Vec<(String, String)>,
    /// Its body; `Null` when there was none, text when it was no JSON.
    pub body: Value,
    /// The status it was answered with, had the connection lived to see it.
    pub status: u16,
    /// The body it was answered with; text when it was no JSON, `Null` when it was very long.
    pub answer: Value,
}

/// The longest answer that is recorded, in bytes.
const RECORDED_ANSWER: usize = 64 * 1024;

/// Bytes as a test wants to see them.
fn readable(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

impl RecordedRequest {
    fn of(incoming: &Incoming<'_>, reply: &Reply, at: DateTime<Utc>) -> Self {
        let request = incoming.request;
        let headers = request
            .headers
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with("x-auth-"))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Self {
            at,
            endpoint: incoming.route.endpoint,
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query().map(str::to_owned),
            headers,
            body: readable(&request.body),
            status: reply.status,
            answer: if reply.body.len() > RECORDED_ANSWER { Value::Null } else { readable(&reply.body) },
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A backup row, as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BackupSnapshot {
    /// The backup.
    pub id: BackupId,
    /// The full backup of its chain.
    pub base: BackupId,
    /// The task that made it.
    pub task: TaskId,
    /// Its universe.
    pub universe: UniverseId,
    /// Where it was written.
    pub storage_config: StorageConfigId,
    /// Where it stands.
    pub state: BackupState,
    /// When its row was made.
    pub created: DateTime<Utc>,
    /// When it expires.
    pub expiry: Option<DateTime<Utc>>,
    /// The keyspaces asked for; empty for all.
    pub keyspaces: Vec<String>,
    /// The request as it came.
    pub request: Value,
}

/// A task, as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskSnapshot {
    /// The task.
    pub id: TaskId,
    /// Its type, such as `CreateBackup`.
    pub task_type: String,
    /// The id of what it works on.
    pub target: String,
    /// Where it stands.
    pub state: TaskState,
    /// The request id it remembers.
    pub correlation_id: Option<RequestId>,
    /// When it was accepted.
    pub created: DateTime<Utc>,
    /// When it ended.
    pub completed: Option<DateTime<Utc>>,
}

impl Simulator {
    /// Starts a simulator with the defaults, on a free port of `127.0.0.1`.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Prepares a simulator.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// Everything below works on the world as it is now.
    fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.responder.lock();
        world.settle();
        let result = work(&mut world);
        world.settle();
        result
    }

    // --- how to reach it ---------------------------------------------------------------------

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.relay.address)
    }

    /// Its customer.
    pub fn customer(&self) -> CustomerId {
        self.world(|world| world.settings.customer.clone())
    }

    /// The token it accepts.
    pub fn token(&self) -> SecretString {
        self.world(|world| SecretString::from(world.settings.token.clone()))
    }

    /// A client for it.
    ///
    /// # Panics
    /// When customer or token were set to something no client can send.
    pub fn client(&self) -> YbaClient {
        let client = YbaClient::builder(self.url())
            .customer(self.customer())
            .token(self.token())
            .proxy(Proxy::None)
            .build();
        match client {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// The universe that is there from the start.
    pub fn universe(&self) -> UniverseId {
        self.universe.clone()
    }

    /// The storage config that is there from the start.
    pub fn storage_config(&self) -> StorageConfigId {
        self.storage_config.clone()
    }

    // --- what is in it -----------------------------------------------------------------------

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

    // --- time --------------------------------------------------------------------------------

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

    // --- what happens to tasks ---------------------------------------------------------------

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

    // --- what happens to the server ----------------------------------------------------------

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

    // --- what it saw -------------------------------------------------------------------------

    /// The backup rows, oldest first.
    pub fn backups(&self) -> Vec<BackupSnapshot> {
        self.world(|world| {
            let mut rows: Vec<BackupSnapshot> = world
                .data
                .backups
                .values()
                .map(|row| BackupSnapshot {
                    id: row.id.clone(),
                    base: row.base.clone(),
                    task: row.task.clone(),
                    universe: row.order.universe.clone(),
                    storage_config: row.order.config.clone(),
                    state: row.state.clone(),
                    created: row.created,
                    expiry: row.expiry,
                    keyspaces: row.order.keyspaces.clone(),
                    request: row.order.body.clone(),
                })
                .collect();
            rows.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
            rows
        })
    }

    /// The tasks, oldest first.
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        self.world(|world| {
            let tasks = world.data.task_order.iter().filter_map(|id| world.data.tasks.get(id));
            tasks
                .map(|task| TaskSnapshot {
                    id: task.id.clone(),
                    task_type: task.work.type_name().to_owned(),
                    target: task.target.clone(),
                    state: task.state.clone(),
                    correlation_id: task.correlation.clone(),
                    created: task.created,
                    completed: task.completed,
                })
                .collect()
        })
    }

    /// The last 10 000 requests, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.world(|world| world.log.iter().cloned().collect())
    }

    /// The recorded requests to one endpoint, oldest first.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.endpoint == endpoint);
        requests
    }

    /// How many requests one endpoint has received.
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        self.world(|world| world.counts[endpoint as usize])
    }

    /// How many requests it has received.
    pub fn total_count(&self) -> u64 {
        self.world(|world| world.counts.iter().sum())
    }

    /// Forgets the recorded requests and their counts.
    pub fn forget_requests(&self) {
        self.world(|world| {
            world.log.clear();
            world.counts = [0; Endpoint::COUNT];
        });
    }

    /// Switches the recording of requests on or off.
    pub fn record_requests(&self, on: bool) {
        self.world(|world| world.settings.record = on);
    }

    /// How many backups of a universe were accepted.
    pub fn backups_started(&self, universe: &UniverseId) -> usize {
        self.world(|world| world.data.universes.get(universe).map_or(0, |u| u.started))
    }
}
