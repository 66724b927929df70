//! The contract as data: `contract/contract.yaml`, `contract/application.yml` and `contract/variables.env`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The original's file, with the documents of its profiles.
pub(super) const APPLICATION: &str = include_str!("contract/application.yml");
const VARIABLES: &str = include_str!("contract/variables.env");
const CONTRACT: &str = include_str!("contract/contract.yaml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Contract {
    pub(super) settings: Vec<SettingCase>,
    pub(super) profiles: Vec<ProfileCase>,
    pub(super) variables: Vec<VariableCase>,
    pub(super) requests: Vec<RequestCase>,
    pub(super) half_configured: Vec<RequestCase>,
    pub(super) accepted: Vec<RequestCase>,
    pub(super) probes: Vec<ProbeCase>,
    pub(super) metrics: Vec<MetricCase>,
    pub(super) logs: Vec<LogCase>,
    pub(super) columns: Vec<ColumnCase>,
    pub(super) layout: Vec<LayoutCase>,
    pub(super) rows: Vec<RowCase>,
    pub(super) statements: Vec<StatementCase>,
    pub(super) after_statements: Vec<RequestCase>,
    pub(super) sqlstates: Vec<SqlstateCase>,
}

/// A key of the file and what it resolves to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingCase {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) is: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProfileCase {
    pub(super) id: String,
    #[serde(default)]
    pub(super) without: Vec<String>,
    pub(super) app_env: Option<String>,
    pub(super) active: String,
    /// `yba.max-retry-attempts`, which the document of the profile changes.
    pub(super) retries: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariableCase {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) key: Option<String>,
}

/// A call of `POST /backupProcess`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestCase {
    pub(super) id: String,
    /// Variables that the service lacks.
    #[serde(default)]
    pub(super) without: Vec<String>,
    pub(super) given: Option<Given>,
    pub(super) prefer: Option<String>,
    pub(super) body: Value,
    pub(super) status: u16,
    /// What the answer holds, and maybe more.
    pub(super) answer: Value,
    /// What `error_message` holds, and maybe more.
    pub(super) message: Option<String>,
    /// What YBA is asked to start meanwhile.
    #[serde(default)]
    pub(super) orders: Vec<Order>,
    /// What YBA is asked by `GET` meanwhile, among other things.
    #[serde(default)]
    pub(super) asked: Vec<String>,
    /// What `backup_response` holds, and maybe more.
    pub(super) keeps: Option<Value>,
}

/// What is the matter with YBA meanwhile.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the data, and any may be set")]
pub(super) struct Given {
    /// Which YBA it is about.
    pub(super) at: Option<String>,
    /// Somebody has taken a full backup of this one.
    pub(super) full_backup_of: Option<String>,
    /// It answers the order with this status and does nothing.
    pub(super) answer: Option<u16>,
    /// The text of that answer.
    pub(super) text: String,
    /// It takes the order, and the connection is lost.
    pub(super) no_answer: bool,
    /// It takes the order, and answers too late.
    pub(super) answers_after_the_read_timeout: bool,
    pub(super) task_fails_with: Option<String>,
    pub(super) task_hangs: bool,
    /// The task that hangs ends well.
    pub(super) task_succeeds: bool,
}

/// A `POST` that YBA gets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) at: String,
    /// What its body holds, and maybe more.
    pub(super) body: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeCase {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) answer: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MetricCase {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) statistic: String,
    pub(super) unit: Option<String>,
    pub(super) at_least: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogCase {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) batch: String,
    pub(super) says: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnCase {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) column: String,
    pub(super) r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutCase {
    pub(super) id: String,
    pub(super) table: String,
    /// The column by whose ranges it is partitioned.
    pub(super) by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowCase {
    pub(super) id: String,
    pub(super) sql: String,
    pub(super) gives: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementCase {
    pub(super) id: String,
    pub(super) sql: String,
    #[serde(default)]
    pub(super) with: BTreeMap<String, String>,
    /// A query that shows what the statement did.
    pub(super) look: String,
    pub(super) gives: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlstateCase {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) fails: u32,
    pub(super) status: u16,
}

impl Contract {
    pub(super) fn read() -> Self {
        serde_saphyr::from_str(CONTRACT).unwrap_or_else(|error| panic!("contract.yaml: {error}"))
    }

    /// The id of every case.
    ///
    /// # Panics
    /// When two cases have the same.
    pub(super) fn ids(&self) -> BTreeSet<&str> {
        let requests = [&self.requests, &self.half_configured, &self.accepted, &self.after_statements];
        let all = (requests.into_iter().flatten().map(|case| &case.id))
            .chain(self.settings.iter().map(|case| &case.id))
            .chain(self.profiles.iter().map(|case| &case.id))
            .chain(self.variables.iter().map(|case| &case.id))
            .chain(self.probes.iter().map(|case| &case.id))
            .chain(self.metrics.iter().map(|case| &case.id))
            .chain(self.logs.iter().map(|case| &case.id))
            .chain(self.columns.iter().map(|case| &case.id))
            .chain(self.layout.iter().map(|case| &case.id))
            .chain(self.rows.iter().map(|case| &case.id))
            .chain(self.statements.iter().map(|case| &case.id))
            .chain(self.sqlstates.iter().map(|case| &case.id));
        let mut ids = BTreeSet::new();
        for id in all {
            assert!(ids.insert(id.as_str()), "two cases have the id {id}");
        }
        ids
    }
}

/// The file without the documents of its profiles.
pub(super) fn without_profile_documents() -> &'static str {
    APPLICATION.split_once("\n---\n").expect("several documents").0
}

/// The variables, their placeholders as they stand.
pub(super) fn variables() -> Vec<(&'static str, &'static str)> {
    let lines = VARIABLES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').expect("NAME=value")).collect()
}
