//! A row, column by column: what cannot be read is an error of this row that names the column, and never one of its statement.

use backup_core::store::{PageKey, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::fields::{BATCH, WORK, corrupt};

/// The columns of a batch's row.
pub(crate) struct Reader<'r, R> {
    row: &'r R,
    batch: String,
}

impl<'r, R: Row> Reader<'r, R>
where
    &'static str: ColumnIndex<R>,
{
    /// Of the row of this batch.
    pub(crate) fn new(row: &'r R) -> Self
    where
        String: Decode<'r, R::Database> + Type<R::Database>,
    {
        let batch = row.try_get("batch_id").unwrap_or_else(|_| "(not readable)".to_owned());
        Self { row, batch }
    }

    /// A column of `backup_work`.
    pub(crate) fn work<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.column(WORK, column)
    }

    /// A column of `backup_batch`.
    pub(crate) fn batch<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.column(BATCH, column)
    }

    /// A column of any table.
    pub(crate) fn column<T>(&self, table: &'static str, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.row.try_get(column).map_err(|error| corrupt(table, column, &self.batch, reason(error)))
    }

    /// The place of the row in a list.
    pub(crate) fn key<T>(&self) -> Option<PageKey>
    where
        T: Decode<'r, R::Database> + Type<R::Database> + Into<DateTime<Utc>>,
    {
        let created_at = self.batch::<T>("created_at").ok()?.into();
        Some(PageKey { created_at, batch: self.batch.as_str().into() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.batch
    }
}

/// Without the library's own words about columns.
fn reason(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnDecode { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
