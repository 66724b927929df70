//! The simulator's rows as YBA writes them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::world::{Data, SimBackup, SimConfig, SimTask, SimUniverse, Work, World};
use crate::types::{BackupState, TaskState};

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
    task.state == TaskState::Running && !matches!(task.work, Work::Delete(_))
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
        "typeName": task.type_,
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
                "subTaskType": if error.preparation { "CreateBackup" } else { "BackupTableYbc" },
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
    universe
        .and_then(|universe| universe.spec.keyspaces.clone())
        .unwrap_or_else(|| vec!["yugabyte".to_owned()])
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
        "scheduleUUID": null,
        "scheduleName": null,
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
        "onDemand": true,
        "scheduleUUID": null,
        "scheduleName": null,
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
