//! The store against its contract, and against trouble.

#[cfg(feature = "sqlite")]
mod sqlite;
