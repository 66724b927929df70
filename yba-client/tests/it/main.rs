//! The crate from outside: every call pinned against a mock server, the simulator's behaviour, and the
//! two against the published description of the API.

mod api;
mod calls;
mod decoding;
mod errors;
mod hostile;
mod logs;
mod openapi;
mod retry;
mod support;
mod tls;

#[cfg(feature = "simulator")]
mod simulator;
