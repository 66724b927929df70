//! Health in the shape that Spring users know.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A state, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Down,
    OutOfService,
    Up,
}

/// The answer of a health endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: Status,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    components: BTreeMap<&'static str, Component>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Component {
    status: Status,
}

impl Health {
    /// One state.
    pub(crate) fn of(status: Status) -> Self {
        Self { status, components: BTreeMap::new(), groups: &[] }
    }

    /// The worst of all states, and each of them.
    pub(crate) fn with_components<const N: usize>(components: [(&'static str, Status); N]) -> Self {
        let status = components.iter().map(|(_, status)| *status).min().unwrap_or(Status::Up);
        let components = components.map(|(name, status)| (name, Component { status })).into();
        Self { status, components, groups: &["liveness", "readiness"] }
    }
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let status = if self.status == Status::Up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}
