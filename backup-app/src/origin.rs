//! Where a value came from: every setting can say so, in `config check` and in every fault.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The place that gave a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// The line, counted from 1.
        line: usize,
        /// The profile expression of the document, where it has one.
        profile: Option<Arc<str>>,
        /// The environment variables that filled the line's placeholders.
        variables: Vec<String>,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The content of a file that another setting names (`api-token-file`, `YBA_API_TOKEN_FILE`).
    SecretFile {
        /// The file that was read.
        path: PathBuf,
        /// Who named it.
        named_by: Box<Origin>,
    },
    /// A file of a configuration tree (`configtree:`).
    ConfigTree {
        /// The file, or the folder.
        path: PathBuf,
    },
    /// A flag of the command line.
    Flag,
    /// Worked out from another setting.
    Derived {
        /// The key of that setting.
        from: String,
    },
}

impl Origin {
    /// The line of the file, by which faults are sorted.
    pub(crate) fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            Self::SecretFile { named_by, .. } => named_by.line(),
            _ => None,
        }
    }

    /// A line of a file.
    pub(crate) fn line_of(file: &Arc<str>, line: usize) -> Self {
        Self::File { file: Arc::clone(file), line, profile: None, variables: Vec::new() }
    }

    pub(crate) fn variable(name: impl Into<String>) -> Self {
        Self::Environment { variable: name.into() }
    }

    /// The same place, with the variables that filled its placeholders.
    pub(crate) fn with_variables(mut self, filled_by: Vec<String>) -> Self {
        if let Self::File { variables, .. } = &mut self {
            *variables = filled_by;
        }
        self
    }

    /// The same place, in the document of a profile.
    pub(crate) fn set_profile(&mut self, name: &Arc<str>) {
        if let Self::File { profile, .. } = self {
            *profile = Some(Arc::clone(name));
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, profile, variables } => {
                write!(f, "{file}:{line}")?;
                if let Some(profile) = profile {
                    write!(f, ", profile {profile}")?;
                }
                if !variables.is_empty() {
                    write!(f, ", from {}", variables.join(", "))?;
                }
                Ok(())
            }
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::SecretFile { path, named_by } => write!(f, "file {}, named by {named_by}", path.display()),
            Self::ConfigTree { path } => write!(f, "configtree {}", path.display()),
            Self::Flag => f.write_str("flag"),
            Self::Derived { from } => write!(f, "derived from {from}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
