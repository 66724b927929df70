//! The client and the simulator against the published description of YBA's API.
//!
//! The description may not be copied here, so it is read where it lies: at `$YBA_OPENAPI`, or beside the
//! checkout. Where it is missing these tests say so by name and check nothing.
//!
//! The description has errors of its own; those that concern us are written down in [`KNOWN_ERRORS`], and
//! one that is no longer needed fails the test.

use std::{cell::RefCell, collections::BTreeSet, io::Write, path::PathBuf, sync::OnceLock};

use serde::de::{self, Deserialize, Visitor};
use serde_json::{Value, json};
use yba_client::{
    Backup, BackupInfo, BackupResp, Cluster, CommonBackupInfo, Customer, FailedSubtask, KeyspaceBackup,
    Namespace, PitrConfig, PreflightReport, Restore, RestoreKeyspace, Schedule, SessionInfo, StorageConfig,
    Table, TaskSummary, Universe, UniverseDetails, UserIntent,
};

use crate::{calls, support};

/// Where the description is wrong or older than what we know, and why we do otherwise.
const KNOWN_ERRORS: &[(&str, &str)] = &[
    ("POST /api/v1/customers/{cUUID}/backups body.useRoles", "added in 2026"),
    ("POST /api/v1/customers/{cUUID}/create_backup_schedule body.useRoles", "added in 2026"),
    ("POST /api/v1/customers/{cUUID}/create_backup_schedule_async body.useRoles", "added in 2026"),
];

/// The description, or word that it is not there.
pub(crate) fn description(test: &str) -> Option<&'static Value> {
    static READ: OnceLock<Result<Value, PathBuf>> = OnceLock::new();
    match READ.get_or_init(read_description) {
        Ok(spec) => Some(spec),
        Err(path) => {
            // Straight to the stream, because a passing test's prints are not shown.
            let path = path.display();
            let line = format!("{test}: no description of the API at {path}; set YBA_OPENAPI\n");
            let _ = std::io::stderr().write_all(format!("SKIPPED {line}").as_bytes());
            // Where the test command counts and names what could not run.
            if let Some(list) = std::env::var_os("SKIPPED_TESTS") {
                let list = std::fs::OpenOptions::new().create(true).append(true).open(list);
                list.and_then(|mut list| list.write_all(line.as_bytes())).expect("the list of skipped tests");
            }
            None
        }
    }
}

fn read_description() -> Result<Value, PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/yba/yba-v1-openapi.yaml");
    let path = std::env::var_os("YBA_OPENAPI").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(yaml) = std::fs::read_to_string(&path) else { return Err(path) };
    let options = serde_saphyr::options! { budget: None };
    Ok(serde_saphyr::from_str_with_options(&yaml, options).expect("the description is YAML"))
}

/// One operation of the description.
pub(crate) struct Operation<'a> {
    spec: &'a Value,
    name: String,
    body: &'a Value,
}

impl<'a> Operation<'a> {
    /// The operation that a request line belongs to; a literal segment is preferred to a placeholder.
    pub(crate) fn find(spec: &'a Value, method: &str, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let paths = spec["paths"].as_object()?;
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let same = |(part, segment): (&&str, &&str)| part.starts_with('{') || part == segment;
            parts.len() == segments.len() && parts.iter().zip(&segments).all(same)
        };
        let mut found: Vec<(&String, &Value)> = paths.iter().filter(|(path, _)| fits(path)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let (template, item) = found.first()?;
        let body = item.get(method.to_ascii_lowercase())?;
        Some(Self { spec, name: format!("{method} {template}"), body })
    }

    fn request_schema(&self) -> Option<&'a Value> {
        self.body.pointer("/requestBody/content/application~1json/schema")
    }

    pub(crate) fn response_schema(&self) -> Option<&'a Value> {
        self.body.pointer("/responses/200/content/application~1json/schema")
    }

    fn query_names(&self) -> BTreeSet<&'a str> {
        let parameters = self.body["parameters"].as_array();
        let queries = parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "query");
        queries.filter_map(|parameter| parameter["name"].as_str()).collect()
    }
}

