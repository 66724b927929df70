//! What every handler shares.

use std::sync::Arc;

use backup_core::Orchestrator;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{auth::Guesses, config::ServerConfig, handlers::health::StoreProbe, meters::Meters};

/// The orchestrator, and how the service answers. Cheap to clone; every clone is the same service.
#[derive(Clone, Debug)]
pub struct AppState {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    orchestrator: Orchestrator,
    config: ServerConfig,
    meters: Option<Meters>,
    store: StoreProbe,
    guesses: Guesses,
    stopping: CancellationToken,
    submissions: TaskTracker,
}

impl AppState {
    /// A service without meters: `/actuator/metrics` and `/actuator/prometheus` are empty.
    pub fn new(orchestrator: Orchestrator, config: ServerConfig) -> Self {
        Self::with(orchestrator, config, None)
    }

    /// A service that shows these meters.
    pub fn with_meters(orchestrator: Orchestrator, config: ServerConfig, meters: Meters) -> Self {
        Self::with(orchestrator, config, Some(meters))
    }

    fn with(orchestrator: Orchestrator, config: ServerConfig, meters: Option<Meters>) -> Self {
        let inner = Inner {
            orchestrator,
            config,
            meters,
            store: StoreProbe::default(),
            guesses: Guesses::default(),
            stopping: CancellationToken::new(),
            submissions: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn orchestrator(&self) -> &Orchestrator {
        &self.inner.orchestrator
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.inner.config
    }

    pub(crate) fn meters(&self) -> Option<&Meters> {
        self.inner.meters.as_ref()
    }

    pub(crate) fn store(&self) -> &StoreProbe {
        &self.inner.store
    }

    /// Who presented tokens that are not known.
    pub(crate) fn guesses(&self) -> &Guesses {
        &self.inner.guesses
    }

    /// Cancelled when the service has been told to stop: it is not ready any more.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Requests on their way into the store. They are not tied to the connection they came over.
    pub(crate) fn submissions(&self) -> &TaskTracker {
        &self.inner.submissions
    }
}
