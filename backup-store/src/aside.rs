//! Rows that cannot be read, by a word of a later version or by damage, are set aside: the work of the others goes on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backup_core::store::StoreError;

use crate::config::{StoreEvent, StoreObserver};

/// How long a row that could not be read is left alone.
pub(crate) const LEFT_ALONE: Duration = Duration::from_mins(10);
/// More are not remembered, so they may be named again.
const MOST_REMEMBERED: usize = 1000;

/// What could be read of a statement's rows, and what could not.
pub(crate) struct Sorted<T> {
    pub(crate) readable: Vec<T>,
    pub(crate) unreadable: Vec<StoreError>,
}

impl<T> Sorted<T> {
    /// For whoever asked for a row by name: an error if it cannot be read.
    pub(crate) fn all(mut self) -> Result<Self, StoreError> {
        self.unreadable.pop().map_or(Ok(self), Err)
    }
}

impl<T> FromIterator<Result<T, StoreError>> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, StoreError>>>(rows: I) -> Self {
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Ok(row) => readable.push(row),
                Err(error) => unreadable.push(error),
            }
        }
        Self { readable, unreadable }
    }
}

/// Names the rows that are set aside: each once in the log, and each time it is met to the observer.
#[derive(Clone, Default)]
pub(crate) struct Aside {
    named: Arc<Mutex<HashSet<String>>>,
}

impl Aside {
    pub(crate) fn name(&self, rows: &[StoreError], observer: Option<&StoreObserver>) {
        for error in rows {
            let StoreError::Corrupt { table, column, batch, .. } = error else { continue };
            if let Some(observer) = observer {
                observer(StoreEvent::UnreadableRow { table, column });
            }
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if named.len() < MOST_REMEMBERED && named.insert(format!("{batch} {column}")) {
                tracing::error!(
                    batch.id = batch,
                    %error,
                    "a row cannot be read and is left alone; the version that wrote it can read it"
                );
            }
        }
    }
}

/// The batches of rows that could not be read.
pub(crate) fn batches(rows: &[StoreError]) -> Vec<String> {
    let batch = |error: &StoreError| match error {
        StoreError::Corrupt { batch, .. } => Some(batch.clone()),
        _ => None,
    };
    rows.iter().filter_map(batch).collect()
}
