//! The simulator's rows as YBA writes them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::world::{
    Data, SimBackup, SimConfig, SimPitr, SimRestore, SimSchedule, SimTask, SimUniverse, Work, World,
};
use crate::types::{BackupState, TableType, TaskState};

/// `2025-03-25T10:15:30Z`.
pub(super) fn iso(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Java's `Date.toString()`.
fn java(at: DateTime<Utc>) -> String {
    at.format("%a %b %d %H:%M:%S UTC %Y").to_string()
}

fn iso_or_null(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, |at| Value::String(iso(at)))
}

fn title(task: &SimTask) -> String {
    let over = task.state.is_complete() && task.completed.is_some();
    let verb = match (task.type_, over) {
        ("Create", false) => "Creating",
        ("Create", true) => "Created",
        ("Delete", false) => "Deleting",
        ("Delete", true) => "Deleted",
        ("Restore", false) => "Restoring",
        ("Restore", true) => "Restored",
        (_, false) => "Updating",
        (_, true) => "Updated",
    };
    format!("{verb} {} : {}", task.target_type, task.target_name)
}

fn is_abortable(task: &SimTask) -> bool {
    task.state == TaskState::Running && !matches!(task.work, Work::Delete(_) | Work::Schedule(_))
}

pub(super) fn task(world: &World, task: &SimTask) -> Value {
    let percent = world.percent(&task.id, world.now());
    let mut body = json!({
        "title": title(task),
        "createTime": java(task.created),
        "target": task.target_name,
        "targetUUID": task.target,
        "type": task.type_,
        "status": task.state,
        "percent": percent,
        "userEmail": "admin",
        "details": {"taskDetails": [
            {"title": task.work.type_name(), "description": "", "state": task.state}
        ]},
        "abortable": is_abortable(task),
        "retryable": false,
    });
    if let Some(completed) = task.completed {
        body["completionTime"] = Value::String(java(completed));
    }
    if let Some(correlation) = &task.correlation {
        body["correlationId"] = Value::String(correlation.to_string());
    }
    body
}

pub(super) fn task_summary(world: &World, task: &SimTask) -> Value {
    let mut body = json!({
        "id": task.id,
        "title": title(task),
        "percentComplete": world.percent(&task.id, world.now()).floor(),
        "createTime": iso(task.created),
        "completionTime": iso_or_null(task.completed),
        "target": task.target_type,
        "targetUUID": task.target,
        "type": task.type_,
        "typeName": task.type_name.as_deref().unwrap_or(task.type_),
        "status": task.state,
        "userEmail": "admin",
        "abortable": is_abortable(task),
        "retryable": false,
        "canRollback": false,
    });
    if let Some(correlation) = &task.correlation {
        body["correlationId"] = Value::String(correlation.to_string());
    }
    body
}

pub(super) fn failed_subtasks(task: &SimTask) -> Value {
    let rows: Vec<Value> = task
        .errors
        .iter()
        .rev()
        .map(|error| {
            let text = format!(
                "Failed to execute task {{\"universeUUID\":\"{}\"}}, hit error:\n\n {}.",
                task.target, error.text
            );
            json!({
                "subTaskUUID": uuid::Uuid::new_v4(),
                "subTaskType": if error.preparation { task.work.type_name() } else { task.work.subtask() },
                "subTaskState": "Failure",
                "subTaskGroupType": if error.preparation { "Preparation" } else { "CreatingBackup" },
                "creationTime": iso(error.at),
                "errorString": text,
                "errorCode": error.code,
            })
        })
        .collect();
    json!({"failedSubTasks": rows})
}

fn location(row: &SimBackup, keyspace: &str) -> String {
    let label =
        if row.order.category == crate::BackupCategory::YbController { "ybc_backup" } else { "backup" };
    format!(
        "s3://backups/univ-{}/{label}-{}/{}/{}/keyspace-{keyspace}",
        row.order.universe,
        row.base.as_str().replace('-', ""),
        if row.is_increment() { "incremental" } else { "full" },
        row.created.format("%Y-%m-%dT%H:%M:%S"),
    )
}

/// The keyspaces a row covers; all of the universe's when none were named.
fn keyspaces(data: &Data, row: &SimBackup) -> Vec<String> {
    if !row.order.keyspaces.is_empty() {
        return row.order.keyspaces.clone();
    }
    let universe = data.universes.get(&row.order.universe);
    universe.map_or_else(|| vec!["yugabyte".to_owned()], SimUniverse::known_keyspaces)
}

