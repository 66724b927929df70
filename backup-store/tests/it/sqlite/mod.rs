//! SQLite, on a file in a temporary directory.

mod conformance;
mod file;
mod transactions;
mod trouble;
