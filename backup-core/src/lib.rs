//! What a backup through YugabyteDB Anywhere (YBA) means, without a database, a web server or a terminal.
//!
//! ```
//! use std::sync::Arc;
//! use backup_core::{BackupRequest, BackupTarget, FixedTargets, Orchestrator, TrackingStore};
//! # use backup_core::testing::{InMemoryStore, ScriptedStrategy};
//! # async fn example(store: Arc<dyn TrackingStore>) -> Result<(), Box<dyn std::error::Error>> {
//! # let strategy = ScriptedStrategy::new();
//! let targets = FixedTargets::new([BackupTarget::new("db1", "yba", "universe-uuid", "storage-uuid")], [])?;
//! let orchestrator = Orchestrator::builder().resolver(targets).store(store).strategy(strategy).start()?;
//! let record = orchestrator.run(BackupRequest::new("db1", "2025-03-25")).await?;
//! println!("{} is {}", record.batch, record.batch_status());
//! # Ok(()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! #     example(Arc::new(InMemoryStore::new(Arc::new(backup_core::SystemClock::new())))).await.unwrap();
//! # }
//! ```
//!
//! # The path of a backup
//!
//! ```text
//! request -> command -> target -> plan -> intent recorded -> POST -> task recorded -> polls -> outcome recorded
//! ```
//!
//! | step | type | file |
//! |---|---|---|
//! | what someone asked for | [`BackupRequest`] | `request.rs` |
//! | valid, or it does not exist | [`BackupCommand`] | `command.rs` |
//! | everything resolved to ids | [`BackupTarget`], [`ConfigResolver`] | `target.rs`, `config.rs` |
//! | what will be posted, and why | [`Plan`], [`BackupStrategy`] | `strategy/` |
//! | the intent, committed before any POST | [`BackupRecord`], [`TrackingStore`] | `record.rs`, `store.rs` |
//! | POST, task, polls, outcome | [`Phase`] | `path.rs`, `judge.rs`, `state.rs` |
//! | all of it again, for what was left open | [`Orchestrator`] | `reconcile.rs`, `lease.rs` |
//!
//! The record exists before YBA is called, because starting a backup is not idempotent: after a lost answer or a crash the
//! attempt is looked up by its id, which was sent as `X-REQUEST-ID`; it is never posted again blindly. Every step may run
//! twice, by any replica. The database's unique rows are the guarantee; leases only keep replicas out of each
//! other's way.

mod audit;
mod clock;
mod command;
mod config;
mod error;
mod failure;
mod held;
mod ids;
mod judge;
mod late;
mod lease;
mod look;
mod once;
mod orchestrator;
mod pace;
mod path;
mod prune;
mod reasons;
mod reconcile;
mod record;
mod refusals;
mod request;
mod settings;
mod silence;
mod state;
mod strategies;
mod surplus;
mod target;
mod times;

pub mod store;
pub mod strategy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use clock::{Clock, SystemClock, to_micros};
pub use command::{BackupCommand, MAX_TEXT, RequestFault, RequestFaults, parse_business_date};
pub use config::{ConfigResolver, FixedTargets, IncompleteTarget, ResolveError};
pub use error::Error;
pub use failure::{ErrorCode, Failure};
pub use ids::{
    AttemptId, BackupId, BatchId, IdempotencyKey, InstanceName, OwnerId, StorageConfigId, TargetKey, TaskId,
    UniverseId,
};
pub use orchestrator::{BuildError, Orchestrator, OrchestratorBuilder, Progress};
pub use record::{Attempt, BackupRecord, IllegalTransition, Plan, SharedRecord};
pub use request::{BackupRequest, BatchMode};
pub use settings::{Settings, SettingsFaults};
pub use state::{BatchStatus, Phase, TrackerStatus};
pub use store::{StoreError, TrackingStore};
pub use strategy::BackupStrategy;
pub use surplus::{Surplus, SurplusState};
pub use target::{
    BackupTarget, Completion, LegacyUrls, OnMissingBase, OnSurplus, OnUnknown, Repeat, fold_case,
};
pub use times::YbaTimes;
