//! What a test talks to: a service in a hurry, on a simulated YBA or on a scripted one.

use std::{
    fmt::Debug,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{
        HeaderMap, HeaderValue, Method, Request,
        header::{CONTENT_TYPE, HOST},
    },
};
use backup_core::{
    BackupStrategy, BackupTarget, ConfigResolver, FixedTargets, IncompleteTarget, Orchestrator,
    OrchestratorBuilder, Settings, SystemClock, TrackingStore,
    strategy::{FullBackup, IncrementalBackup, YbaInstances},
    testing::{InMemoryStore, ScriptedStrategy, fixtures},
};
use backup_http::{AppState, Meters, ServerConfig, router, serve};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use yba_client::simulator::Simulator;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A service without a port.
pub(crate) struct TestApp {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) store: Arc<InMemoryStore>,
    pub(crate) state: AppState,
    router: Router,
}

/// What goes into a service.
pub(crate) struct Parts {
    pub(crate) config: ServerConfig,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<InMemoryStore>,
    pub(crate) builder: OrchestratorBuilder,
}

impl Parts {
    pub(crate) fn new(resolver: impl ConfigResolver) -> Self {
        capture_logs();
        let mut config = ServerConfig::default();
        config.wait_timeout = PATIENCE;
        Self {
            config,
            settings: in_a_hurry(),
            store: Arc::new(InMemoryStore::new(Arc::new(SystemClock::new()))),
            builder: Orchestrator::builder().resolver(resolver),
        }
    }

    pub(crate) fn strategy(mut self, strategy: impl BackupStrategy) -> Self {
        self.builder = self.builder.strategy(strategy);
        self
    }

    pub(crate) fn config(mut self, adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        adjust(&mut self.config);
        self
    }

    pub(crate) fn settings(mut self, adjust: impl FnOnce(&mut Settings)) -> Self {
        adjust(&mut self.settings);
        self
    }

    pub(crate) fn start(self) -> TestApp {
        let store = Arc::clone(&self.store);
        self.start_on(store)
    }

    /// On another store than the one in memory.
    pub(crate) fn start_on(self, store: Arc<dyn TrackingStore>) -> TestApp {
        let builder = self.builder.store(store).settings(self.settings);
        let orchestrator = builder.start().expect("it can be built");
        let state = AppState::with_meters(orchestrator.clone(), self.config, meters());
        TestApp { orchestrator, store: self.store, router: router(state.clone()), state }
    }
}

/// A service whose YBA answers what a test says.
pub(crate) fn scripted(yba: &ScriptedStrategy) -> Parts {
    let half = IncompleteTarget {
        key: "half".into(),
        category_codes: vec!["HALF_SET".into()],
        missing: vec!["api-token".into(), "universe-uuid".into()],
    };
    let targets = FixedTargets::new([fixtures::target()], [half]).expect("no clash");
    Parts::new(targets).strategy(yba.clone())
}

/// A service on a simulated YBA: `db1` is a full target, `db2` an incremental one of the same universe.
pub(crate) fn simulated(yba: &Simulator) -> Parts {
    let targets = [target(yba, "db1", "full_backup"), target(yba, "db2", "incremental_backup")];
    on_simulator(yba, targets)
}

pub(crate) fn target(yba: &Simulator, key: &str, strategy: &str) -> BackupTarget {
    BackupTarget::new(key, "yba", yba.universe().as_str(), yba.storage_config().as_str())
        .with_strategy(strategy)
        .with_category_code(format!("{key}_CODE"))
}

pub(crate) fn on_simulator(yba: &Simulator, targets: impl IntoIterator<Item = BackupTarget>) -> Parts {
    let instances = YbaInstances::one("yba", yba.client());
    Parts::new(FixedTargets::new(targets, []).expect("no clash"))
        .strategy(FullBackup::new(instances.clone()))
        .strategy(IncrementalBackup::new(instances))
}

/// A simulated YBA whose tasks take no time to speak of.
pub(crate) async fn quick_yba() -> Simulator {
    Simulator::builder().task_duration(Duration::from_millis(20)).start().await
}

fn in_a_hurry() -> Settings {
    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(5);
    settings.poll_max = Duration::from_millis(20);
    settings.retry_first = Duration::from_millis(10);
    settings.retry_max = Duration::from_millis(50);
    settings.settle_time = Duration::from_millis(150);
    settings.wait_limit = Duration::from_millis(400);
    settings.claim_interval = Some(Duration::from_millis(10));
    settings
}

/// The meters of the test's process: there can be only one recorder.
pub(crate) fn meters() -> Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| Meters::install().expect("nobody else records")).clone()
}

