//! Session, version, leadership.

use serde_json::{Value, json};

use crate::simulator::{
    reply::{Handled, Refusal},
    world::{Mode, World},
};

pub(super) fn info(world: &World) -> Value {
    json!({
        "authToken": null,
        "apiToken": null,
        "apiTokenVersion": 1,
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
