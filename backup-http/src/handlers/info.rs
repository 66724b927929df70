//! `GET /actuator/info`: what is running here.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::state::AppState;

/// The commit that the binary was built from, where the build said so (`GIT_COMMIT`).
const COMMIT: Option<&str> = option_env!("GIT_COMMIT");

/// Name, version, compiler and commit.
pub(crate) async fn info(State(state): State<AppState>) -> Json<Value> {
    let mut info = json!({
        "app": { "name": state.config().application_name },
        "build": {
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "rust-version": env!("CARGO_PKG_RUST_VERSION"),
        },
    });
    if let Some(commit) = COMMIT.filter(|commit| !commit.is_empty()) {
        info["git"] = json!({ "commit": { "id": commit } });
    }
    Json(info)
}
