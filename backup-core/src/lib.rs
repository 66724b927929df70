//! What a YugabyteDB Anywhere backup means, without a database, a web server or a terminal.
pub mod clock;
pub mod command;
pub mod config;
mod error;
pub mod failure;
pub mod ids;
pub mod record;
pub mod request;
pub mod state;
pub mod store;
pub mod strategy;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::Error;
pub use store::TrackingStore;
