//! What a test can ask the simulator to be.

use std::time::Duration;

/// A universe to be added.
///
/// ```
/// use yba_client::simulator::UniverseSpec;
///
/// let old = UniverseSpec::new("payments").without_ybc().keyspaces(["orders", "ledger"]);
/// # let _ = old;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct UniverseSpec {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) ybc: bool,
    pub(super) ysql: bool,
    pub(super) ycql: bool,
    pub(super) keyspaces: Option<Vec<String>>,
    pub(super) task_duration: Option<Duration>,
}

impl UniverseSpec {
    /// A universe with YB-Controller, YSQL and YCQL, in which every keyspace exists.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: None,
            ybc: true,
            ysql: true,
            ycql: true,
            keyspaces: None,
            task_duration: None,
        }
    }

    /// With this id instead of a random one; need not be a UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Without YB-Controller: no increments, and backups by the older script.
    pub fn without_ybc(mut self) -> Self {
        self.ybc = false;
        self
    }

    /// Without YSQL.
    pub fn without_ysql(mut self) -> Self {
        self.ysql = false;
        self
    }

    /// Without YCQL.
    pub fn without_ycql(mut self) -> Self {
        self.ycql = false;
        self
    }

    /// Only these keyspaces exist; backing up another fails in the task.
    pub fn keyspaces<S: Into<String>>(mut self, keyspaces: impl IntoIterator<Item = S>) -> Self {
        self.keyspaces = Some(keyspaces.into_iter().map(Into::into).collect());
        self
    }

    /// How long its tasks take.
    pub fn task_duration(mut self, duration: Duration) -> Self {
        self.task_duration = Some(duration);
        self
    }

    pub(super) fn has_keyspace(&self, keyspace: &str) -> bool {
        self.keyspaces.as_ref().is_none_or(|known| known.iter().any(|k| k == keyspace))
    }
}

impl From<&str> for UniverseSpec {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for UniverseSpec {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Well.
    Success,
    /// Badly.
    Failure {
        /// What the failed subtask says.
        text: String,
        /// Its error code.
        code: &'static str,
        /// Whether a backup row was made before.
        row: bool,
    },
    /// Not by itself: it runs until it is aborted or finished by hand.
    Never,
}

impl Outcome {
    /// A failure of a subtask, after the backup row was made.
    pub fn failure(text: impl Into<String>) -> Self {
        Self::Failure { text: text.into(), code: "UNKNOWN_ERROR", row: true }
    }

    /// A failure before any backup row was made.
    pub fn failure_without_row(text: impl Into<String>) -> Self {
        Self::Failure { text: text.into(), code: "UNKNOWN_ERROR", row: false }
    }

    pub(super) fn leaves_no_row(&self) -> bool {
        matches!(self, Self::Failure { row: false, .. })
    }
}

/// What the token's user may do, in YBA's classic roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Everything.
    Admin,
    /// Backups and schedules, but not the abort of a task.
    BackupAdmin,
    /// Reading.
    ReadOnly,
    /// Nothing.
    ConnectOnly,
}
