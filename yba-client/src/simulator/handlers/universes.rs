//! Universes.

use serde_json::{Value, json};

use crate::{
    ids::UniverseId,
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        wire,
        world::{SimUniverse, World},
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

fn find<'a>(world: &'a World, call: &Incoming<'_>) -> Result<&'a SimUniverse, Refusal> {
    let id = UniverseId::from(call.part(0));
    world.data.universes.get(&id).ok_or_else(|| unknown(&id))
}

pub(super) fn namespaces(world: &World, call: &Incoming<'_>) -> Handled {
    let universe = find(world, call)?;
    Ok(wire::namespaces(universe))
}

pub(super) fn tables(world: &World, call: &Incoming<'_>) -> Handled {
    let universe = find(world, call)?;
    Ok(wire::tables(universe))
}

pub(super) fn update_backup_state(world: &mut World, call: &Incoming<'_>) -> Handled {
    let id = find(world, call)?.id.clone();
    let Some(active) = call.query("markActive").and_then(|value| value.parse().ok()) else {
        return Err(Refusal::bad_request("markActive must be true or false"));
    };
    if let Some(universe) = world.data.universes.get_mut(&id) {
        universe.take_backups = active;
    }
    Ok(json!({"success": true}))
}
