//! What is to be survived, and how often: `KILLS`, `SHOTS`.

use std::ops::Range;

const KILLS: u64 = 20;
const SHOTS: u64 = 8;

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
    /// Shots at the senders of requests for a backup, instead of kills at any moment.
    pub(super) shots: u64,
}

impl Trial {
    pub(super) fn new(name: &'static str, engine: Engine, replicas: u16) -> Self {
        Self { name, engine, replicas, stops: false, kills: number("KILLS").unwrap_or(KILLS), shots: 0 }
    }

    pub(super) fn with_stops(self) -> Self {
        Self { stops: true, ..self }
    }

    /// Stops and kills are aimed at the instants around the POST.
    pub(super) fn aimed(self) -> Self {
        Self { stops: true, shots: number("SHOTS").unwrap_or(SHOTS), ..self }
    }

    /// Whether requests for backups can be held on their way.
    pub(super) fn is_aimed(&self) -> bool {
        self.shots > 0
    }

    /// How long tasks take: some are over before anyone knows of them, some can be aborted.
    pub(super) fn task_millis(&self) -> Range<u64> {
        if self.stops { 30..1500 } else { 30..150 }
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