pub(super) fn backup(data: &Data, row: &SimBackup) -> Value {
    let names = keyspaces(data, row);
    let count = i64::try_from(names.len().max(1)).unwrap_or(1);
    let list: Vec<Value> = names
        .iter()
        .map(|keyspace| {
            json!({
                "universeUUID": row.order.universe,
                "storageConfigUUID": row.order.config,
                "backupType": row.order.table_type,
                "keyspace": keyspace,
                "allTables": true,
                "storageLocation": location(row, keyspace),
                "backupSizeInBytes": row.size / count,
            })
        })
        .collect();
    json!({
        "backupUUID": row.id,
        "baseBackupUUID": row.base,
        "customerUUID": null,
        "universeName": data.universes.get(&row.order.universe).map(|u| u.spec.name.clone()),
        "storageConfigUUID": row.order.config,
        "state": row.state,
        "category": row.order.category,
        "version": "V2",
        "taskUUID": row.task,
        "scheduleUUID": row.order.schedule,
        "scheduleName": schedule_name(data, row),
        "createTime": iso(row.created),
        "updateTime": iso(row.updated),
        "completionTime": iso_or_null(row.completed),
        "expiry": iso_or_null(row.expiry),
        "expiryTimeUnit": row.order.expiry_time_unit,
        "hasKMSHistory": false,
        "retryCount": 0,
        "incrementalBackup": row.is_increment(),
        "parentBackup": !row.is_increment(),
        "backupInfo": {
            "universeUUID": row.order.universe,
            "storageConfigUUID": row.order.config,
            "backupType": row.order.table_type,
            "backupUuid": row.id,
            "baseBackupUUID": row.base,
            "actionType": "CREATE",
            "fullBackup": row.order.keyspaces.is_empty(),
            "timeBeforeDelete": row.order.time_before_delete,
            "expiryTimeUnit": row.order.expiry_time_unit,
            "backupSizeInBytes": row.size,
            "fullChainSizeInBytes": chain_size(data, row),
            "backupList": list,
            "tableNameList": null,
        },
    })
}

fn chain<'a>(data: &'a Data, row: &SimBackup) -> impl DoubleEndedIterator<Item = &'a SimBackup> {
    let members = data.chains.get(&row.base).map(Vec::as_slice).unwrap_or_default();
    members.iter().filter_map(|id| data.backups.get(id))
}

fn chain_size(data: &Data, row: &SimBackup) -> i64 {
    let completed = |member: &&SimBackup| member.state == BackupState::Completed;
    chain(data, row).filter(completed).map(|member| member.size).sum()
}

pub(super) fn common_backup_info(data: &Data, row: &SimBackup) -> Value {
    let list: Vec<Value> = keyspaces(data, row)
        .iter()
        .map(|keyspace| {
            json!({
                "keyspace": keyspace,
                "tablesList": [],
                "tableUUIDList": [],
                "allTables": true,
                "backupSizeInBytes": row.size,
                "defaultLocation": location(row, keyspace),
                "perRegionLocations": null,
                "backupPointInTimeRestoreWindow": null,
            })
        })
        .collect();
    json!({
        "backupUUID": row.id,
        "baseBackupUUID": row.base,
        "taskUUID": row.task,
        "storageConfigUUID": row.order.config,
        "kmsConfigUUID": null,
        "state": row.state,
        "createTime": iso(row.created),
        "updateTime": iso(row.updated),
        "completionTime": iso_or_null(row.completed),
        "totalBackupSizeInBytes": row.size,
        "sse": false,
        "tableByTableBackup": false,
        "responseList": list,
    })
}

pub(super) fn chain_infos(data: &Data, head: &SimBackup) -> Value {
    chain(data, head).rev().map(|member| common_backup_info(data, member)).collect()
}

pub(super) fn backup_resp(data: &Data, row: &SimBackup) -> Value {
    let newest = chain(data, row).next_back().unwrap_or(row);
    json!({
        "commonBackupInfo": common_backup_info(data, row),
        "universeUUID": row.order.universe,
        "universeName": data.universes.get(&row.order.universe).map(|u| u.spec.name.clone()),
        "customerUUID": null,
        "backupType": row.order.table_type,
        "category": row.order.category,
        "isFullBackup": row.order.keyspaces.is_empty(),
        "hasIncrementalBackups": chain(data, row).count() > 1,
        "lastIncrementalBackupTime": iso(newest.created),
        "lastBackupState": newest.state,
        "fullChainSizeInBytes": chain_size(data, row),
        "expiryTime": iso_or_null(row.expiry),
        "expiryTimeUnit": row.order.expiry_time_unit,
        "onDemand": row.order.schedule.is_none(),
        "scheduleUUID": row.order.schedule,
        "scheduleName": schedule_name(data, row),
        "storageConfigType": "S3",
        "isStorageConfigPresent": data.configs.contains_key(&row.order.config),
        "isUniversePresent": data.universes.contains_key(&row.order.universe),
        "useTablespaces": false,
    })
}

