//! What is wrong with a configuration: all of it at once, each with its key, its place and the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::origin::Origin;

/// One thing that must be corrected before anything runs. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The key as it was written, or the one that is missing.
    pub key: String,
    /// Where it was written, where it was.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// The known key or word that is nearest to what was written.
    pub suggestion: Option<String>,
}

impl Fault {
    pub(crate) fn new(
        key: impl Into<String>,
        origin: impl Into<Option<Origin>>,
        message: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), origin: origin.into(), message: message.into(), suggestion: None }
    }

    #[must_use]
    pub(crate) fn with_suggestion(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.key, self.origin.as_ref())?;
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

/// Every fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a fault:")?,
            count => write!(f, "the configuration has {count} faults:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// Something that works, and that somebody should know about. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The key it is about.
    pub key: String,
    /// Where it was written, where it was.
    pub origin: Option<Origin>,
    /// What to know.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.key, self.origin.as_ref())?;
        f.write_str(&self.message)
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, key: &str, origin: Option<&Origin>) -> fmt::Result {
    // A key may be any text of the file; a line of the report is one line.
    let key = key.replace(char::is_control, "\u{fffd}");
    match origin {
        Some(origin) => write!(f, "{key} ({origin}): "),
        None => write!(f, "{key}: "),
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration file was named, and cannot be read.
    #[error("the configuration file {} (named by {named_by}) cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it: `--config` or `BACKUP_CONFIG`.
        named_by: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The configuration file is no YAML.
    #[error("{file}:{line}:{column}: the configuration file is no valid YAML: {message}")]
    Syntax {
        /// The file as it was named.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// The settings are wrong.
    #[error(transparent)]
    Invalid(#[from] Faults),
}
