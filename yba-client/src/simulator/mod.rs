//! A stateful, faithful YugabyteDB Anywhere for tests.
//!
//! It runs in the test's own process, on wiremock, and behaves as awkwardly as the real thing: a task
//! first and the backup row later, one operation per universe, 409s that differ only by their text,
//! standbys that answer reads from an old copy, restarts after which an aborted task runs again.
//!
//! ```
//! use yba_client::{CreateBackup, RequestId, TableType, simulator::Simulator};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let yba = Simulator::builder().manual_clock().start().await;
//! let order = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql);
//! let accepted = yba.client().backups().create(&order, &RequestId::new()).await?;
//!
//! yba.advance(std::time::Duration::from_secs(60));
//! let task = yba.client().tasks().get(&accepted.task).await?;
//! assert!(task.status.is_complete());
//! assert_eq!(yba.backups_started(&yba.universe()), 1);
//! # Ok::<(), yba_client::Error>(()) }).unwrap();
//! ```

mod builder;
mod clock;
mod control;
mod cron;
mod data;
mod endpoint;
mod fault;
mod garbage;
mod handlers;
mod life;
mod record;
mod relay;
mod reply;
mod restart;
mod scheduler;
mod server;
mod spec;
mod wire;
mod world;

use secrecy::SecretString;

pub use self::{
    builder::SimulatorBuilder,
    endpoint::Endpoint,
    fault::{Fault, Script},
    record::{BackupSnapshot, RecordedRequest, TaskSnapshot},
    spec::{Outcome, Role, UniverseSpec},
};
use self::{relay::Relay, server::Responder, world::World};
use crate::{
    Proxy, YbaClient,
    ids::{CustomerId, StorageConfigId, UniverseId},
};

/// A running simulator. It stops when dropped.
pub struct Simulator {
    responder: Responder,
    relay: Relay,
    universe: UniverseId,
    storage_config: StorageConfigId,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Starts a simulator with the defaults, on a free port of `127.0.0.1`.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Prepares a simulator.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// Everything below works on the world as it is now.
    fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.responder.lock();
        world.settle();
        let result = work(&mut world);
        world.settle();
        result
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.relay.address)
    }

    /// Its customer.
    pub fn customer(&self) -> CustomerId {
        self.world(|world| world.settings.customer.clone())
    }

    /// The token it accepts.
    pub fn token(&self) -> SecretString {
        self.world(|world| SecretString::from(world.settings.token.clone()))
    }

    /// A client for it.
    ///
    /// # Panics
    /// When customer or token were set to something no client can send.
    pub fn client(&self) -> YbaClient {
        let client = YbaClient::builder(self.url())
            .customer(self.customer())
            .token(self.token())
            .proxy(Proxy::None)
            .build();
        match client {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// The universe that is there from the start.
    pub fn universe(&self) -> UniverseId {
        self.universe.clone()
    }

    /// The storage config that is there from the start.
    pub fn storage_config(&self) -> StorageConfigId {
        self.storage_config.clone()
    }
}
