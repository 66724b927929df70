//! The backup service over HTTP: `POST /backupProcess`, its batches, and the actuator.
//!
//! ```
//! use axum::Router;
//! use backup_core::Orchestrator;
//! use backup_http::{AppState, ServerConfig, router};
//!
//! fn service(orchestrator: Orchestrator) -> Router {
//!     router(AppState::new(orchestrator, ServerConfig::default()))
//! }
//! ```
//!
//! A handler does four things: extract, convert, call the orchestrator, convert back. What is extracted and answered is
//! in `wire`; which error becomes which status is in `error`; every route is on the one page of `routes`.
//! [`serve`] puts the router behind a listener with limits, and takes it down again without losing anybody's answer.

mod auth;
mod body;
mod config;
mod connections;
mod error;
mod handlers;
mod host;
mod limits;
mod meters;
mod routes;
mod serve;
mod state;
mod telemetry;
mod wire;

pub use config::{Auth, ServerConfig};
pub use connections::descriptors::raise_descriptor_limit;
pub use meters::Meters;
pub use routes::router;
pub use serve::serve;
pub use state::AppState;
