//! Migrations: files of single statements, each safe to run twice, since YugabyteDB does not roll DDL back.
//!
//! They run in order, and a row of `backup_schema_version` says which have. A file is never edited once released: its
//! checksum is in that row. Each engine has its own loop; the numbers and names are the same.

use crate::error::ConnectError;

/// One file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    pub(crate) version: i32,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migrations {
    ($engine:literal: $($version:literal $name:literal,)+) => {
        &[$($crate::migrate::Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $engine, "/", $name, ".sql")),
        }),+]
    };
}
pub(crate) use migrations;

impl Migration {
    /// Its statements: a semicolon at the end of a line ends one.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
    }

    /// FNV-1a of the text, so that an edit is noticed.
    pub(crate) fn checksum(&self) -> String {
        format!("{:016x}", fnv1a(self.sql.as_bytes()))
    }
}

/// A hash that is the same for ever, on every machine.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A row of `backup_schema_version`.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) version: i32,
    pub(crate) checksum: String,
}

/// The migrations that did not run yet. More than we know of is fine: a newer version of the service was here.
pub(crate) fn missing<'a>(
    all: &'a [Migration],
    applied: &[Applied],
    address: &str,
) -> Result<Vec<&'a Migration>, ConnectError> {
    let mut missing = Vec::new();
    for migration in all {
        match applied.iter().find(|row| row.version == migration.version) {
            None => missing.push(migration),
            Some(row) if row.checksum != migration.checksum() => {
                let (address, migration) = (address.to_owned(), migration.name.to_owned());
                return Err(ConnectError::EditedMigration { address, migration });
            }
            Some(_) => {}
        }
    }
    Ok(missing)
}

/// The error for tables that are not what we need when nobody lets us change them.
pub(crate) fn not_migrated(missing: &[&Migration], address: &str) -> ConnectError {
    ConnectError::NotMigrated {
        address: address.to_owned(),
        missing: missing.iter().map(|migration| migration.name.to_owned()).collect(),
    }
}
