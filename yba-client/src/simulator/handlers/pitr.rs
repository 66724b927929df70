//! Point-in-time recovery.

use serde_json::{Value, json};

use super::{text, universes};
use crate::{
    ids::{PitrConfigId, UniverseId},
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        wire,
        world::{PitrChange, SimPitr, SimTask, Work, World},
    },
    types::{PitrState, TableType},
};

fn universe(world: &World, call: &Incoming<'_>) -> Result<UniverseId, Refusal> {
    let id = UniverseId::from(call.part(0));
    if world.data.universes.contains_key(&id) { Ok(id) } else { Err(universes::unknown(&id)) }
}

fn find<'a>(world: &'a World, id: &str) -> Result<&'a SimPitr, Refusal> {
    let found = world.data.pitr.get(&PitrConfigId::from(id));
    found.ok_or_else(|| Refusal::bad_request(format!("Invalid PITR config UUID: {id}")))
}

pub(super) fn list(world: &World, call: &Incoming<'_>) -> Handled {
    let universe = universe(world, call)?;
    let rows = world.data.pitr.values().filter(|row| row.universe == universe);
    Ok(rows.map(|row| wire::pitr(world.now(), row)).collect())
}

fn submit(world: &mut World, call: &Incoming<'_>, universe: &UniverseId, change: PitrChange) -> Handled {
    let row = world.data.universes.get(universe);
    if let Some(holder) = row.and_then(|row| row.holder_type(world)) {
        let text = format!("Task {} cannot be queued on existing task {holder}", change.task_type());
        return Err(Refusal::new(409, text));
    }
    let mut task = SimTask::new(Work::Pitr(universe.clone(), change), world.now());
    task.target = universe.to_string();
    task.duration = world.settings.task_duration;
    task.correlation = call.request_id.clone().filter(|_| world.settings.correlation);
    if let Some(row) = world.data.universes.get_mut(universe) {
        task.target_name.clone_from(&row.spec.name);
        row.queued = Some(task.id.clone());
    }
    let id = world.submit(task);
    Ok(json!({"taskUUID": id, "resourceUUID": null}))
}

fn seconds(body: &Value) -> Result<(u64, u64), Refusal> {
    let number = |field: &str| body.get(field).and_then(Value::as_u64).unwrap_or(0);
    let (retention, interval) = (number("retentionPeriodInSeconds"), number("intervalInSeconds"));
    if interval == 0 || retention <= interval {
        let text = "PITR Config interval must be less than its retention period";
        return Err(Refusal::bad_request(text));
    }
    Ok((retention, interval))
}

pub(super) fn create(world: &mut World, call: &Incoming<'_>) -> Handled {
    let universe = universe(world, call)?;
    let body = call.body()?;
    let (retention, interval) = seconds(&body)?;
    let keyspace = call.part(2).to_owned();
    if world.data.pitr.values().any(|row| row.universe == universe && row.keyspace == keyspace) {
        let text = format!("PITR Config already exists for keyspace {keyspace}");
        return Err(Refusal::bad_request(text));
    }
    let row = SimPitr {
        id: PitrConfigId::from(uuid::Uuid::new_v4()),
        universe: universe.clone(),
        name: text(&body, "name").map(str::to_owned),
        keyspace,
        table_type: TableType::from(call.part(1)),
        state: PitrState::Complete,
        retention,
        interval,
        created: world.now(),
    };
    submit(world, call, &universe, PitrChange::Create(row))
}

pub(super) fn update(world: &mut World, call: &Incoming<'_>) -> Handled {
    let universe = universe(world, call)?;
    let (retention, interval) = seconds(&call.body()?)?;
    let id = find(world, call.part(1))?.id.clone();
    submit(world, call, &universe, PitrChange::Update { id, retention, interval })
}

pub(super) fn delete(world: &mut World, call: &Incoming<'_>) -> Handled {
    let universe = universe(world, call)?;
    let id = find(world, call.part(1))?.id.clone();
    submit(world, call, &universe, PitrChange::Delete(id))
}

pub(super) fn restore(world: &mut World, call: &Incoming<'_>) -> Handled {
    let universe = universe(world, call)?;
    let body = call.body()?;
    let row = find(world, text(&body, "pitrConfigUUID").unwrap_or_default())?;
    let moment = body.get("restoreTimeInMillis").and_then(Value::as_i64).unwrap_or(0);
    if moment > world.now().timestamp_millis() || moment < row.created.timestamp_millis() {
        return Err(Refusal::bad_request("Restore time is outside the recoverable window"));
    }
    let id = row.id.clone();
    submit(world, call, &universe, PitrChange::Restore(id))
}
