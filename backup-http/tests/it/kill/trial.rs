//! What is to be survived, and how often: `KILLS`.

use std::ops::Range;

const KILLS: u64 = 20;

#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    RestartingPostgres,
}

/// What is to be survived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) name: &'static str,
    pub(super) engine: Engine,
    pub(super) replicas: u16,
    /// Replicas are also stopped for longer than a lease.
    pub(super) stops: bool,
    pub(super) kills: u64,
}

impl Trial {
    pub(super) fn new(name: &'static str, engine: Engine, replicas: u16) -> Self {
        Self { name, engine, replicas, stops: false, kills: number("KILLS").unwrap_or(KILLS) }
    }

    pub(super) fn with_stops(self) -> Self {
        Self { stops: true, ..self }
    }

    /// How long tasks take. A replica that wakes up needs time to abort the one that it started too late.
    pub(super) fn task_millis(&self) -> Range<u64> {
        if self.stops { 700..1200 } else { 30..150 }
    }

    /// Only who loses the database may end by itself, at a start.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.engine, Engine::RestartingPostgres)
    }
}

/// A number from the environment.
pub(super) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?.into_string().expect("text");
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}
