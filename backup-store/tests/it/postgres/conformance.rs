//! The contract, at both isolation levels: YugabyteDB runs snapshots unless it is told otherwise.

mod read_committed {
    use backup_core::testing::conformance::Subject;

    backup_core::conformance_tests!(subject);

    async fn subject(test: &str) -> Option<Subject> {
        crate::postgres::subject_with(&format!("postgres::conformance::read_committed::{test}"), "").await
    }
}

mod repeatable_read {
    use backup_core::testing::conformance::Subject;

    backup_core::conformance_tests!(subject);

    async fn subject(test: &str) -> Option<Subject> {
        let isolation = "&options=-c%20default_transaction_isolation=repeatable%5C%20read";
        crate::postgres::subject_with(&format!("postgres::conformance::repeatable_read::{test}"), isolation)
            .await
    }
}
