//! The service as its callers see it: over the router, and over real connections.

mod actuator;
mod auth;
mod backup_process;
mod bad_input;
mod batches;
mod binary;
mod connections;
mod documentation;
mod hosts;
mod kill;
mod original;
mod readme;
mod secrets;
mod shutdown;
mod signals;
mod support;
mod yba_answers;
