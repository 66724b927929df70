//! A transaction in one call: a creation or a step of a batch that would otherwise be three calls to the thread that owns the
//! connection.
//!
//! Whatever stops it half way, an error or a caller that goes away, its connection is of no more use: closed, it is rolled back.

/// The statements, and what makes a transaction of them.
pub(super) fn of(statements: &str) -> String {
    format!("BEGIN IMMEDIATE; {} COMMIT;", statements.trim_end())
}
