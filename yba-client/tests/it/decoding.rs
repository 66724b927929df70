//! Reading what YBA may send: any answer that fits the published description, any date, any word.

use proptest::{prelude::*, test_runner::TestRunner};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use yba_client::{
    Backup, BackupResp, BackupState, CommonBackupInfo, Customer, FailedSubtask, Namespace, Page, PitrConfig,
    PreflightReport, Restore, Schedule, SessionInfo, StorageConfig, Table, TableType, Task, TaskState,
    TaskSummary, Universe, parse_date,
};

use crate::openapi::{Operation, description, resolved};

/// Fields without which an answer means nothing; the description does not promise them, YBA sends them.
const ALWAYS_THERE: &[&str] = &[
    "backupUUID",
    "commonBackupInfo",
    "configUUID",
    "entities",
    "failedSubTasks",
    "id",
    "name",
    "restoreUUID",
    "scheduleUUID",
    "state",
    "status",
    "tableName",
    "universeUUID",
    "uuid",
];

/// Makes a value that fits a schema out of a stream of choices: fields left out, `null`, unknown fields, words
/// of tomorrow.
fn fitting(spec: &Value, schema: &Value, choices: &mut impl Iterator<Item = u8>, depth: u8) -> Value {
    let schema = resolved(spec, schema);
    let choice = choices.next().unwrap_or(0);
    match schema["type"].as_str() {
        Some("boolean") => json!(choice.is_multiple_of(2)),
        Some("integer") => json!(i64::from(choice) * 1_000_003),
        Some("number") => json!(f64::from(choice) / 3.0),
        Some("array") => {
            let length = if depth == 0 { 0 } else { choice % 3 };
            (0..length).map(|_| fitting(spec, &schema["items"], choices, depth - 1)).collect()
        }
        Some("string") => match schema["enum"].as_array() {
            Some(words) if !choice.is_multiple_of(8) => words[usize::from(choice) % words.len()].clone(),
            Some(_) => json!("WordOfTomorrow"),
            None if schema["format"] == "date-time" => json!("2025-03-25T10:15:30Z"),
            None => json!(format!("text-{choice}")),
        },
        _ => object(spec, schema, choices, depth),
    }
}

fn object(spec: &Value, schema: &Value, choices: &mut impl Iterator<Item = u8>, depth: u8) -> Value {
    let mut fields = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let always = ALWAYS_THERE.contains(&name.as_str());
        match choices.next().unwrap_or(0) % 4 {
            0 if !always => {}
            1 if !always => drop(fields.insert(name.clone(), Value::Null)),
            _ if depth == 0 && !always => {}
            _ => drop(fields.insert(name.clone(), fitting(spec, property, choices, depth.saturating_sub(1)))),
        }
    }
    fields.insert("aFieldOfTomorrow".to_owned(), json!({"nested": [1]}));
    Value::Object(fields)
}

/// Feeds `T` with many answers to one operation.
fn decodes<T: DeserializeOwned>(spec: &Value, line: &str) {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let operation = Operation::find(spec, method, &format!("/api/v1{path}")).expect(line);
    let schema = operation.response_schema().expect(line);
    let choices = proptest::collection::vec(any::<u8>(), 0..400);
    let mut runner = TestRunner::deterministic();
    let outcome = runner.run(&choices, |choices| {
        let answer = fitting(spec, schema, &mut choices.into_iter(), 5);
        let read = serde_json::from_value::<T>(answer.clone());
        prop_assert!(
            read.is_ok(),
            "{}: {answer:#}",
            read.err().map(|error| error.to_string()).unwrap_or_default()
        );
        Ok(())
    });
    assert!(outcome.is_ok(), "{line}: {}", outcome.err().map(|error| error.to_string()).unwrap_or_default());
}

#[test]
fn any_answer_that_fits_the_published_description_is_read() {
    let Some(spec) = description("any_answer_that_fits_the_published_description_is_read") else { return };
    decodes::<Page<BackupResp>>(spec, "POST /customers/c/backups/page");
    decodes::<Vec<CommonBackupInfo>>(spec, "GET /customers/c/backups/b/list_increments");
    decodes::<Backup>(spec, "GET /customers/c/backups/b");
    decodes::<Vec<Backup>>(spec, "GET /customers/c/universes/u/backups/tasks/t");
    decodes::<Vec<TaskSummary>>(spec, "GET /customers/c/tasks_list");
    decodes::<Page<TaskSummary>>(spec, "POST /customers/c/tasks_list/page");
    decodes::<Universe>(spec, "GET /customers/c/universes/u");
    decodes::<Vec<Namespace>>(spec, "GET /customers/c/universes/u/namespaces");
    decodes::<Vec<Table>>(spec, "GET /customers/c/universes/u/tables");
    decodes::<Vec<StorageConfig>>(spec, "GET /customers/c/configs");
    decodes::<Page<Restore>>(spec, "POST /customers/c/restore/page");
    decodes::<PreflightReport>(spec, "POST /customers/c/restore/preflight");
    decodes::<Page<Schedule>>(spec, "POST /customers/c/schedules/page");
    decodes::<Schedule>(spec, "GET /customers/c/schedules/s");
    decodes::<Vec<PitrConfig>>(spec, "GET /customers/c/universes/u/pitr_config");
    decodes::<SessionInfo>(spec, "GET /session_info");
    decodes::<Customer>(spec, "GET /customers/c");
}

/// Any JSON at all, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9 :.-]{0,20}".prop_map(Value::from),
    ];
    let names = prop_oneof!["[a-zA-Z]{1,8}", Just("status".to_owned()), Just("createTime".to_owned())];
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::hash_map(names.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_a_type_panic(json in any_json()) {
        drop(serde_json::from_value::<Task>(json.clone()));
        drop(serde_json::from_value::<TaskSummary>(json.clone()));
        drop(serde_json::from_value::<FailedSubtask>(json.clone()));
        drop(serde_json::from_value::<Backup>(json.clone()));
        drop(serde_json::from_value::<BackupResp>(json.clone()));
        drop(serde_json::from_value::<Universe>(json.clone()));
        drop(serde_json::from_value::<Schedule>(json));
    }

    #[test]
    fn a_date_is_never_a_reason_to_refuse_a_task(date in any_json()) {
        let task = serde_json::from_value::<Task>(json!({"status": "Running", "createTime": date}));
        prop_assert!(task.is_ok());
    }

    #[test]
    fn no_text_makes_the_date_reader_panic(text in ".{0,60}") {
        let _ = parse_date(&text);
    }

    #[test]
    fn an_iso_date_is_read_as_what_it_is(seconds in 0_i64..4_102_444_800) {
        let date = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        for form in ["%Y-%m-%dT%H:%M:%SZ", "%a %b %d %H:%M:%S UTC %Y", "%Y-%m-%dT%H:%M:%S%.3f%z"] {
            prop_assert_eq!(parse_date(&date.format(form).to_string()), Some(date));
        }
    }

    #[test]
    fn a_word_nobody_knows_survives_the_way_there_and_back(word in "[A-Za-z_]{0,30}") {
        let quoted = json!(word);
        for read in [
            json!(serde_json::from_value::<TaskState>(quoted.clone()).unwrap()),
            json!(serde_json::from_value::<BackupState>(quoted.clone()).unwrap()),
            json!(serde_json::from_value::<TableType>(quoted.clone()).unwrap()),
        ] {
            prop_assert_eq!(&read, &quoted);
        }
    }
}