pub(super) fn universe(universe: &SimUniverse) -> Value {
    let lock = universe.lock.as_ref();
    let mut config = Map::new();
    config.insert("takeBackups".to_owned(), Value::String(universe.take_backups.to_string()));
    json!({
        "universeUUID": universe.id,
        "name": universe.spec.name,
        "creationDate": iso(universe.created),
        "version": 1,
        "universeConfig": config,
        "universeDetails": {
            "updateInProgress": lock.is_some(),
            "updateSucceeded": true,
            "updatingTask": lock.map(|lock| lock.task_type.clone()),
            "updatingTaskUUID": lock.map(|lock| lock.task.clone()),
            "universePaused": universe.paused,
            "enableYbc": universe.spec.ybc,
            "ybcInstalled": universe.spec.ybc,
            "ybcSoftwareVersion": universe.spec.ybc.then_some("2.2.0.0-b1"),
            "softwareUpgradeState": "Ready",
            "clusters": [{
                "clusterType": "PRIMARY",
                "userIntent": {
                    "universeName": universe.spec.name,
                    "enableYSQL": universe.spec.ysql,
                    "enableYCQL": universe.spec.ycql,
                    "ybSoftwareVersion": "2024.2.0.0-b145",
                    "numNodes": 3,
                    "replicationFactor": 3,
                },
            }],
        },
    })
}

pub(super) fn config(config: &SimConfig) -> Value {
    json!({
        "configUUID": config.id,
        "configName": config.name,
        "name": "S3",
        "type": "STORAGE",
        "state": if config.active { "Active" } else { "QueuedForDeletion" },
        "data": {"BACKUP_LOCATION": "s3://backups", "AWS_ACCESS_KEY_ID": "********"},
        "inUse": false,
    })
}

fn schedule_name(data: &Data, row: &SimBackup) -> Option<String> {
    let schedule = data.schedules.get(row.order.schedule.as_ref()?)?;
    Some(schedule.name.clone())
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) }
}

/// The members that both views of a schedule have.
fn schedule_core(world: &World, row: &SimSchedule) -> Value {
    let running = row.last_task.as_ref().and_then(|id| world.data.tasks.get(id));
    json!({
        "scheduleUUID": row.id,
        "scheduleName": row.name,
        "taskType": "CreateBackup",
        "status": row.state,
        "frequency": row.frequency,
        "frequencyTimeUnit": text_or_null(&row.frequency_unit),
        "cronExpression": text_or_null(&row.cron),
        "useLocalTimezone": false,
        "runningState": running.is_some_and(|task| !task.state.is_complete()),
        "failureCount": 0,
        "backlogStatus": row.backlog,
        "incrementBacklogStatus": row.increment_backlog,
    })
}

/// A schedule as its own call tells it.
pub(super) fn schedule(world: &World, row: &SimSchedule) -> Value {
    let mut body = schedule_core(world, row);
    body["ownerUUID"] = json!(row.order.universe);
    body["nextScheduleTaskTime"] = iso_or_null(row.next_full);
    body["nextIncrementScheduleTaskTime"] = iso_or_null(row.next_increment);
    body["userEmail"] = json!("admin");
    body
}

/// A schedule as the list tells it.
pub(super) fn schedule_resp(world: &World, row: &SimSchedule) -> Value {
    let mut body = schedule_core(world, row);
    body["customerUUID"] = json!(world.settings.customer);
    body["incrementalBackupFrequency"] = json!(row.increment_frequency);
    body["incrementalBackupFrequencyTimeUnit"] = text_or_null(&row.increment_unit);
    body["prevCompletedTask"] = iso_or_null(row.last_fired);
    body["nextExpectedTask"] = iso_or_null(row.next_full);
    body["tableByTableBackup"] = json!(false);
    body["backupInfo"] = json!({
        "universeUUID": row.order.universe,
        "storageConfigUUID": row.order.config,
        "backupType": row.order.table_type,
        "fullBackup": row.order.keyspaces.is_empty(),
        "keyspaceList": row.order.keyspaces.iter().map(|k| json!({"keyspace": k})).collect::<Value>(),
        "timeBeforeDelete": row.order.time_before_delete,
        "expiryTimeUnit": row.order.expiry_time_unit,
    });
    body
}

pub(super) fn restorable(data: &Data, row: &SimBackup) -> Value {
    let mut names: Vec<String> = chain(data, row).flat_map(|member| keyspaces(data, member)).collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| json!({"keyspace": name, "tableNames": []})).collect()
}

