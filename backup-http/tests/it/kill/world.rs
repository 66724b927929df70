//! Where it happens: a simulated YBA, a database, replicas of the service, and what is known about them at the end.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use backup_core::{
    BackupRecord, BatchId, TrackingStore,
    store::{BackupFilter, PageKey},
};
use backup_store::StoreConfig;
use pg_harness::{Database, Server};
use secrecy::ExposeSecret;
use yba_client::{UniverseId, simulator::Simulator};

use super::{
    dice::Dice,
    killer::Toll,
    replica::Replica,
    trial::{Engine, Trial, number},
    verdict::{self, Verdict},
    way::{Traffic, Way},
};
use crate::support::http_client;

/// The shortest that the configuration allows.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// From the start of a task to its backup row.
pub(super) const ROW_DELAY: Duration = Duration::from_millis(10);
/// From a restart of YBA until its tasks run again; well below the settling time.
pub(super) const RESUME_DELAY: Duration = Duration::from_millis(100);
/// The shortest that the configuration allows; longer than any request is held.
const AUDIT_FOR: Duration = Duration::from_secs(60);
/// A batch whose replica was killed holds its universe for a lease: there must be others to go on with.
const UNIVERSES: usize = 40;
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) struct World {
    pub(super) trial: Trial,
    pub(super) yba: Arc<Simulator>,
    pub(super) universes: Vec<UniverseId>,
    /// `None`: SQLite.
    pub(super) database: Option<Database>,
    /// A server that is ours to restart.
    pub(super) server: Option<Server>,
    pub(super) replicas: Vec<Replica>,
    /// The ways from the replicas to YBA, where requests can be held; none if nothing is aimed.
    pub(super) ways: Vec<Way>,
    pub(super) traffic: Traffic,
    pub(super) dice: Dice,
    seed: u64,
    began: Instant,
    folder: Folder,
    store_url: String,
}

