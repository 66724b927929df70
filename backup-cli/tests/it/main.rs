//! The real binary, against a simulated YBA and a database file of its own.
#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

mod config;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod documented;
#[cfg(feature = "demo")]
mod help;
mod hostile;
mod left_open;
mod listing;
mod migrating;
mod postgres;
mod readme;
mod refused;
mod running;
mod secrets;
mod stopped;
mod support;
mod unrelated;
