//! The assembly that the service and the command line share: configuration, store, resolver, strategies.
//!
//! ```
//! use backup_app::{Environment, Settings, Sources};
//!
//! # fn main() -> Result<(), backup_app::ConfigError> {
//! let environment = Environment::from_iter([
//!     ("YBA_FULL_BACKUP_URL", "https://yba.example.com/api/v1/customers/c-1/backups"),
//!     ("YBA_API_TOKEN", "a-token"),
//!     ("YBA_UNIVERSE_UUID", "universe-uuid-123"),
//!     ("YBA_STORAGE_CONFIG_UUID", "storage-uuid-123"),
//! ]);
//! let settings = Settings::load(&Sources { environment, ..Sources::default() })?;
//!
//! assert_eq!(settings.targets[0].key, "db1");
//! assert_eq!(settings.server.port, 8989);
//! println!("{}", settings.explain()); // every value with its origin, secrets masked
//! # Ok(())
//! # }
//! ```
//!
//! The way of a setting: [`Environment`] and the file (documents, profiles, placeholders) become one tree that
//! remembers the place of every value; the typed [`settings`] are read from it, each looking into flags, the
//! environment and the file in this order; whatever nobody asked for is an unknown key. Faults are collected
//! and told all at once ([`Faults`]).

mod assembly;
mod environment;
mod explain;
mod fault;
mod file;
mod origin;
mod overrides;
mod reader;
mod secret_file;
pub mod settings;
mod sources;
pub mod telemetry;
pub mod text;
mod values;

pub use assembly::{App, Role, StartError, open_store, yba_instances};
pub use backup_store::ConnectError;
pub use environment::Environment;
pub use explain::{Explanation, Row};
pub use fault::{ConfigError, Fault, Faults, Warning};
pub use origin::Origin;
pub use settings::{Examination, RecordSettings, Settings};
pub use sources::Sources;
