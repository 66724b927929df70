//! A YBA that is as fast as can be: it accepts every backup, and every task is done after a set time. In a process of its own.

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

/// The fake, running as a child process.
pub(crate) struct FakeYba {
    _child: Child,
    pub(crate) url: String,
}

impl FakeYba {
    /// Starts it; a task takes `task`.
    pub(crate) async fn start(task: Duration) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["fake-yba", "--task-ms", &task.as_millis().to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("a piped stdout")?).lines();
        let url = lines.next_line().await?.context("the fake YBA says where it listens")?;
        Ok(Self { _child: child, url })
    }

    /// Calls answered so far.
    pub(crate) async fn calls(&self) -> anyhow::Result<u64> {
        let count = reqwest::Client::builder()
            .build()?
            .get(format!("{}/count", self.url))
            .send()
            .await?
            .text()
            .await?;
        Ok(count.parse()?)
    }
}

#[derive(Default)]
struct World {
    tasks: Mutex<HashMap<String, Instant>>,
    calls: AtomicU64,
    task: Duration,
}

type Shared = State<Arc<World>>;

pub(crate) async fn serve(task_ms: u64) -> anyhow::Result<()> {
    let world = Arc::new(World { task: Duration::from_millis(task_ms), ..World::default() });
    let customer = "/api/v1/customers/{customer}";
    let router = Router::new()
        .route(&format!("{customer}/backups"), post(create))
        .route(&format!("{customer}/tasks/{{task}}"), get(task))
        .route(&format!("{customer}/universes/{{universe}}/backups/tasks/{{task}}"), get(backups))
        .route("/count", get(async |State(world): Shared| world.calls.load(Ordering::Relaxed).to_string()))
        .with_state(world);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    #[expect(clippy::print_stdout, reason = "the parent reads the address")]
    {
        println!("http://{}", listener.local_addr()?);
    }
    axum::serve(listener, router).await?;
    Ok(())
}

async fn create(State(world): Shared, headers: HeaderMap) -> impl IntoResponse {
    world.calls.fetch_add(1, Ordering::Relaxed);
    let id = uuid::Uuid::new_v4().to_string();
    world.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Instant::now());
    let mut echoed = HeaderMap::new();
    if let Some(request_id) = headers.get("x-request-id") {
        echoed.insert("x-request-id", request_id.clone());
    }
    (echoed, Json(json!({ "taskUUID": id, "resourceUUID": null })))
}

async fn task(State(world): Shared, Path((_, id)): Path<(String, String)>) -> Json<Value> {
    world.calls.fetch_add(1, Ordering::Relaxed);
    let born = world.tasks.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
    let done = born.is_some_and(|born| born.elapsed() >= world.task);
    Json(json!({
        "status": if done { "Success" } else { "Running" },
        "percent": if done { 100.0 } else { 0.0 },
        "title": "Creating Backup : universe",
        "createTime": "Tue Mar 25 00:00:00 UTC 2025",
        "target": "universe",
        "targetUUID": "00000000-0000-0000-0000-000000000000",
        "type": "Create",
        "abortable": true,
        "retryable": false,
        "details": { "taskDetails": [] },
    }))
}

async fn backups(
    State(world): Shared,
    Path((_, universe, task)): Path<(String, String, String)>,
) -> Json<Value> {
    world.calls.fetch_add(1, Ordering::Relaxed);
    Json(json!([{
        "backupUUID": task,
        "baseBackupUUID": task,
        "state": "Completed",
        "taskUUID": task,
        "storageConfigUUID": "storage",
        "createTime": "2025-03-25T00:00:00Z",
        "completionTime": "2025-03-25T00:00:01Z",
        "category": "YB_CONTROLLER",
        "backupInfo": { "universeUUID": universe, "backupType": "PGSQL_TABLE_TYPE" },
    }]))
}
