//! Which full backup an increment may build on. YBA checks only that the chain has a completed member; universe, storage
//! config, table type, keyspaces and expiry are ours to check.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use yba_client::{Backup, BackupInfo, BackupQuery, BackupResp, BackupState};

use super::{Instance, YbaInstances, identity::same_id, no_answer};
use crate::{ids::BackupId, strategy::Unavailable, target::BackupTarget};

/// A base that expires sooner may be gone before the increment is done.
const LEAST_LIFE: TimeDelta = TimeDelta::hours(1);

/// The chain that an increment builds on, or why there is none.
pub(in crate::strategy) type Base = Result<BackupId, String>;

impl YbaInstances {
    /// The newest full backup that an increment of this target may build on.
    pub(in crate::strategy) async fn base(&self, target: &BackupTarget) -> Result<Base, Unavailable> {
        let instance = self.of(target)?;
        let now = self.clock.now();
        let base = if let Some(named) = &target.base {
            let named = Last { backup: Some((named.as_str().into(), None)) };
            instance.head_of(named, target, now).await?
        } else if let Some(last) = instance.last_at_legacy_url(target).await? {
            instance.head_of(last, target, now).await?
        } else {
            instance.newest_head(target, now).await?
        };
        if base.is_err() {
            instance.must_lead().await?;
        }
        Ok(base)
    }
}

/// What a legacy `last-backup-url` said, or the configuration.
struct Last {
    backup: Option<(yba_client::BackupId, Option<BackupState>)>,
}

impl Instance {
    async fn last_at_legacy_url(&self, target: &BackupTarget) -> Result<Option<Last>, Unavailable> {
        let Some(url) = target.legacy_urls.last_backup.as_deref().filter(|url| !self.is_absent(url)) else {
            return Ok(None);
        };
        match self.client.backups().last_at(url).await {
            Ok(list) => {
                Ok(Some(Last { backup: list.into_iter().next().map(|last| (last.backup_uuid, last.state)) }))
            }
            Err(error) if error.status() == Some(404) => {
                self.note_absent(url);
                Ok(None)
            }
            Err(error) => Err(no_answer(&error)),
        }
    }

    /// The head of the chain of a backup that was named.
    async fn head_of(
        &self,
        last: Last,
        target: &BackupTarget,
        now: DateTime<Utc>,
    ) -> Result<Base, Unavailable> {
        let Some((id, state)) = last.backup else { return Ok(Err("there is no backup yet".to_owned())) };
        match self.client.backups().get(&id).await {
            Ok(row) if row.is_increment() && same_id(row.backup_uuid.as_str(), id.as_str()) => {
                let head = row.base_backup_uuid.unwrap_or(id);
                let row = self.client.backups().get(&head).await.map_err(|error| no_answer(&error))?;
                Ok(row_fault(&head, &row, target, now).map_or(Ok(head.as_str().into()), Err))
            }
            Ok(row) => Ok(row_fault(&id, &row, target, now).map_or(Ok(id.as_str().into()), Err)),
            // A stand-in that has the legacy URLs alone: what it said of the state is all there is.
            Err(error) if error.is_not_found() => match state {
                Some(BackupState::Completed) => Ok(Ok(id.as_str().into())),
                Some(state) => Ok(Err(format!("the last backup {id} is {state}"))),
                None => Ok(Err(format!("YBA does not know the backup {id}"))),
            },
            Err(error) => Err(no_answer(&error)),
        }
    }

    async fn newest_head(&self, target: &BackupTarget, now: DateTime<Utc>) -> Result<Base, Unavailable> {
        let query = BackupQuery::new().universe(target.universe.as_str()).limit(50);
        let page = self.client.backups().page(&query).await.map_err(|error| no_answer(&error))?;
        Ok(choose(&page.entities, target, now))
    }
}

