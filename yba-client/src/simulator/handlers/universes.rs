//! Universes.

use serde_json::Value;

use crate::{
    ids::UniverseId,
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        wire,
        world::World,
    },
};

pub(super) fn list(world: &World, call: &Incoming<'_>) -> Value {
    let name = call.query("name");
    let wanted = world
        .data
        .universes
        .values()
        .filter(|universe| name.as_ref().is_none_or(|name| universe.spec.name == *name));
    wanted.map(wire::universe).collect::<Value>()
}

pub(super) fn get(world: &World, call: &Incoming<'_>) -> Handled {
    let id = UniverseId::from(call.part(0));
    world.data.universes.get(&id).map(wire::universe).ok_or_else(|| unknown(&id))
}

pub(super) fn unknown(id: &UniverseId) -> Refusal {
    Refusal::bad_request(format!("Cannot find universe {id}"))
}
