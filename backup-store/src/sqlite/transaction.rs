//! A transaction in one call: a creation or a step of a batch that would otherwise be three calls to the thread that owns the
//! connection.

use sqlx::{
    Executor, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

/// The statements, and what makes a transaction of them.
pub(super) fn of(statements: &str) -> String {
    format!("BEGIN IMMEDIATE; {} COMMIT;", statements.trim_end())
}

/// Carries out such a text; what it did not commit it rolls back. To be waited for to its end: dropped half way, it would leave the
/// transaction open.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let rows = query.fetch_all(&mut *connection).await;
    if rows.is_err() {
        // Refused where there is nothing to roll back: it failed to begin, or SQLite did it.
        let _ = connection.execute("ROLLBACK").await;
    }
    rows
}
