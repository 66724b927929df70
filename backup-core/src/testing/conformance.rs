//! The contract of [`TrackingStore`](crate::TrackingStore) as test functions.

use async_trait::async_trait;

use crate::failure::Failure;

/// A look at the exceptions, which the contract itself only writes.
#[async_trait]
pub trait ReadExceptions: Send + Sync + 'static {
    /// Every exception, in any order.
    async fn exceptions(&self) -> Vec<RecordedException>;
}

/// A row of the exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedException {
    /// The batch, if it has one.
    pub batch: Option<String>,
    /// Why it failed or was refused.
    pub failure: Failure,
}
