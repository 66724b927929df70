//! Nothing that YBA says is ours until it is checked to be ours: the one place where what was asked for is compared with
//! what YBA shows.
//!
//! A proxy's cache, a mixed-up tenant or a fault of YBA may answer with somebody else's task or backup. A backup is ours
//! when it has an id and every fact that it tells of task, universe, customer, storage config and base is the one that
//! was asked for. A fact that is left out speaks neither for it nor against it. The `correlationId` is no such fact: it
//! finds tasks, and proxies rewrite it.

use serde_json::Value;
use yba_client::{Backup, CustomerId, UnreadableRow};

use super::view_state;
use crate::{
    ids::TaskId,
    record::Plan,
    strategy::{BackupView, BackupViewState},
    target::BackupTarget,
};

/// What was asked for.
pub(super) struct Asked<'a> {
    task: &'a str,
    universe: &'a str,
    customer: Option<&'a str>,
    storage_config: &'a str,
    base: AskedBase<'a>,
}

/// Which chain the backup must belong to.
enum AskedBase<'a> {
    /// The plan is not known any more: any chain.
    Unknown,
    /// A full backup: it heads a chain of its own.
    Own,
    /// An increment on this full backup.
    On(&'a str),
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        target: &'a BackupTarget,
        customer: Option<&'a CustomerId>,
        plan: Option<&'a Plan>,
        task: &'a TaskId,
    ) -> Self {
        Self {
            task: task.as_str(),
            universe: target.universe.as_str(),
            customer: customer.map(CustomerId::as_str),
            storage_config: target.storage_config.as_str(),
            base: match plan {
                None => AskedBase::Unknown,
                Some(Plan { base: None, .. }) => AskedBase::Own,
                Some(Plan { base: Some(base), .. }) => AskedBase::On(base.as_str()),
            },
        }
    }

    /// How a task differs from the one that was asked for.
    pub(super) fn task_fault(&self, task: &yba_client::Task) -> Option<String> {
        differs("universe", task.target_uuid.as_deref(), self.universe)
    }

    /// The backup of the task among the rows that YBA shows for it: the first of ours. Without one, the first that is
    /// foreign, with how it differs.
    pub(super) fn backup(&self, rows: Vec<Result<Backup, UnreadableRow>>) -> Option<BackupView> {
        let mut foreign = None;
        for row in rows {
            let (row, fault) = match row {
                Ok(row) => match self.faults(&row) {
                    faults if faults.is_empty() => return Some(view(row)),
                    faults => (row.raw, format!("not the one that was asked for: {}", faults.join(", "))),
                },
                Err(unreadable) => (unreadable.raw, unreadable.complaint),
            };
            foreign.get_or_insert_with(|| foreign_view(row, fault));
        }
        foreign
    }

    /// Every fact of the row that is not the one that was asked for.
    fn faults(&self, row: &Backup) -> Vec<String> {
        let infos = || std::iter::once(&row.backup_info).chain(&row.backup_info.backup_list);
        let universes = infos().map(|info| text(info.universe_uuid.as_ref()));
        let own_config = text(row.storage_config_uuid.as_ref());
        let configs =
            std::iter::once(own_config).chain(infos().map(|i| text(i.storage_config_uuid.as_ref())));
        let customers = [&row.customer_uuid, &row.backup_info.customer_uuid].map(|id| text(id.as_ref()));
        let mut faults: Vec<String> = differs("task", text(row.task_uuid.as_ref()), self.task)
            .into_iter()
            .chain(universes.filter_map(|seen| differs("universe", seen, self.universe)))
            .chain(customers.into_iter().filter_map(|seen| differs("customer", seen, self.customer?)))
            .chain(configs.filter_map(|seen| differs("storage config", seen, self.storage_config)))
            .chain(self.base_faults(row))
            .collect();
        faults.dedup();
        faults
    }

    fn base_faults(&self, row: &Backup) -> Vec<String> {
        let asked = match self.base {
            AskedBase::Unknown => None,
            AskedBase::Own => Some(row.backup_uuid.as_str()),
            AskedBase::On(base) => Some(base),
        };
        let told = [&row.base_backup_uuid, &row.backup_info.base_backup_uuid];
        told.into_iter().filter_map(|seen| differs("base", text(seen.as_ref()), asked?)).collect()
    }
}

