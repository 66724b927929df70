//! The tracking store on SQLite, PostgreSQL and YugabyteDB.
//!
//! ```no_run
//! # async fn example() -> Result<(), backup_store::ConnectError> {
//! use backup_store::{StoreConfig, connect};
//!
//! let store = connect(&StoreConfig::new("sqlite:backup.db")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`connect`] picks the engine by the address; the answer is core's [`TrackingStore`], whose contract both engines
//! pass as tests. Everything else here is for assembling and measuring it.

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("a store needs an engine: enable the feature `sqlite` or `postgres`");

#[cfg_attr(
    not(any(test, all(feature = "sqlite", feature = "postgres"))),
    expect(dead_code, reason = "every address is understood, also that of an engine that is not built")
)]
mod address;
mod aside;
mod config;
mod error;
mod fields;
mod migrate;
mod outcome;
#[cfg(feature = "postgres")]
pub mod postgres;
mod reader;
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has fewer troubles"))]
mod replay;
mod share;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod step;
mod write;

use std::sync::Arc;

use backup_core::TrackingStore;

pub use self::{
    config::{PoolConfig, RetryPolicy, StoreConfig, StoreEvent, StoreObserver},
    error::ConnectError,
};
use crate::address::Address;

/// Opens the store at the address, brings its tables up to date, and proves that it can be reached.
pub async fn connect(config: &StoreConfig) -> Result<Arc<dyn TrackingStore>, ConnectError> {
    match Address::parse(&config.url)? {
        #[cfg(feature = "sqlite")]
        Address::Sqlite(path) => Ok(Arc::new(sqlite::SqliteStore::open(path, config).await?)),
        #[cfg(not(feature = "sqlite"))]
        Address::Sqlite(_) => Err(ConnectError::NotBuilt { engine: "SQLite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        Address::Postgres(server) => Ok(postgres::PostgresStore::open(*server, config).await?),
        #[cfg(not(feature = "postgres"))]
        Address::Postgres(_) => Err(ConnectError::NotBuilt { engine: "PostgreSQL", feature: "postgres" }),
    }
}

/// Statements, for tests of their plans.
#[doc(hidden)]
#[cfg(feature = "postgres")]
pub mod statements {
    pub use crate::postgres::{CLAIM, CLAIM_AUDITS, PRUNE};
}
