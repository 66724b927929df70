//! Backups. The checks of `create` are in YBA's order, because a request with two faults gets the
//! text of the first.

use std::time::Duration;

use serde_json::{Value, json};

use super::{list, text, universes};
use crate::{
    ids::{BackupId, ScheduleId, StorageConfigId, TaskId, UniverseId},
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        spec::Outcome,
        wire,
        world::{BackupOrder, SimBackup, SimTask, SimUniverse, Work, World, expiry},
    },
    types::{BackupCategory, BackupState, TableType},
};

pub(super) fn create(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let order = checked(world, &body)?;
    let universe = order.universe.clone();
    let now = world.now();
    let settings = world.settings.clone();
    let Some(row) = world.data.universes.get_mut(&universe) else {
        return Err(universes::unknown(&universe));
    };
    let mut task = SimTask::new(Work::Backup(order), now);
    task.target = universe.to_string();
    task.target_name.clone_from(&row.spec.name);
    task.duration = row.spec.task_duration.unwrap_or(settings.task_duration);
    task.outcome = row.outcomes.pop_front().unwrap_or(Outcome::Success);
    task.correlation = call.request_id.clone().filter(|_| settings.correlation);
    row.started += 1;
    row.queued = Some(task.id.clone());
    let id = world.submit(task);
    Ok(json!({"taskUUID": id, "resourceUUID": null}))
}

/// YBA's checks before it accepts a backup.
fn checked(world: &World, body: &Value) -> Result<BackupOrder, Refusal> {
    let order = read_checked(body)?;
    let universe = world.data.universes.get(&order.universe);
    let universe = universe.ok_or_else(|| universes::unknown(&order.universe))?;
    let id = &order.universe;
    if !universe.take_backups {
        return Err(Refusal::bad_request("Taking backups on the universe is disabled"));
    }
    if universe.lock.is_some() {
        return Err(Refusal::new(
            409,
            format!("Cannot run Backup task since the universe {id} is currently in a locked state."),
        ));
    }
    if body.get("parallelDBBackups").and_then(Value::as_i64).is_some_and(|n| n <= 0) {
        let text = format!("Invalid parallel backups value provided for universe {id}");
        return Err(Refusal::bad_request(text));
    }
    if order.time_before_delete != 0 && order.expiry_time_unit.is_none() {
        return Err(Refusal::bad_request("Please provide time unit for backup expiry"));
    }
    for (on, kind, name) in
        [(universe.spec.ysql, TableType::Ysql, "YSQL"), (universe.spec.ycql, TableType::Ycql, "YCQL")]
    {
        if !on && order.table_type == kind {
            let text = format!("Cannot take backups on {name} tables if API is disabled");
            return Err(Refusal::bad_request(text));
        }
    }
    check_storage(world, &order)?;
    if let Some(base) = &order.base {
        check_base(world, universe.spec.ybc, base)?;
    }
    let point_in_time = body.get("enablePointInTimeRestore").and_then(Value::as_bool);
    if point_in_time == Some(true) && !universe.spec.ybc {
        let text = "Point-In-Time-Restorable backup not allowed for non-YBC universes";
        return Err(Refusal::bad_request(text));
    }
    if let Some((status, text)) = &world.settings.storage_check {
        return Err(Refusal::new(*status, text.clone()));
    }
    if world.settings.task_queue
        && let Some(holder) = universe.holder_type(world)
    {
        let text = format!("Task CreateBackup cannot be queued on existing task {holder}");
        return Err(Refusal::new(409, text));
    }
    Ok(BackupOrder { category: engine(universe, &order), ..order })
}

/// The engine that will make a backup.
pub(super) fn engine(universe: &SimUniverse, order: &BackupOrder) -> BackupCategory {
    if universe.spec.ybc && order.category != BackupCategory::Script {
        BackupCategory::YbController
    } else {
        BackupCategory::Script
    }
}

/// Reads an order; what must be there must be there.
pub(super) fn read_checked(body: &Value) -> Result<BackupOrder, Refusal> {
    let required = ["universeUUID", "backupType"];
    let missing: Vec<&str> = required.into_iter().filter(|field| text(body, field).is_none()).collect();
    if missing.is_empty() { Ok(read(body)) } else { Err(Refusal::fields(&missing)) }
}

pub(super) fn check_storage(world: &World, order: &BackupOrder) -> Result<(), Refusal> {
    if order.config.as_str().is_empty() {
        return Err(Refusal::bad_request("Missing StorageConfig UUID: null"));
    }
    let config = world
        .data
        .configs
        .get(&order.config)
        .ok_or_else(|| Refusal::bad_request(format!("Invalid StorageConfig UUID: {}", order.config)))?;
    if !config.active {
        return Err(Refusal::bad_request("Cannot create backup as config is queued for deletion."));
    }
    Ok(())
}

