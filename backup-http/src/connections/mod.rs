//! Connections: how many there may be, what each of them waits for, and when one is let go.
//!
//! A client costs the service a file descriptor and memory for as long as it likes to be slow. So every connection
//! says what it waits for ([`registry`]), one task closes those that wait too long, and when there is no room left the
//! one that is missed least makes room.

mod accept;
mod answer;
pub(crate) mod descriptors;
mod registry;
mod stream;

use std::{convert::Infallible, net::SocketAddr};

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio_util::sync::CancellationToken;

pub(crate) use self::accept::Connections;

/// The two ends of the connection that a request came over, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Whether the answer to a request is waited for by others: while every connection is taken, whoever has waited for
/// the end of a backup for longest is answered without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hurry(CancellationToken);

impl Hurry {
    /// Ends when the answer should not wait any longer.
    pub(crate) async fn needed(&self) {
        self.0.cancelled().await;
    }
}

impl<S: Sync> FromRequestParts<S> for Hurry {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
