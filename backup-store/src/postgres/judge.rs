//! What PostgreSQL's and YugabyteDB's errors ask for, by SQLSTATE.

use crate::replay::Verdict;

/// Sorts an error.
pub(super) fn judge(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => {
            by_state(error.code().as_deref().unwrap_or_default(), error.message())
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Verdict::Lost,
        // A handshake that broke off is a lost connection; a certificate that does not fit is not.
        sqlx::Error::Tls(error) if is_io(error.as_ref()) => Verdict::Lost,
        // The pool has tried for its whole timeout.
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Verdict::TimedOut,
        _ => Verdict::Refused,
    }
}

/// The node became a standby, or was set to take no writes.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("25006"))
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>() || error.source().is_some_and(is_io)
}

fn by_state(state: &str, message: &str) -> Verdict {
    match state {
        // A serialization failure, a deadlock; 23505 is a unique insert that raced (YugabyteDB does not try the insert
        // of an ON CONFLICT again, as PostgreSQL does).
        "40001" | "40P01" | "23505" => Verdict::Contention,
        // The node goes, comes, is full, or takes no writes.
        "57P01" | "57P02" | "57P03" | "53300" | "25006" => Verdict::Lost,
        "26000" | "42P05" => Verdict::Stale,
        "0A000" if message.contains("cached plan must not change result type") => Verdict::Stale,
        "55P03" | "57014" => Verdict::TimedOut,
        "XX000" if is_passing(message) => Verdict::Contention,
        state if state.starts_with("YB") => Verdict::Contention,
        // XX000 is an unfamiliar internal error: a few slow tries, since our writes are fenced.
        state if state == "XX000" || state.starts_with("08") => Verdict::Lost,
        _ => Verdict::Refused,
    }
}

/// YugabyteDB's words for "the catalog changed under this transaction".
fn is_passing(message: &str) -> bool {
    const PASSING: [&str; 5] = [
        "schema version mismatch",
        "catalog version mismatch",
        "Restart read required",
        "Object Lock Manager Shutdown",
        "tuple concurrently updated",
    ];
    PASSING.iter().any(|words| message.contains(words))
        || (message.contains("catalog snapshot") && message.contains("invalidated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_verdict() {
        let cases = [
            ("40001", "", Verdict::Contention),
            ("40P01", "", Verdict::Contention),
            ("YB001", "expired or aborted", Verdict::Contention),
            ("23505", "duplicate key", Verdict::Contention),
            ("57P01", "terminating connection", Verdict::Lost),
            ("57P03", "starting up", Verdict::Lost),
            ("08006", "", Verdict::Lost),
            ("53300", "too many clients", Verdict::Lost),
            ("25006", "read-only", Verdict::Lost),
            (
                "XX000",
                "The catalog snapshot used for this transaction has been invalidated",
                Verdict::Contention,
            ),
            ("XX000", "schema version mismatch for table", Verdict::Contention),
            ("XX000", "something else", Verdict::Lost),
            ("0A000", "cached plan must not change result type", Verdict::Stale),
            ("0A000", "not yet implemented", Verdict::Refused),
            ("26000", "", Verdict::Stale),
            ("55P03", "lock timeout", Verdict::TimedOut),
            ("57014", "statement timeout", Verdict::TimedOut),
            ("42P01", "relation does not exist", Verdict::Refused),
            ("28P01", "password authentication failed", Verdict::Refused),
            ("42501", "permission denied", Verdict::Refused),
        ];
        for (state, message, verdict) in cases {
            assert_eq!(by_state(state, message), verdict, "{state} {message}");
        }
    }
}