/// Follows references.
pub(crate) fn resolved<'a>(spec: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => {
            let target = spec.pointer(path.trim_start_matches('#')).expect("references lead somewhere");
            resolved(spec, target)
        }
        None => schema,
    }
}

/// What a value has that its schema does not.
fn faults(spec: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolved(spec, schema);
    if value.is_null() {
        return;
    }
    let kind = schema["type"].as_str();
    let fits = match kind {
        Some("string") => value.is_string(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !fits {
        found.push(format!("{at} is no {}", kind.unwrap_or_default()));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at} is {value}"));
    }
    if let Some(items) = value.as_array() {
        for item in items {
            faults(spec, &schema["items"], item, &format!("{at}[]"), found);
        }
    }
    let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    if properties.is_empty() {
        // An object of any content.
        return;
    }
    for (name, value) in fields {
        match properties.get(name) {
            Some(property) => faults(spec, property, value, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}.{name}")),
        }
    }
}

/// Fails with what is neither right nor a known error, and with known errors that are none.
pub(crate) fn assert_only_known(found: Vec<String>, known: &[(&str, &str)]) {
    let found: BTreeSet<String> = found.into_iter().collect();
    let known: BTreeSet<String> = known.iter().map(|(fault, _)| (*fault).to_owned()).collect();
    let new: Vec<&String> = found.difference(&known).collect();
    let healed: Vec<&String> = known.difference(&found).collect();
    assert!(
        new.is_empty() && healed.is_empty(),
        "not in the description: {new:#?}\nno longer needed: {healed:#?}"
    );
}

#[tokio::test]
async fn every_call_is_in_the_published_description() {
    let Some(spec) = description("every_call_is_in_the_published_description") else { return };
    let server = support::answering_json(json!({})).await;
    let client = support::builder(&server).retry(yba_client::RetryPolicy::never()).build().unwrap();
    calls::make_all(&client, yba_client::parse_date("2025-03-25T10:15:30Z").unwrap()).await;
    let (mut found, mut made) = (Vec::new(), BTreeSet::new());
    // Not in the description, though in the server's routes.
    let undescribed = ["GET /api/v1/ha_leader"];
    for sent in support::sent(&server).await {
        let (method, target) = sent.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(operation) = Operation::find(spec, method, path) else {
            if !undescribed.contains(&sent.line.as_str()) {
                found.push(sent.line.clone());
            }
            continue;
        };
        let names = operation.query_names();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            if !names.contains(name) {
                found.push(format!("{} query.{name}", operation.name));
            }
        }
        match operation.request_schema() {
            Some(schema) => {
                let at = format!("{} body", operation.name);
                faults(operation.spec, schema, &sent.body, &at, &mut found);
            }
            None if sent.body.is_null() => {}
            None => found.push(format!("{} takes no body", operation.name)),
        }
        made.insert(operation.name);
    }
    assert!(made.len() >= 40, "only {} operations were seen", made.len());
    assert_only_known(found, KNOWN_ERRORS);
}

/// What the answer to a call has that the description does not.
#[cfg(feature = "simulator")]
pub(crate) fn faults_of_answer(spec: &Value, method: &str, path: &str, answer: &Value) -> Vec<String> {
    let Some(operation) = Operation::find(spec, method, path) else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(schema) = operation.response_schema() {
        faults(spec, schema, answer, &operation.name, &mut found);
    }
    found
}

/// Writes down the fields that a type asks for.
struct FieldNames<'a>(&'a RefCell<&'static [&'static str]>);

impl<'de> de::Deserializer<'de> for FieldNames<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only the fields are wanted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.replace(fields);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let names = RefCell::new(&[][..]);
    assert!(T::deserialize(FieldNames(&names)).is_err());
    names.into_inner()
}

