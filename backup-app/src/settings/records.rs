//! What a look at the records needs of the settings: faults of everything else do not stand in its way.

use std::time::Duration;

use chrono_tz::Tz;

use super::{DatasourceSettings, Settings};
use crate::explain::Explanation;
use crate::fault::{ConfigError, Fault, Faults};
use crate::file::tree::canonical_path;
use crate::sources::Sources;

/// Sections that say how backups are made and served, not where their records are.
const UNRELATED: [&str; 3] = ["yba", "orchestrator", "server"];
/// The settings of those sections that count all the same.
const NEEDED: [&str; 1] = ["server.zone"];

/// Where the records are, and how to show them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordSettings {
    /// `application.name`: how the connections to the database call themselves.
    pub application_name: String,
    /// `datasource.*`.
    pub datasource: DatasourceSettings,
    /// `server.zone`.
    pub zone: Tz,
    /// `orchestrator.lease`: how long a dead replica keeps its work from the others.
    pub lease: Duration,
    /// What is wrong with the settings that a look at the records does not need.
    pub ignored: Vec<Fault>,
    explanation: Explanation,
}

impl RecordSettings {
    /// Loads them, whatever is wrong with the settings of YBA, of the service and of the orchestrator.
    ///
    /// # Errors
    ///
    /// A named file that cannot be read, text that is no YAML, or settings that say wrongly where the records are: all of
    /// those at once.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let (settings, examination) = Settings::read_sources(sources)?;
        let (ignored, faults): (Vec<_>, Vec<_>) = examination.faults.into_iter().partition(is_unrelated);
        if !faults.is_empty() {
            return Err(Faults(faults).into());
        }
        Ok(Self { ignored, ..Self::of(&Settings { explanation: examination.explanation, ..settings }) })
    }

    /// Those of settings that are right.
    pub fn of(settings: &Settings) -> Self {
        Self {
            application_name: settings.application_name.clone(),
            datasource: settings.datasource.clone(),
            zone: settings.server.zone,
            lease: settings.orchestrator.lease,
            ignored: Vec::new(),
            explanation: settings.explain().clone(),
        }
    }

    /// Every setting with its value and its origin; secrets are masked.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

fn is_unrelated(fault: &Fault) -> bool {
    let key = canonical_path(&fault.key);
    let is_of = |section: &str| key == section || key.starts_with(&format!("{section}."));
    UNRELATED.into_iter().any(is_of) && !NEEDED.iter().any(|needed| key == canonical_path(needed))
}
