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

use std::net::SocketAddr;

pub(crate) use self::accept::Connections;

/// The two ends of the connection that a request came over, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}