pub(super) fn preflight(data: &Data, row: &SimBackup) -> Value {
    let locations: Map<String, Value> = keyspaces(data, row)
        .iter()
        .map(|keyspace| {
            let place = location(row, keyspace);
            let info = json!({
                "backupLocation": place,
                "isYSQLBackup": row.order.table_type == TableType::Ysql,
                "isSelectiveRestoreSupported": row.order.table_type == TableType::Ycql,
                "perBackupLocationKeyspaceTables": {"originalKeyspace": keyspace, "tableNameList": []},
                "pointInTimeRestoreWindow": null,
            });
            (place, info)
        })
        .collect();
    json!({
        "backupCategory": row.order.category,
        "hasKMSHistory": false,
        "perLocationBackupInfoMap": locations,
    })
}

/// The backup that was written to a place.
fn written_to<'a>(data: &'a Data, place: &str) -> Option<(&'a SimBackup, String)> {
    data.backups.values().find_map(|row| {
        let keyspace = keyspaces(data, row).into_iter().find(|name| location(row, name) == place)?;
        Some((row, keyspace))
    })
}

pub(super) fn restore(data: &Data, row: &SimRestore) -> Value {
    let first = row.order.sources.first().and_then(|source| written_to(data, &source.location));
    let source = first.as_ref().map(|(backup, _)| *backup);
    let name = |id| data.universes.get(id).map(|universe| universe.spec.name.clone());
    let list: Vec<Value> = row
        .order
        .sources
        .iter()
        .map(|source| {
            json!({
                "uuid": row.id,
                "restoreUUID": row.id,
                "taskUUID": row.task,
                "sourceKeyspace": written_to(data, &source.location).map(|(_, keyspace)| keyspace),
                "targetKeyspace": source.keyspace,
                "storageLocation": source.location,
                "tableNameList": [],
                "state": row.state,
                "createTime": iso(row.created),
                "completeTime": iso_or_null(row.completed),
                "backupSizeFromStorageLocation": 0,
            })
        })
        .collect();
    json!({
        "restoreUUID": row.id,
        "universeUUID": row.order.universe,
        "targetUniverseName": name(&row.order.universe),
        "sourceUniverseUUID": source.map(|backup| backup.order.universe.clone()),
        "sourceUniverseName": source.and_then(|backup| name(&backup.order.universe)),
        "isSourceUniversePresent": source.is_some_and(|b| data.universes.contains_key(&b.order.universe)),
        "customerUUID": null,
        "state": row.state,
        "backupType": row.order.sources.first().map(|source| source.table_type.clone()),
        "createTime": iso(row.created),
        "updateTime": iso(row.updated),
        "backupCreatedOnDate": iso_or_null(source.map(|backup| backup.created)),
        "restoreSizeInBytes": source.map_or(0, |backup| backup.size),
        "restoreKeyspaceList": list,
    })
}

pub(super) fn pitr(now: DateTime<Utc>, row: &SimPitr) -> Value {
    json!({
        "uuid": row.id,
        "name": row.name,
        "dbName": row.keyspace,
        "tableType": row.table_type,
        "customerUUID": null,
        "state": row.state,
        "retentionPeriod": row.retention,
        "scheduleInterval": row.interval,
        "minRecoverTimeInMillis": row.created.timestamp_millis(),
        "maxRecoverTimeInMillis": now.timestamp_millis(),
        "createTime": iso(row.created),
        "updateTime": iso(row.created),
        "usedForXCluster": false,
        "createdForDr": false,
    })
}

pub(super) fn namespaces(universe: &SimUniverse) -> Value {
    let kind = if universe.spec.ysql { TableType::Ysql } else { TableType::Ycql };
    let names = universe.known_keyspaces();
    let row = |name: &String| json!({"namespaceUUID": null, "name": name, "tableType": kind});
    names.iter().map(row).collect()
}

pub(super) fn tables(universe: &SimUniverse) -> Value {
    let kind = if universe.spec.ysql { TableType::Ysql } else { TableType::Ycql };
    let row = |keyspace: &String| {
        json!({
            "tableUUID": format!("table-of-{keyspace}"),
            "tableID": null,
            "tableName": "rows",
            "keySpace": keyspace,
            "tableType": kind,
            "relationType": "USER_TABLE_RELATION",
            "sizeBytes": 1_048_576.0,
            "walSizeBytes": 0.0,
        })
    };
    universe.known_keyspaces().iter().map(row).collect()
}

pub(super) fn customer(world: &World) -> Value {
    json!({
        "uuid": world.settings.customer,
        "code": "admin",
        "name": "admin",
        "creationDate": iso(world.now()),
        "customerId": 1,
    })
}
