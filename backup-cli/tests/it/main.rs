//! The real binary, against a simulated YBA and a database file of its own.

mod config;
mod demo;
mod help;
mod listing;
mod refused;
mod running;
mod secrets;
mod stopped;
mod support;
