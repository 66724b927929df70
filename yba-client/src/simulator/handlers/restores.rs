//! Restores.

use serde_json::{Value, json};

use super::{list, text, universes};
use crate::{
    ids::{BackupId, StorageConfigId, UniverseId},
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        spec::Outcome,
        wire,
        world::{RestoreKeyspaceOrder, RestoreOrder, SimRestore, SimTask, SimUniverse, Work, World},
    },
    types::{BackupCategory, TableType},
};

pub(super) fn create(world: &mut World, call: &Incoming<'_>) -> Handled {
    let order = checked(world, &call.body()?)?;
    let universe = order.universe.clone();
    let mut task = SimTask::new(Work::Restore(order), world.now());
    task.target = universe.to_string();
    task.correlation = call.request_id.clone().filter(|_| world.settings.correlation);
    task.duration = world.settings.task_duration;
    if let Some(row) = world.data.universes.get_mut(&universe) {
        task.target_name.clone_from(&row.spec.name);
        task.duration = row.spec.task_duration.unwrap_or(task.duration);
        task.outcome = row.restore_outcomes.pop_front().unwrap_or(Outcome::Success);
        row.queued = Some(task.id.clone());
    }
    let id = world.submit(task);
    Ok(json!({"taskUUID": id, "resourceUUID": null}))
}

fn checked(world: &World, body: &Value) -> Result<RestoreOrder, Refusal> {
    let Some(universe) = text(body, "universeUUID").map(UniverseId::from) else {
        return Err(Refusal::fields(&["universeUUID"]));
    };
    let row = world.data.universes.get(&universe).ok_or_else(|| universes::unknown(&universe))?;
    let infos = body.get("backupStorageInfoList").and_then(Value::as_array);
    let infos = infos.map(Vec::as_slice).unwrap_or_default();
    if infos.is_empty() {
        return Err(Refusal::bad_request("Backup information not provided"));
    }
    let sources = infos.iter().map(|info| source(row, info)).collect::<Result<Vec<_>, _>>()?;
    let config = StorageConfigId::from(text(body, "storageConfigUUID").unwrap_or_default());
    let storage = world.data.configs.get(&config);
    let storage =
        storage.ok_or_else(|| Refusal::bad_request(format!("Invalid StorageConfig UUID: {config}")))?;
    if !storage.active {
        return Err(Refusal::bad_request("Cannot restore backup as config is queued for deletion."));
    }
    let category = BackupCategory::from(text(body, "category").unwrap_or_default());
    if category == BackupCategory::YbController && !row.spec.ybc {
        let text = "Cannot restore the ybc backup as ybc is not installed on the universe";
        return Err(Refusal::bad_request(text));
    }
    if world.settings.task_queue
        && let Some(holder) = row.holder_type(world)
    {
        let text = format!("Task RestoreBackup cannot be queued on existing task {holder}");
        return Err(Refusal::new(409, text));
    }
    Ok(RestoreOrder { universe, sources, ybc: row.spec.ybc })
}

fn source(row: &SimUniverse, info: &Value) -> Result<RestoreKeyspaceOrder, Refusal> {
    let keyspace = text(info, "keyspace").map(str::trim).unwrap_or_default();
    if keyspace.is_empty() {
        return Err(Refusal::bad_request("Restore keyspace cannot be empty/blank"));
    }
    let table_type = TableType::from(text(info, "backupType").unwrap_or_default());
    let (on, name) = match table_type {
        TableType::Ysql => (row.spec.ysql, "YSQL"),
        TableType::Ycql => (row.spec.ycql, "YCQL"),
        _ => (true, ""),
    };
    if !on {
        let text = format!("Cannot restore backups on {name} tables if API is disabled");
        return Err(Refusal::bad_request(text));
    }
    Ok(RestoreKeyspaceOrder {
        keyspace: keyspace.to_owned(),
        location: text(info, "storageLocation").unwrap_or_default().to_owned(),
        table_type,
    })
}

pub(super) fn preflight(world: &World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let universe = UniverseId::from(text(&body, "universeUUID").unwrap_or_default());
    let failed = |text: &str| {
        Refusal::bad_request(format!(
            "Running restore preflight failed for universe {universe} error: {text}"
        ))
    };
    let row = world.data.universes.get(&universe).ok_or_else(|| failed("Cannot find universe"))?;
    let backup = BackupId::from(text(&body, "backupUUID").unwrap_or_default());
    let backup = world.data.backups.get(&backup);
    let backup = backup.ok_or_else(|| failed("Invalid customer or backup UUID"))?;
    if backup.order.category == BackupCategory::YbController && !row.spec.ybc {
        return Err(failed("ybc is not installed on the universe"));
    }
    Ok(wire::preflight(&world.data, backup))
}

pub(super) fn page(world: &World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let filter = body.get("filter").unwrap_or(&Value::Null);
    let admits = |field: &str, value: &str| {
        let wanted = list(filter, field);
        wanted.is_empty() || wanted.contains(&value)
    };
    let mut rows: Vec<&SimRestore> = world
        .data
        .restores
        .values()
        .filter(|row| {
            admits("restoreUUIDList", row.id.as_str())
                && admits("universeUUIDList", row.order.universe.as_str())
                && admits("states", row.state.as_str())
        })
        .collect();
    rows.sort_by_key(|row| row.created);
    if text(&body, "direction") != Some("ASC") {
        rows.reverse();
    }
    Ok(super::paged(&body, &rows, |row| wire::restore(&world.data, row)))
}
