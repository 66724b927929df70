//! Session, version, leadership.

use serde_json::{Value, json};

use crate::simulator::{
    reply::{Handled, Refusal},
    server::Incoming,
    wire,
    world::{Mode, World},
};

pub(super) fn info(world: &World) -> Value {
    json!({
        "authToken": null,
        "apiToken": null,
        "apiTokenVersion": world.settings.token_version,
        "customerUUID": world.settings.customer,
        "userUUID": "5f6a1c52-26a5-4b9e-a2a9-0d4f4f1f0001",
    })
}

pub(super) fn version(world: &World) -> Value {
    json!({"version": world.settings.version})
}

pub(super) fn ha_leader(world: &World) -> Handled {
    if world.settings.mode == Mode::Standby {
        return Err(Refusal::new(404, "YBA instance is HA follower"));
    }
    if !world.settings.high_availability {
        return Err(Refusal::new(404, "No HA Config exists"));
    }
    Ok(json!({"success": true, "message": "YBA instance is HA leader"}))
}

pub(super) fn customers(world: &World) -> Value {
    json!([wire::customer(world)])
}

pub(super) fn customer(world: &World) -> Value {
    let mut body = wire::customer(world);
    body["universeUUIDs"] = world.data.universes.keys().map(|id| json!(id)).collect();
    body
}

/// Logging in makes a new token, so the old one is no longer accepted.
pub(super) fn log_in(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let field = |name: &str| super::text(&body, name).map(str::to_owned);
    let (Some(email), Some(password)) = (field("email"), field("password")) else {
        return Err(Refusal::fields(&["email", "password"]));
    };
    if (email, password) != world.settings.login {
        return Err(Refusal::new(401, "Invalid User Credentials."));
    }
    Ok(new_token(world))
}

pub(super) fn regenerate_token(world: &mut World, call: &Incoming<'_>) -> Handled {
    let expected = call.query("apiTokenVersion").and_then(|version| version.parse().ok());
    if expected.is_some_and(|expected: u64| expected != world.settings.token_version) {
        return Err(Refusal::bad_request("API token version has changed"));
    }
    Ok(new_token(world))
}

fn new_token(world: &mut World) -> Value {
    world.settings.token = uuid::Uuid::new_v4().to_string();
    world.settings.token_version += 1;
    let mut body = info(world);
    body["apiToken"] = json!(world.settings.token);
    body
}
