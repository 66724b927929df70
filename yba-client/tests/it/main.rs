//! The crate from outside: every call pinned against a mock server, the simulator's behaviour, and the
//! two against the published description of the API.

mod api;
mod calls;
mod errors;
mod openapi;
mod retry;
mod support;

#[cfg(feature = "simulator")]
mod simulator;