fn check_base(world: &World, ybc: bool, base: &BackupId) -> Result<(), Refusal> {
    if !ybc {
        return Err(Refusal::bad_request("Incremental backup not allowed for non-YBC universes"));
    }
    // An increment's id is the base of nothing, so it finds no chain.
    let chain = world.data.chains.get(base).map(Vec::as_slice).unwrap_or_default();
    let completed = chain
        .iter()
        .filter_map(|id| world.data.backups.get(id))
        .any(|row| row.state == BackupState::Completed);
    if completed {
        return Ok(());
    }
    let text = "No previous successful backup found, please trigger a new base backup.";
    Err(Refusal::bad_request(text))
}

fn read(body: &Value) -> BackupOrder {
    let list = match body.get("keyspaceTableList") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    BackupOrder {
        universe: UniverseId::from(text(body, "universeUUID").unwrap_or_default()),
        config: StorageConfigId::from(text(body, "storageConfigUUID").unwrap_or_default()),
        table_type: TableType::from(text(body, "backupType").unwrap_or_default()),
        category: BackupCategory::from(text(body, "backupCategory").unwrap_or_default()),
        keyspaces: list.iter().filter_map(|entry| text(entry, "keyspace")).map(Into::into).collect(),
        base: text(body, "baseBackupUUID").map(BackupId::from),
        time_before_delete: body.get("timeBeforeDelete").and_then(Value::as_i64).unwrap_or(0),
        expiry_time_unit: text(body, "expiryTimeUnit").map(Into::into),
        schedule: None,
        body: body.clone(),
    }
}

fn find<'a>(world: &'a World, id: &BackupId) -> Result<&'a SimBackup, Refusal> {
    let row = world.data.backups.get(id);
    row.ok_or_else(|| Refusal::bad_request("Invalid customer or backup UUID"))
}

pub(super) fn get(world: &World, call: &Incoming<'_>) -> Handled {
    let row = find(world, &BackupId::from(call.part(0)))?;
    Ok(wire::backup(&world.data, row))
}

pub(super) fn of_task(world: &World, call: &Incoming<'_>) -> Value {
    // The query is by task alone; the universe in the path is not looked at.
    let task = TaskId::from(call.part(1));
    let row = world.data.backup_of_task.get(&task).and_then(|id| world.data.backups.get(id));
    row.map(|row| wire::backup(&world.data, row)).into_iter().collect::<Value>()
}

pub(super) fn increments(world: &World, call: &Incoming<'_>) -> Handled {
    let row = find(world, &BackupId::from(call.part(0)))?;
    if row.is_increment() {
        return Ok(json!([]));
    }
    Ok(wire::chain_infos(&world.data, row))
}

pub(super) fn page(world: &World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let filter = Filter(body.get("filter").unwrap_or(&Value::Null));
    let universes = filter.list("universeUUIDList");
    // A filter by universe is answered from that universe's own list.
    let heads: Vec<&BackupId> = match universes.as_slice() {
        [] => world.data.heads.iter().collect(),
        wanted => {
            wanted.iter().filter_map(|id| world.data.heads_of.get(&UniverseId::from(*id))).flatten().collect()
        }
    };
    let mut rows: Vec<&SimBackup> = heads
        .into_iter()
        .filter_map(|id| world.data.backups.get(id))
        .filter(|row| filter.matches(world, row))
        .collect();
    rows.sort_by_key(|row| row.created);
    if text(&body, "direction") != Some("ASC") {
        rows.reverse();
    }
    Ok(super::paged(&body, &rows, |row| wire::backup_resp(&world.data, row)))
}

/// The filter of a page request.
struct Filter<'a>(&'a Value);

impl Filter<'_> {
    fn list(&self, field: &str) -> Vec<&str> {
        list(self.0, field)
    }

    fn admits(&self, field: &str, value: &str) -> bool {
        let wanted = self.list(field);
        wanted.is_empty() || wanted.contains(&value)
    }

    fn matches(&self, world: &World, row: &SimBackup) -> bool {
        let keyspaces = self.list("keyspaceList");
        let names = self.list("universeNameList");
        let name = world.data.universes.get(&row.order.universe).map(|u| u.spec.name.as_str());
        self.admits("storageConfigUUIDList", row.order.config.as_str())
            && self.admits("backupUUIDList", row.id.as_str())
            && self.admits("states", row.state.as_str())
            && self.admits("scheduleUUIDList", row.order.schedule.as_ref().map_or("", ScheduleId::as_str))
            && (keyspaces.is_empty() || row.order.keyspaces.iter().any(|k| keyspaces.contains(&k.as_str())))
            && (names.is_empty() || name.is_some_and(|name| names.iter().any(|wanted| name.contains(wanted))))
            && self.in_range(row)
    }

    /// The dates count only if both are given.
    fn in_range(&self, row: &SimBackup) -> bool {
        let date = |field: &str| text(self.0, field).and_then(crate::parse_date);
        match (date("dateRangeStart"), date("dateRangeEnd")) {
            (Some(from), Some(to)) => (from..=to).contains(&row.created),
            _ => true,
        }
    }
}

