//! What someone asked for: plain data from any edge, nothing checked yet.

/// A request for a backup, as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupRequest {
    /// The category (`batchCategoryCode`): a target's key or one of its category codes.
    pub category: Option<String>,
    /// The business date: `yyyyMMdd` or `yyyy-MM-dd`.
    pub business_date: Option<String>,
    /// An existing batch to join, to read or to run again.
    pub batch: Option<String>,
    /// A key that makes the creation safe to repeat.
    pub idempotency_key: Option<String>,
    /// Whether this is about the one backup of its target and business date: it joins what is open, reads what completed,
    /// and runs again what failed, whoever asked for that and however. Not combined with `batch`.
    pub once_per_date: bool,
    /// Who asks: a scheduler or a person.
    pub mode: BatchMode,
    /// The edge's own id of this request, for the log lines of the backup.
    pub request_id: Option<String>,
}

impl BackupRequest {
    /// A request of a category for a business date.
    pub fn new(category: impl Into<String>, business_date: impl Into<String>) -> Self {
        Self { category: Some(category.into()), business_date: Some(business_date.into()), ..Self::default() }
    }

    /// Names the batch.
    #[must_use]
    pub fn with_batch(mut self, batch: impl Into<String>) -> Self {
        self.batch = Some(batch.into());
        self
    }

    /// Makes the creation safe to repeat.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Asks for no more than one backup of the target and the business date.
    #[must_use]
    pub fn once_per_date(mut self) -> Self {
        self.once_per_date = true;
        self
    }

    /// Says who asks.
    #[must_use]
    pub fn with_mode(mut self, mode: BatchMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Who asked for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BatchMode {
    /// A scheduler: every request over HTTP.
    #[default]
    Scheduled,
    /// A person: every request on the command line.
    Manual,
}

impl BatchMode {
    /// The original's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Manual => "MANUAL",
        }
    }

    /// The mode with this word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Scheduled, Self::Manual].into_iter().find(|mode| mode.as_str() == text)
    }
}
