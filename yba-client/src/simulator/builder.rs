//! What a simulator is before it starts.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Simulator,
    clock::Clock,
    relay::Relay,
    server::Responder,
    spec::Role,
    world::{Mode, Settings, World},
};
use crate::ids::{CustomerId, StorageConfigId, UniverseId};

/// Settings of a simulator that must be known before it starts.
#[derive(Debug)]
#[must_use]
pub struct SimulatorBuilder {
    pub(super) listen: String,
    pub(super) manual_clock: bool,
    pub(super) settings: Settings,
}

impl SimulatorBuilder {
    /// The address to listen on. By default a free port of `127.0.0.1`.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Time stands still except for [`Simulator::advance`].
    pub fn manual_clock(mut self) -> Self {
        self.manual_clock = true;
        self
    }

    /// The customer's id, instead of a random one.
    pub fn customer(mut self, customer: impl Into<CustomerId>) -> Self {
        self.settings.customer = customer.into();
        self
    }

    /// The token, instead of a random one.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into();
        self
    }

    /// How long tasks take. Default 200 ms.
    pub fn task_duration(mut self, duration: Duration) -> Self {
        self.settings.task_duration = duration;
        self
    }

    /// Whether requests are recorded. On by default; counts are always kept.
    pub fn record_requests(mut self, on: bool) -> Self {
        self.settings.record = on;
        self
    }

    /// A server without a task queue: two requests at the same moment are both accepted, and the
    /// loser's task fails without a backup row.
    pub fn without_task_queue(mut self) -> Self {
        self.settings.task_queue = false;
        self.settings.start_delay = Duration::from_millis(50);
        self
    }

    /// Adds what a gateway in front of YBA may offer and YBA itself does not: `POST ~/backups/incremental`
    /// and `GET ~/backups` (an array, with `limit`, `direction` and `universeUUID`).
    pub fn legacy_gateway(mut self) -> Self {
        self.settings.legacy_gateway = true;
        self
    }

    /// The e-mail and password it accepts. Default `admin@example.com` and `password`.
    pub fn login(mut self, email: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.login = (email.into(), password.into());
        self
    }

    /// High availability is configured, and this is the leader.
    pub fn high_availability(mut self) -> Self {
        self.settings.high_availability = true;
        self
    }

    /// How many rows the list of tasks has at most (2000).
    pub fn task_list_limit(mut self, rows: usize) -> Self {
        self.settings.task_list_limit = rows;
        self
    }

    /// The version it reports.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Starts it, with one universe and one storage config.
    ///
    /// # Panics
    /// When it cannot listen. See [`try_start`](Self::try_start).
    pub async fn start(self) -> Simulator {
        match self.try_start().await {
            Ok(simulator) => simulator,
            Err(error) => panic!("the simulator cannot start: {error}"),
        }
    }

    /// Starts it, with one universe and one storage config.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn try_start(self) -> std::io::Result<Simulator> {
        let mut simulator = self.try_start_empty().await?;
        simulator.universe = simulator.add_universe("universe-1");
        simulator.storage_config = simulator.add_storage_config("s3");
        Ok(simulator)
    }

    pub(super) async fn try_start_empty(self) -> std::io::Result<Simulator> {
        let listener = TcpListener::bind(&self.listen)?;
        let clock = if self.manual_clock { Clock::manual() } else { Clock::Real { ahead: Duration::ZERO } };
        let world = World::new(self.settings, clock);
        let responder = Responder(Arc::new(Mutex::new(world)));
        let relay = Relay::start(listener, responder.clone()).await?;
        Ok(Simulator {
            responder,
            relay,
            universe: UniverseId::from(""),
            storage_config: StorageConfigId::from(""),
        })
    }
}

impl Default for SimulatorBuilder {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            manual_clock: false,
            settings: Settings {
                customer: CustomerId::from(uuid::Uuid::new_v4()),
                token: uuid::Uuid::new_v4().to_string(),
                version: "2024.2.0.0-b145".to_owned(),
                role: Role::Admin,
                new_access_model: false,
                task_queue: true,
                correlation: true,
                high_availability: false,
                mode: Mode::Leader,
                task_duration: Duration::from_millis(200),
                start_delay: Duration::ZERO,
                row_delay: None,
                resume_delay: Duration::from_millis(100),
                task_list_limit: 2000,
                record: true,
                record_limit: 10_000,
                storage_check: None,
                legacy_gateway: false,
                login: ("admin@example.com".to_owned(), "password".to_owned()),
                token_version: 1,
            },
        }
    }
}