/// An answer, read in full.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a printable header"))
    }

    pub(crate) fn extension(&self, name: &str) -> String {
        self.json()["extensionFields"][name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {self:?}"))
            .to_owned()
    }

    pub(crate) fn batch(&self) -> String {
        self.json()["id"]["batchExecutionId"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// Status, `status` and `error_code`, in one line to compare.
    pub(crate) fn gist(&self) -> String {
        let body = self.json();
        let code = body["extensionFields"]["error_code"].as_str().unwrap_or("-");
        format!("{} {} {code}", self.status, body["status"].as_str().unwrap_or("?"))
    }
}

impl TestApp {
    /// Sends a request through the router.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let answer = tokio::time::timeout(PATIENCE, self.router.clone().oneshot(request));
        let response = answer.await.expect("an answer in time").expect("a router never fails");
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a whole body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Reply { status: head.status.as_u16(), headers: head.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    /// Waits for the end of a batch.
    pub(crate) async fn get_waiting(&self, location: &str) -> Reply {
        let mut request = request(Method::GET, location, Body::empty());
        request.headers_mut().insert("prefer", HeaderValue::from_static("wait=60"));
        self.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.send(request(Method::POST, path, body.into())).await
    }

    /// `POST /backupProcess`.
    pub(crate) async fn process(&self, body: &Value) -> Reply {
        self.post("/backupProcess", body.to_string()).await
    }

    /// `POST /backupProcess` with headers.
    pub(crate) async fn process_with(&self, body: &Value, headers: &[(&'static str, &str)]) -> Reply {
        let mut request = request(Method::POST, "/backupProcess", Body::from(body.to_string()));
        if headers.iter().any(|(name, _)| *name == "host") {
            request.headers_mut().remove(HOST);
        }
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a header"));
        }
        self.send(request).await
    }

    /// Puts the same service behind a port.
    pub(crate) async fn listen(&self) -> Listening {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let told = stop.clone();
        let state = self.state.clone();
        let server = tokio::spawn(async move { serve(listener, state, told.cancelled()).await });
        Listening { address, url: format!("http://{address}"), stop, server }
    }

    /// The codes and messages of everything that was recorded as gone wrong.
    pub(crate) fn exceptions(&self) -> Vec<(String, String)> {
        let exceptions = self.store.exceptions();
        exceptions.into_iter().map(|e| (e.failure.code.to_string(), e.failure.message)).collect()
    }
}

/// A service behind a port.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<()>,
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path).header(HOST, "localhost");
    builder.header(CONTENT_TYPE, "application/json").body(body).expect("a request")
}

/// A client for real connections.
pub(crate) fn http_client() -> reqwest::Client {
    // The first one wins; nothing here speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}

/// Sends these bytes over a new connection and gives back everything until the service closes it.
pub(crate) async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("a service that reads");
    rest_of(&mut stream).await
}

/// Everything that still comes over a connection.
pub(crate) async fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A connection that is reset ends as well; what came before counts.
    let _ = closed.expect("the service closes the connection");
    String::from_utf8(answer).expect("text")
}

pub(crate) async fn read(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().await.expect("a whole body") }
}

pub(crate) fn ask(category: &str) -> Value {
    json!({ "batchCategoryCode": category, "batchTransactionDate": "20250325" })
}

/// Looks until it is so.
pub(crate) async fn until<T: Debug>(mut look: impl AsyncFnMut() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let mut last = look().await;
    let started = std::time::Instant::now();
    while !is_so(&last) {
        assert!(started.elapsed() < PATIENCE, "it never came to pass: {last:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        last = look().await;
    }
    last
}

/// Ids and times as placeholders, after a look at their form.
pub(crate) fn redacted(mut value: Value) -> Value {
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| redact_field(name, value)),
        _ => {}
    }
}

fn redact_field(name: &str, value: &mut Value) {
    let Some(text) = value.as_str() else { return redact(value) };
    let placeholder = match name {
        "startTime" | "endTime" => {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(shape, "0000-00-00T00:00:00.000", "{name}");
            "[local time]".to_owned()
        }
        "backup_response" => {
            let inner: Value = serde_json::from_str(text).expect("a JSON string");
            format!("[JSON string with {}]", inner.as_object().map_or(0, serde_json::Map::len))
        }
        _ if uuid::Uuid::parse_str(text).is_ok() => "[uuid]".to_owned(),
        _ => return,
    };
    *value = Value::String(placeholder);
}

/// Everything that this process logs, our own crates down to `trace`.
pub(crate) fn logs() -> String {
    String::from_utf8_lossy(&capture_logs().0.lock().expect("no test panics while it logs")).into_owned()
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics while it logs").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn capture_logs() -> Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    let captured = CAPTURED.get_or_init(|| {
        let captured = Captured::default();
        let writer = captured.clone();
        let filter = "debug,backup_http=trace,backup_core=trace,backup_store=trace,yba_client=trace";
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_env_filter(filter)
            .with_writer(move || writer.clone())
            .init();
        captured
    });
    captured.clone()
}