/// Checks that the fields `T` reads exist where the description puts them: below the answer of an
/// operation, along `path` (`[]` for the items of an array).
fn reads<'de, T: Deserialize<'de>>(spec: &Value, line: &str, path: &[&str], found: &mut Vec<String>) {
    let (method, template) = line.split_once(' ').expect("a method and a path");
    let operation = Operation::find(spec, method, &format!("/api/v1{template}")).expect(line);
    let mut schema = resolved(spec, operation.response_schema().expect(line));
    for step in path {
        let next = if *step == "[]" { &schema["items"] } else { &schema["properties"][*step] };
        assert!(!next.is_null(), "{line}: {path:?}");
        schema = resolved(spec, next);
    }
    let fields = fields_of::<T>();
    assert!(!fields.is_empty());
    for field in fields {
        if schema["properties"].get(field).is_none() {
            found.push(format!("{line} {}.{field}", path.join(".")));
        }
    }
}

#[test]
fn every_field_we_read_is_in_the_published_description() {
    let Some(spec) = description("every_field_we_read_is_in_the_published_description") else { return };
    let mut found = Vec::new();
    let f = &mut found;
    let page = "POST /customers/c/backups/page";
    reads::<BackupResp>(spec, page, &["entities", "[]"], f);
    reads::<CommonBackupInfo>(spec, page, &["entities", "[]", "commonBackupInfo"], f);
    reads::<KeyspaceBackup>(spec, page, &["entities", "[]", "commonBackupInfo", "responseList", "[]"], f);
    reads::<CommonBackupInfo>(spec, "GET /customers/c/backups/b/list_increments", &["[]"], f);
    reads::<Backup>(spec, "GET /customers/c/backups/b", &[], f);
    reads::<BackupInfo>(spec, "GET /customers/c/backups/b", &["backupInfo"], f);
    reads::<Backup>(spec, "GET /customers/c/universes/u/backups/tasks/t", &["[]"], f);
    reads::<TaskSummary>(spec, "GET /customers/c/tasks_list", &["[]"], f);
    reads::<TaskSummary>(spec, "POST /customers/c/tasks_list/page", &["entities", "[]"], f);
    reads::<FailedSubtask>(spec, "GET /customers/c/tasks/t/failed_subtasks", &["failedSubTasks", "[]"], f);
    let universe = "GET /customers/c/universes/u";
    reads::<Universe>(spec, universe, &[], f);
    reads::<UniverseDetails>(spec, universe, &["universeDetails"], f);
    reads::<Cluster>(spec, universe, &["universeDetails", "clusters", "[]"], f);
    reads::<UserIntent>(spec, universe, &["universeDetails", "clusters", "[]", "userIntent"], f);
    reads::<Namespace>(spec, "GET /customers/c/universes/u/namespaces", &["[]"], f);
    reads::<Table>(spec, "GET /customers/c/universes/u/tables", &["[]"], f);
    reads::<StorageConfig>(spec, "GET /customers/c/configs", &["[]"], f);
    reads::<Restore>(spec, "POST /customers/c/restore/page", &["entities", "[]"], f);
    reads::<RestoreKeyspace>(
        spec,
        "POST /customers/c/restore/page",
        &["entities", "[]", "restoreKeyspaceList", "[]"],
        f,
    );
    reads::<PreflightReport>(spec, "POST /customers/c/restore/preflight", &[], f);
    reads::<Schedule>(spec, "GET /customers/c/schedules/s", &[], f);
    reads::<PitrConfig>(spec, "GET /customers/c/universes/u/pitr_config", &["[]"], f);
    reads::<SessionInfo>(spec, "GET /session_info", &[], f);
    reads::<Customer>(spec, "GET /customers/c", &[], f);
    // A schedule is read from two answers, of which the description knows one.
    let of_the_list = "only in the list, whose entries the description mistakes for the other form";
    let known = [
        ("GET /customers/c/schedules/s .incrementalBackupFrequency", of_the_list),
        ("GET /customers/c/schedules/s .prevCompletedTask", of_the_list),
        ("GET /customers/c/schedules/s .nextExpectedTask", of_the_list),
        ("GET /customers/c/schedules/s .backupInfo", of_the_list),
    ];
    assert_only_known(found, &known);
}
