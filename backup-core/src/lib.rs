//! What a YugabyteDB Anywhere backup means, without a database, a web server or a terminal.
pub mod clock;
pub mod command;
pub mod config;
mod error;
pub mod failure;
pub mod ids;
mod judge;
mod lease;
mod orchestrator;
mod pace;
mod path;
mod reconcile;
pub mod record;
pub mod request;
mod settings;
pub mod state;
pub mod store;
mod strategies;
pub mod strategy;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::Error;
pub use orchestrator::{Orchestrator, OrchestratorBuilder, Progress};
pub use settings::Settings;
pub use store::TrackingStore;
