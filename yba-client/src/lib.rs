//! Typed async client for the REST API of YugabyteDB Anywhere (YBA).
//!
//! ```no_run
//! use yba_client::{CreateBackup, RequestId, SecretString, TableType, YbaClient};
//!
//! # async fn example(token: SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! let yba = YbaClient::builder("https://yba.example.com").customer("customer-uuid").token(token).build()?;
//! let backup = CreateBackup::full("universe-uuid", "storage-config-uuid", TableType::Ysql);
//! let accepted = yba.backups().create(&backup, &RequestId::new()).await?;
//! let end = yba.tasks().wait(&accepted.task).await?;
//! println!("{}: {}", end.task.title, end.task.status);
//! # Ok(())
//! # }
//! ```
//!
//! # A tour
//!
//! - **A backup is a task.** [`Backups::create`] answers with a task; the backup row appears later and is found by
//!   [`Backups::of_task`]. [`Tasks::wait`] follows the task, and the backup is good when the task reads `Success`
//!   *and* the row `Completed`.
//! - **An increment** is the same call with [`CreateBackup::base`]; [`Backups::page`] lists full backups,
//!   [`Backups::increments`] the rest of a chain.
//! - **Errors** ([`Error`]) say how far the request got. After [`Reach::Unknown`] look for a task with your
//!   [`RequestId`] as its `correlation_id` before sending again; that is what the id is for.
//! - **Busy universes** ([`Error::busy`]) may be tried again later; other refusals may not.
//! - **Two addresses** of a high-availability pair are given with [`YbaClientBuilder::address`]; the client finds
//!   the one that leads.
//! - **Restores**, **schedules**, **point-in-time recovery**, **storage configs** and **universes** have handles of
//!   their own: [`Restores`], [`Schedules`], [`Pitr`], [`StorageConfigs`], [`Universes`].
//! - **Tests** run against `simulator::Simulator` (feature `simulator`), and so do the examples of these pages.

mod api;
mod client;
mod config;
mod error;
mod ids;
mod leader;
mod limit;
mod observe;
mod page;
mod request;
mod retry;
#[cfg(feature = "simulator")]
pub mod simulator;
mod tls;
mod types;
mod wait;

pub use api::*;
pub use client::YbaClient;
pub use config::{Proxy, YbaClientBuilder};
pub use error::{Busy, Error, ErrorKind, Reach};
pub use ids::*;
pub use limit::CircuitBreaker;
pub use observe::CallReport;
pub use page::{Envelope, Page};
pub use request::Idempotency;
pub use retry::{Decision, Outcome, RetryPolicy, decide};
pub use secrecy::{ExposeSecret, SecretString};
pub use types::{lenient::parse_date, *};
pub use wait::{TaskChange, TaskEnd, Wait, WaitError, WaitPolicy};

/// The programs in the README are compiled and run too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
