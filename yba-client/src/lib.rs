//! Typed async client for the REST API of YugabyteDB Anywhere (YBA).
//!
//! ```no_run
//! use yba_client::{CreateBackup, RequestId, SecretString, TableType, YbaClient};
//!
//! # async fn example(token: SecretString) -> Result<(), yba_client::Error> {
//! let yba = YbaClient::builder("https://yba.example.com").customer("customer-uuid").token(token).build()?;
//! let backup = CreateBackup::full("universe-uuid", "storage-config-uuid", TableType::Ysql);
//! let accepted = yba.backups().create(&backup, &RequestId::new()).await?;
//! let task = yba.tasks().get(&accepted.task).await?;
//! println!("{} is {}", task.title, task.status);
//! # Ok(())
//! # }
//! ```

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
