//! Why there is no store: errors of the start, for people. Errors of the work are core's `StoreError`.

/// Why [`connect`](crate::connect) failed. No text holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none.
    #[error("the database address {address} is not usable: {what}")]
    Address {
        /// The address, without secrets.
        address: String,
        /// What is wrong with it.
        what: String,
    },
    /// The schema is not a plain identifier.
    #[error("the schema \"{schema}\" is not a plain identifier: letters, digits and underscores, at most 63")]
    Schema {
        /// The schema.
        schema: String,
    },
    /// This build has no such engine.
    #[error("this build has no support for {engine}; build it with the feature `{feature}`")]
    NotBuilt {
        /// The engine.
        engine: &'static str,
        /// The feature of this crate.
        feature: &'static str,
    },
    /// The SQLite file is not there, and must not be made.
    #[error("there is no database yet: no file {path}")]
    NoDatabase {
        /// Where it was looked for.
        path: String,
    },
    /// SQLite's locks do not work over a network.
    #[error("the database file {path} is on a network file system ({kind}); use a local disk, or PostgreSQL")]
    NetworkFileSystem {
        /// The file.
        path: String,
        /// The file system.
        kind: String,
    },
    /// The database cannot be reached, after the retries.
    #[error("the database at {address} cannot be reached (tried {tries} times)")]
    Unreachable {
        /// The address, without secrets.
        address: String,
        /// The tries.
        tries: u32,
        /// The cause of the last one.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused us: a wrong password, a missing right, a file that is no database.
    #[error("the database at {address} refused {what}")]
    Refused {
        /// The address, without secrets.
        address: String,
        /// What was attempted.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database is there, and is not one that the store can use: another encoding, another schema.
    #[error("the database at {address} cannot be used: {what}")]
    Unfit {
        /// The address, without secrets.
        address: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The tables are not what this version needs, and may not be changed: migrations are off.
    #[error(
        "the tables at {address} lack {}, and migrations are switched off; start any program of this version once with \
         them on, as a role that may create tables (statements run by hand are not recorded as run)",
        missing.join(", ")
    )]
    NotMigrated {
        /// The address, without secrets.
        address: String,
        /// The migrations that are missing, by file name.
        missing: Vec<String>,
    },
    /// A migration that ran already was changed afterwards.
    #[error(
        "migration {migration} at {address} is not the one that ran: a released migration is never edited"
    )]
    EditedMigration {
        /// The address, without secrets.
        address: String,
        /// The migration, by file name.
        migration: String,
    },
    /// Somebody else migrates, and does not come to an end.
    #[error("another process holds the lease \"{lease}\" at {address} for longer than {waited_s} s")]
    LeaseHeld {
        /// The address, without secrets.
        address: String,
        /// The named lease.
        lease: &'static str,
        /// How long we waited, in seconds.
        waited_s: u64,
    },
}
