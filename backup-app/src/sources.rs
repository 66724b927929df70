//! What settings are loaded from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::fault::ConfigError;
use crate::file::{Main, read};

/// What settings are loaded from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that `--config` names; without it `BACKUP_CONFIG` may name one, and none is needed.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// Arguments: dotted keys and their values.
    pub overrides: Vec<(String, String)>,
    /// The names of the strategies that an embedder registers beside those of `backup-core`
    /// ([`App::start_with`](crate::App::start_with)): `backup-category-type` may name them.
    pub strategies: Vec<String>,
}

impl Sources {
    /// The file that is named, read.
    pub(crate) fn main(&self) -> Result<Option<Main>, ConfigError> {
        let Some((path, named_by)) = self.named_file() else { return Ok(None) };
        let text = read::configuration(&path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            named_by,
            source,
        })?;
        Ok(Some(Main { name: path.display().to_string(), text, path: Some(path) }))
    }

    /// A file that Spring would have read and that nothing names.
    pub(crate) fn unread_file() -> Option<&'static str> {
        let names =
            ["application.yml", "application.yaml", "application.properties", "config/application.yml"];
        names.into_iter().find(|name| Path::new(name).is_file())
    }

    fn named_file(&self) -> Option<(PathBuf, &'static str)> {
        let flag = self.file.clone().map(|path| (path, "--config"));
        flag.or_else(|| {
            self.environment.filled("BACKUP_CONFIG").map(|path| (PathBuf::from(path), "BACKUP_CONFIG"))
        })
    }
}

impl fmt::Debug for Sources {
    /// Values of the environment and of arguments may be secrets; only names are shown.
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
