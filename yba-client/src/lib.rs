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
//! # If your program has a `reqwest::Client` of its own
//!
//! Cargo builds reqwest once for the whole program, with the features of everybody who uses it. This crate brings rustls
//! with a provider of its own and switches reqwest's `rustls-no-provider` on. If nothing else in your program switches
//! one of reqwest's own TLS backends on (its default features do), `reqwest::Client::new()` then finds no provider and
//! **panics**. Either give your own dependency on reqwest its default features, or call this once, before your first
//! client:
//!
//! ```
//! yba_client::install_crypto_provider();
//! let own = reqwest::Client::new();
//! # drop(own);
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
//!   [`RequestId`] as its `correlation_id` before sending again; that is what the id is for. A redirect, a sign-in page or
//!   a gateway in YBA's place is told apart from YBA: the table at [`Error::reach`].
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
mod foreign;
mod ids;
mod leader;
mod limit;
mod observe;
mod page;
mod proxy;
mod request;
mod retry;
#[cfg(feature = "simulator")]
pub mod simulator;
mod stranger;
mod tls;
mod token;
mod types;
mod wait;

pub use api::*;
pub use client::YbaClient;
pub use config::YbaClientBuilder;
pub use error::{Busy, Error, ErrorKind, Reach};
pub use ids::*;
pub use limit::CircuitBreaker;
pub use observe::CallReport;
pub use page::{Envelope, Page};
pub use proxy::Proxy;
pub use request::Idempotency;
pub use retry::{Decision, Outcome, RetryPolicy, decide};
pub use secrecy::{ExposeSecret, SecretString};
pub use tls::install_crypto_provider;
pub use token::TokenState;
pub use types::{lenient::parse_date, *};
pub use wait::{TaskChange, TaskEnd, Wait, WaitError, WaitPolicy};

/// The programs in the README are compiled and run too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