pub(super) fn edit(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let id = BackupId::from(call.part(0));
    let row = find(world, &id)?;
    let life = body.get("timeBeforeDeleteFromPresentInMillis").and_then(Value::as_i64).unwrap_or(0);
    let config = text(&body, "storageConfigUUID");
    if is_busy(&row.state) {
        return Err(Refusal::bad_request("Cannot edit a backup that is in progress state"));
    }
    if row.is_increment() {
        return Err(Refusal::bad_request("Cannot edit an incremental backup"));
    }
    if life < 0 && config.is_none() {
        return Err(Refusal::bad_request(
            "Please provide either a positive expiry time or storage config to edit backup",
        ));
    }
    if life > 0 && text(&body, "expiryTimeUnit").is_none() {
        return Err(Refusal::bad_request("Please provide a time unit for backup expiry"));
    }
    let now = world.now();
    let unit = text(&body, "expiryTimeUnit").map(str::to_owned);
    if let Some(row) = world.data.backups.get_mut(&id) {
        row.expiry = expiry(now, life);
        row.order.time_before_delete = life.max(0);
        row.order.expiry_time_unit = unit;
        row.updated = now;
    }
    Ok(wire::backup(&world.data, find(world, &id)?))
}

/// States in which YBA neither edits nor deletes.
fn is_busy(state: &BackupState) -> bool {
    matches!(state, BackupState::InProgress | BackupState::QueuedForDeletion | BackupState::DeleteInProgress)
}

pub(super) fn delete(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let infos = body.get("deleteBackupInfos").and_then(Value::as_array);
    let ids: Vec<BackupId> =
        infos.into_iter().flatten().filter_map(|info| text(info, "backupUUID")).map(BackupId::from).collect();
    let (mut tasks, mut entries) = (Vec::new(), Vec::new());
    let now = world.now();
    for id in ids {
        // What cannot be deleted is only logged, and silently left out of the answer.
        let Some(row) = world.data.backups.get(&id) else { continue };
        if is_busy(&row.state) || (row.is_increment() && row.state == BackupState::Completed) {
            continue;
        }
        let mut task = SimTask::new(Work::Delete(id.clone()), now);
        task.target = row.order.universe.to_string();
        task.duration = Duration::ZERO;
        task.outcome = deletion_outcome(world, &id);
        task.correlation = call.request_id.clone().filter(|_| world.settings.correlation);
        let task = world.submit(task);
        entries.push(json!({"taskUUID": task, "resourceUUID": id}));
        tasks.push(task);
    }
    Ok(json!({"taskUUID": tasks, "ybpTaskList": entries}))
}

/// Deleting a chain of which a member is being made fails in the task.
fn deletion_outcome(world: &World, id: &BackupId) -> Outcome {
    let chain = world.data.chains.get(id).map(Vec::as_slice).unwrap_or_default();
    let mut members = chain.iter().filter_map(|id| world.data.backups.get(id));
    if members.any(|member| member.state == BackupState::InProgress) {
        return Outcome::failure(format!(
            "Cannot delete backup {id} as a incremental/full backup is in progress."
        ));
    }
    Outcome::Success
}

pub(super) fn stop(world: &mut World, call: &Incoming<'_>) -> Handled {
    let row = find(world, &BackupId::from(call.part(0)))?;
    if row.state != BackupState::InProgress {
        let text = "The backup you are trying to stop is not in progress.";
        return Err(Refusal::bad_request(text));
    }
    if row.order.category != BackupCategory::Script {
        return Err(Refusal::bad_request("The process you want to stop is not in progress."));
    }
    let (task, now) = (row.task.clone(), world.now());
    world.abort(&task, now);
    Ok(json!({"success": true, "message": "Successfully stopped the backup process."}))
}

/// What a gateway in front of YBA may offer: the same call under another name, the base being required.
pub(super) fn legacy_incremental(world: &mut World, call: &Incoming<'_>) -> Handled {
    if !world.settings.legacy_gateway {
        return Err(super::unknown_route(call));
    }
    if text(&call.body()?, "baseBackupUUID").is_none() {
        return Err(Refusal::fields(&["baseBackupUUID"]));
    }
    create(world, call)
}

/// What a gateway in front of YBA may offer: the newest backups, as a bare array.
pub(super) fn legacy_last(world: &World, call: &Incoming<'_>) -> Handled {
    if !world.settings.legacy_gateway {
        return Err(super::unknown_route(call));
    }
    let universe = call.query("universeUUID").map(UniverseId::from);
    let limit = call.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10);
    let rows = world.data.backups.values();
    let mut rows: Vec<&SimBackup> =
        rows.filter(|row| universe.as_ref().is_none_or(|id| row.order.universe == *id)).collect();
    rows.sort_by_key(|row| row.created);
    if call.query("direction").as_deref() != Some("ASC") {
        rows.reverse();
    }
    let brief = |row: &&SimBackup| json!({"backupUUID": row.id, "createTime": wire::iso(row.created), "state": row.state});
    Ok(rows.iter().take(limit).map(brief).collect())
}

pub(super) fn restorable(world: &World, call: &Incoming<'_>) -> Handled {
    let row = find(world, &BackupId::from(call.part(0)))?;
    Ok(wire::restorable(&world.data, row))
}