fn text(id: Option<&impl AsRef<str>>) -> Option<&str> {
    id.map(AsRef::as_ref)
}

/// How a fact differs from what was asked for; an absent one does not.
fn differs(name: &str, seen: Option<&str>, asked: &str) -> Option<String> {
    let seen = seen.filter(|seen| !seen.is_empty())?;
    (!same_id(seen, asked)).then(|| format!("its {name} is {seen}, not {asked}"))
}

/// YBA writes UUIDs in lower case, whatever the configuration does. Other ids are opaque.
pub(super) fn same_id(left: &str, right: &str) -> bool {
    left == right || (left.eq_ignore_ascii_case(right) && uuid::Uuid::try_parse(left).is_ok())
}

fn view(row: Backup) -> BackupView {
    BackupView {
        id: row.backup_uuid.as_str().into(),
        state: view_state(&row.state),
        word: row.state.to_string(),
        response: row.raw,
    }
}

fn foreign_view(raw: Value, fault: String) -> BackupView {
    let id = raw.get("backupUUID").and_then(Value::as_str).unwrap_or("(without an id)");
    let id = id.chars().filter(|c| !c.is_control()).take(64).collect::<String>();
    BackupView { id: id.into(), state: BackupViewState::Foreign, word: fault, response: raw }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::json;
    use yba_client::Task;

    use super::*;
    use crate::testing::fixtures;

    /// How a row tells a fact.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Told {
        Not,
        AsAsked,
        Otherwise,
    }

    /// Every way in which so many facts can be told.
    fn every_way(facts: u32) -> impl Iterator<Item = Vec<Told>> {
        let told = [Told::Not, Told::AsAsked, Told::Otherwise];
        (0..3_usize.pow(facts)).map(move |n| (0..facts).map(|fact| told[n / 3_usize.pow(fact) % 3]).collect())
    }

    const BASE: &str = "b0";

    fn plan(base: Option<&str>) -> Plan {
        Plan { base: base.map(Into::into), ..fixtures::plan() }
    }

    fn row(json: Value) -> Result<Backup, UnreadableRow> {
        Backup::read(json)
    }

    /// The places where a row tells a fact, each with the value that was asked for.
    fn places(target: &BackupTarget) -> Vec<(&'static [&'static str], String)> {
        let (universe, config) = (target.universe.to_string(), target.storage_config.to_string());
        vec![
            (&["taskUUID"], "t1".to_owned()),
            (&["customerUUID"], "c1".to_owned()),
            (&["storageConfigUUID"], config.clone()),
            (&["baseBackupUUID"], BASE.to_owned()),
            (&["backupInfo", "universeUUID"], universe),
            (&["backupInfo", "storageConfigUUID"], config),
            (&["backupInfo", "customerUuid"], "c1".to_owned()),
            (&["backupInfo", "baseBackupUUID"], BASE.to_owned()),
        ]
    }

    fn set(json: &mut Value, path: &[&str], value: &str) {
        let mut at = json;
        for key in path {
            at = &mut at[*key];
        }
        *at = json!(value);
    }

    #[test]
    fn a_backup_is_ours_exactly_when_nothing_it_tells_is_different() {
        let target = fixtures::target();
        let (plan, task, customer) = (plan(Some(BASE)), "t1".into(), "c1".into());
        let asked = Asked::new(&target, Some(&customer), Some(&plan), &task);
        let places = places(&target);
        for told in every_way(u32::try_from(places.len()).unwrap()) {
            let mut json = json!({"backupUUID": "b1", "state": "Completed", "backupInfo": {}});
            for (how, (path, asked_for)) in told.iter().zip(&places) {
                match how {
                    Told::Not => {}
                    Told::AsAsked => set(&mut json, path, asked_for),
                    Told::Otherwise => set(&mut json, path, "another"),
                }
            }
            let seen = asked.backup(vec![row(json.clone())]).unwrap();
            let is_ours = !told.contains(&Told::Otherwise);
            assert_eq!(seen.state == BackupViewState::Completed, is_ours, "{json}");
            assert_eq!(seen.state == BackupViewState::Foreign, !is_ours, "{json}");
            assert_eq!(seen.word.contains("is another, not"), !is_ours, "{}", seen.word);
        }
    }

    #[test]
    fn a_foreign_row_beside_ours_is_passed_over() {
        let target = fixtures::target();
        let (plan, task) = (plan(None), "t1".into());
        let asked = Asked::new(&target, None, Some(&plan), &task);
        let ours = || row(json!({"backupUUID": "b1", "state": "Completed", "taskUUID": "t1"}));
        let others = || {
            [
                row(json!({"backupUUID": "b2", "state": "Completed", "taskUUID": "t2"})),
                row(json!({"state": "Completed", "taskUUID": "t1"})),
                row(json!({"backupUUID": "..", "state": "Completed"})),
                row(json!({"backupUUID": "b3"})),
                row(json!("nonsense")),
            ]
        };
        for foreign in others() {
            let seen = asked.backup(vec![foreign.clone(), ours()]).unwrap();
            assert_eq!((seen.id.as_str(), seen.state), ("b1", BackupViewState::Completed));
            let seen = asked.backup(vec![ours(), foreign.clone()]).unwrap();
            assert_eq!(seen.id.as_str(), "b1");
            assert_eq!(asked.backup(vec![foreign]).unwrap().state, BackupViewState::Foreign);
        }
        assert_eq!(asked.backup(Vec::new()), None);
    }

    #[test]
    fn a_full_backup_heads_its_own_chain_and_an_increment_another() {
        let target = fixtures::target();
        let task: TaskId = "t1".into();
        for (plan, base, is_ours) in [
            (Some(plan(None)), "b1", true),
            (Some(plan(None)), "b0", false),
            (Some(plan(Some("b0"))), "b0", true),
            (Some(plan(Some("b0"))), "b1", false),
            (None, "b0", true),
        ] {
            let asked = Asked::new(&target, None, plan.as_ref(), &task);
            let json = json!({"backupUUID": "b1", "state": "Completed", "baseBackupUUID": base});
            let seen = asked.backup(vec![row(json)]).unwrap();
            assert_eq!(seen.state != BackupViewState::Foreign, is_ours, "{plan:?} {base} {}", seen.word);
        }
    }

    #[test]
    fn a_task_of_another_universe_is_foreign_and_its_correlation_id_decides_nothing() {
        let target = fixtures::target();
        let task = "t1".into();
        let asked = Asked::new(&target, None, None, &task);
        let fault = |json: Value| asked.task_fault(&Task::deserialize(json).unwrap());
        let ours = target.universe.as_str();
        assert_eq!(fault(json!({"status": "Running"})), None);
        assert_eq!(
            fault(json!({"status": "Running", "targetUUID": ours, "correlationId": "rewritten"})),
            None
        );
        let foreign = fault(json!({"status": "Success", "targetUUID": "u2"})).unwrap();
        assert_eq!(foreign, format!("its universe is u2, not {ours}"));
    }

    #[test]
    fn uuids_are_compared_without_regard_to_case_and_other_ids_are_not() {
        let (lower, upper) = ("0b6a2c1e-7a40-4f6e-9d53-0a4b6ad4e6a1", "0B6A2C1E-7A40-4F6E-9D53-0A4B6AD4E6A1");
        assert!(same_id(lower, upper) && same_id("universe-1", "universe-1"));
        assert!(!same_id("universe-1", "Universe-1"));
    }
}