impl World {
    /// `None` where there is no PostgreSQL and one is needed.
    pub(super) async fn begin(trial: Trial) -> Option<Self> {
        let (server, database) = match trial.engine {
            Engine::Sqlite => (None, None),
            Engine::Postgres => (None, Some(Server::shared()?.database())),
            Engine::RestartingPostgres => {
                let server = Server::start()?;
                let database = server.database();
                (Some(server), Some(database))
            }
        };
        let yba = Simulator::builder().record_requests(false).start().await;
        yba.set_row_delay(ROW_DELAY);
        yba.set_resume_delay(RESUME_DELAY);
        let universes: Vec<UniverseId> =
            (0..UNIVERSES).map(|number| yba.add_universe(format!("universe-{number}"))).collect();
        let folder = Folder::new();
        let sqlite = || format!("sqlite:{}", folder.path().join("backups.db").display());
        let store_url = database.as_ref().map_or_else(sqlite, Database::url);
        let traffic = Traffic::new();
        let mut ways = Vec::new();
        for number in 1..=trial.replicas {
            let url = if trial.is_aimed() {
                ways.push(Way::open(yba.url(), traffic.clone()).await);
                ways[ways.len() - 1].url.clone()
            } else {
                yba.url()
            };
            let text = configuration(&yba, &url, &universes, &store_url);
            std::fs::write(folder.config(number), text).expect("a file");
        }
        let replicas = (1..=trial.replicas).map(|number| Replica::start(number, &folder)).collect();
        let seed = number("KILL_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
        Some(Self {
            trial,
            yba: Arc::new(yba),
            universes,
            database,
            server,
            replicas,
            ways,
            traffic,
            dice: Dice::new(seed),
            seed,
            began: Instant::now(),
            folder,
            store_url,
        })
    }

    pub(super) async fn everybody_is_up(&mut self) {
        let (client, begun) = (http_client(), Instant::now());
        for replica in &mut self.replicas {
            while !replica.is_ready(&client).await {
                assert!(begun.elapsed() < PATIENCE, "the replica at {} is not ready", replica.url);
                replica.look_after();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Until every batch has ended, and every task is known or all audits are over.
    pub(super) async fn until_everything_is_over(&self) {
        let begun = Instant::now();
        loop {
            let records = self.records().await;
            let open: Vec<_> = records.iter().filter(|record| !record.is_done()).collect();
            let is_audited = records.iter().any(|record| record.audit_until.is_some());
            if open.is_empty() && (!is_audited || verdict::is_every_task_known(self, &records)) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "still open, or under audit for too long: {open:#?}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Every batch, as the store has it.
    pub(super) async fn records(&self) -> Vec<BackupRecord> {
        let (store, mut records, mut after) = (self.store().await, Vec::new(), None::<PageKey>);
        loop {
            let filter = BackupFilter { limit: BackupFilter::MAX_LIMIT, after, ..BackupFilter::default() };
            let page = store.list(&filter).await.expect("the store answers");
            records.extend(page.records);
            after = page.next;
            if after.is_none() {
                return records;
            }
        }
    }

    /// How many processes ended that nobody killed, where none may.
    pub(super) fn unexpected_ends(&self) -> u32 {
        if self.trial.may_end() { 0 } else { self.replicas.iter().map(|replica| replica.ends).sum() }
    }

    async fn store(&self) -> Arc<dyn TrackingStore> {
        let mut config = StoreConfig::new(&self.store_url);
        config.migrate = false;
        backup_store::connect(&config).await.expect("the tables are there")
    }

    /// The figures, for whoever runs it with `--nocapture`.
    #[expect(clippy::print_stdout, reason = "the result of a long run")]
    pub(super) fn announce(&self, toll: &Toll, verdict: &Verdict) {
        let seconds = self.began.elapsed().as_secs();
        println!("{}: {toll}, {verdict}, {seconds} s, KILL_SEED={}", self.trial.name, self.seed);
    }

    /// What was found, and what the replicas logged about it.
    pub(super) fn explain(&self, verdict: &Verdict) -> String {
        let mut text = format!("{} (KILL_SEED={}):\n", self.trial.name, self.seed);
        for fault in &verdict.faults {
            let _ = writeln!(text, "* {}", fault.text);
        }
        let logs = || self.replicas.iter().map(Replica::log).enumerate();
        let batches: BTreeSet<&BatchId> =
            verdict.faults.iter().filter_map(|fault| fault.batch.as_ref()).collect();
        for batch in batches.into_iter().take(3) {
            let of_batch = |(number, log): (usize, String)| {
                let lines = log.lines().filter(|line| line.contains(batch.as_str()));
                lines.map(|line| format!("{line} [replica {}]\n", number + 1)).collect::<Vec<_>>()
            };
            // They begin with the time.
            let mut lines: Vec<String> = logs().flat_map(of_batch).collect();
            lines.sort();
            let _ = writeln!(text, "\n{batch}:\n{}", lines.concat());
        }
        text
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.keep();
            let seed = self.seed;
            let name = self.trial.name;
            let folder = self.folder.path().display();
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("{name} failed with KILL_SEED={seed}; the logs of the replicas are in {folder}\n")
                    .as_bytes(),
            );
        }
    }
}

/// Configuration, logs, and SQLite's file; kept when the test fails.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("kill-").tempdir().expect("a folder"))
    }

    fn keep(&mut self) {
        self.0.disable_cleanup(true);
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn config(&self, replica: u16) -> PathBuf {
        self.path().join(format!("backup-{replica}.yaml"))
    }
}

/// Of a replica that reaches YBA at `url`.
fn configuration(yba: &Simulator, url: &str, universes: &[UniverseId], store_url: &str) -> String {
    let mut text = format!(
        "datasource:
  url: \"{store_url}\"
  retry: {{max-attempts: 5, initial-delay: 50ms, max-delay: 500ms}}
orchestrator:
  lease: {}s
  settle-time: 600ms
  poll-first: 20ms
  poll-max: 100ms
  retry-first: 20ms
  retry-max: 200ms
  claim-interval: 100ms
  max-attempts: 1000
  audit-interval: 300ms
  audit-for: {}s
yba:
  read-timeout: 2s
  instances.main: {{base-url: \"{}\", customer-uuid: {}, api-token: {}}}
  databases:\n",
        LEASE.as_secs(),
        AUDIT_FOR.as_secs(),
        url,
        yba.customer(),
        yba.token().expose_secret(),
    );
    for (number, universe) in universes.iter().enumerate() {
        let storage = yba.storage_config();
        let _ = writeln!(
            text,
            "    db{number}: {{instance: main, universe-uuid: {universe}, storage-config-uuid: {storage}}}"
        );
    }
    text
}
