//! What a simulator saw: requests, backups, tasks.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Simulator, endpoint::Endpoint, reply::Reply, server::Incoming};
use crate::{
    ids::{BackupId, RequestId, StorageConfigId, TaskId, UniverseId},
    types::{BackupState, TaskState},
};

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
    answer: Vec<u8>,
}

/// The longest answer that is recorded, in bytes.
const RECORDED_ANSWER: usize = 16 * 1024;

/// Bytes as a test wants to see them.
fn readable(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

impl RecordedRequest {
    pub(super) fn of(incoming: &Incoming<'_>, reply: &Reply, at: DateTime<Utc>) -> Self {
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
            answer: if reply.body.len() > RECORDED_ANSWER { Vec::new() } else { reply.body.clone() },
        }
    }

    /// The body it was answered with; text when it was no JSON, `Null` when it was very long.
    pub fn answer(&self) -> Value {
        readable(&self.answer)
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