/// The first (newest) that has no fault; otherwise the fault of the newest, and of how many.
fn choose(heads: &[BackupResp], target: &BackupTarget, now: DateTime<Utc>) -> Base {
    let mut first_fault = None;
    for head in heads {
        match head_fault(head, target, now) {
            None => return Ok(head.common_backup_info.backup_uuid.as_str().into()),
            Some(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    Err(first_fault.unwrap_or_else(|| format!("the universe {} has no full backup yet", target.universe)))
}

fn head_fault(head: &BackupResp, target: &BackupTarget, now: DateTime<Utc>) -> Option<String> {
    let info = &head.common_backup_info;
    if info.is_increment() {
        return Some(format!("the backup {} is itself an increment", info.backup_uuid));
    }
    let keyspaces = info.response_list.iter().filter_map(|entry| entry.keyspace.as_deref()).collect();
    fault(
        &Seen {
            id: info.backup_uuid.as_str(),
            state: &info.state,
            universe: head.universe_uuid.as_ref().map(yba_client::UniverseId::as_str),
            storage_config: info.storage_config_uuid.as_ref().map(yba_client::StorageConfigId::as_str),
            table_type: head.backup_type.as_ref().map(yba_client::TableType::as_str),
            every_keyspace: head.is_full_backup,
            keyspaces,
            expiry: head.expiry_time,
        },
        target,
        now,
    )
}

fn row_fault(
    asked: &yba_client::BackupId,
    row: &Backup,
    target: &BackupTarget,
    now: DateTime<Utc>,
) -> Option<String> {
    if !same_id(row.backup_uuid.as_str(), asked.as_str()) {
        return Some(format!("asked for the backup {asked}, YBA shows {}", row.backup_uuid));
    }
    if row.is_increment() {
        return Some(format!("the backup {asked} is itself an increment"));
    }
    let info: &BackupInfo = &row.backup_info;
    let listed = std::iter::once(info).chain(&info.backup_list);
    fault(
        &Seen {
            id: row.backup_uuid.as_str(),
            state: &row.state,
            universe: info.universe_uuid.as_ref().map(yba_client::UniverseId::as_str),
            storage_config: row.storage_config_uuid.as_ref().map(yba_client::StorageConfigId::as_str),
            table_type: info.backup_type.as_ref().map(yba_client::TableType::as_str),
            every_keyspace: info.full_backup,
            keyspaces: listed.filter_map(|entry| entry.keyspace.as_deref()).collect(),
            expiry: row.expiry,
        },
        target,
        now,
    )
}

/// What decides whether a full backup may be a base, from whichever view it came. A view that leaves a fact out (`None`,
/// no keyspaces) does not speak against it.
struct Seen<'a> {
    id: &'a str,
    state: &'a BackupState,
    universe: Option<&'a str>,
    storage_config: Option<&'a str>,
    table_type: Option<&'a str>,
    every_keyspace: bool,
    keyspaces: BTreeSet<&'a str>,
    expiry: Option<DateTime<Utc>>,
}

fn fault(seen: &Seen<'_>, target: &BackupTarget, now: DateTime<Utc>) -> Option<String> {
    let id = seen.id;
    let differs = |is: Option<&str>, wanted: &str| is.is_some_and(|is| !same_id(is, wanted));
    if *seen.state != BackupState::Completed {
        return Some(format!("the newest full backup {id} is {}, not Completed", seen.state));
    }
    if differs(seen.universe, target.universe.as_str()) {
        return Some(format!("the backup {id} is of another universe"));
    }
    if differs(seen.storage_config, target.storage_config.as_str()) {
        return Some(format!("the backup {id} is in another storage config"));
    }
    if differs(seen.table_type, &target.table_type) {
        return Some(format!("the backup {id} is of another table type"));
    }
    if !same_keyspaces(seen, target) {
        return Some(format!("the backup {id} holds other keyspaces than the target"));
    }
    match seen.expiry {
        Some(expiry) if expiry < now + LEAST_LIFE => {
            Some(format!("the backup {id} expires at {}", expiry.format("%Y-%m-%d %H:%M:%S UTC")))
        }
        _ => None,
    }
}

fn same_keyspaces(seen: &Seen<'_>, target: &BackupTarget) -> bool {
    if target.keyspaces.is_empty() {
        return seen.every_keyspace || seen.keyspaces.is_empty();
    }
    let wanted: BTreeSet<&str> = target.keyspaces.iter().map(String::as_str).collect();
    !seen.every_keyspace && (seen.keyspaces.is_empty() || seen.keyspaces == wanted)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        clock::Clock,
        testing::{ManualClock, fixtures},
    };

    fn good() -> Seen<'static> {
        Seen {
            id: "b1",
            state: &BackupState::Completed,
            universe: Some("universe-1"),
            storage_config: Some("storage-1"),
            table_type: Some("PGSQL_TABLE_TYPE"),
            every_keyspace: true,
            keyspaces: BTreeSet::new(),
            expiry: None,
        }
    }

    #[test]
    fn a_matching_completed_backup_may_be_a_base() {
        assert_eq!(fault(&good(), &fixtures::target(), ManualClock::new().now()), None);
    }

    #[rstest]
    #[case::not_completed(Seen { state: &BackupState::InProgress, ..good() }, "the newest full backup b1 is InProgress, not Completed")]
    #[case::universe(Seen { universe: Some("other"), ..good() }, "the backup b1 is of another universe")]
    #[case::storage(Seen { storage_config: Some("other"), ..good() }, "the backup b1 is in another storage config")]
    #[case::table_type(Seen { table_type: Some("YQL_TABLE_TYPE"), ..good() }, "the backup b1 is of another table type")]
    #[case::keyspaces(Seen { every_keyspace: false, keyspaces: ["k"].into(), ..good() }, "the backup b1 holds other keyspaces than the target")]
    #[case::expiring(Seen { expiry: Some(ManualClock::new().now() + TimeDelta::minutes(10)), ..good() }, "the backup b1 expires at 2025-03-25 00:10:00 UTC")]
    fn anything_else_is_named(#[case] seen: Seen<'_>, #[case] expected: &str) {
        assert_eq!(fault(&seen, &fixtures::target(), ManualClock::new().now()).as_deref(), Some(expected));
    }
}
