//! What settings are loaded from.

use std::fmt;
use std::path::PathBuf;

use crate::environment::Environment;

/// What settings are loaded from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that `--config` names; without it `BACKUP_CONFIG` may name one, and none is needed.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// Flags: dotted keys and their values, taken as they are.
    pub overrides: Vec<(String, String)>,
    /// The names of the strategies that an embedder registers beside those of `backup-core`
    /// ([`App::start_with`](crate::App::start_with)): `backup-category-type` may name them.
    pub strategies: Vec<String>,
}

impl fmt::Debug for Sources {
    /// Values of the environment and of flags may be secrets; only names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overrides: Vec<_> = self.overrides.iter().map(|(key, _)| key).collect();
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("environment", &self.environment)
            .field("overrides", &overrides)
            .field("strategies", &self.strategies)
            .finish()
    }
}
