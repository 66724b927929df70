//! The service that this one replaces: its contract as data, played against the real binary.
//!
//! `contract/` has the data; `docs/compatibility.md` says in words what it means and where we differ, and names its cases.

mod contract;
mod database;
mod document;
mod places;
mod play;
mod service;
mod settings;
mod shape;
mod stand_in;

use pg_harness::{NOT_FOUND, skip};
use rstest::rstest;
use serde_json::json;

use self::{
    contract::Contract,
    database::{Engine, Tables, with_parameters},
    places::{Installations, Places},
    play::Play,
    service::{Original, Way},
    shape::differences,
};

/// Everything that happens on one service: requests, probes, metrics, log, tables, statements by hand, requests again.
#[rstest]
#[case::file_on_sqlite(Way::File, Engine::Sqlite)]
#[case::file_without_profiles_on_sqlite(Way::FileWithoutProfiles, Engine::Sqlite)]
#[case::variables_on_sqlite(Way::Variables, Engine::Sqlite)]
#[case::file_on_postgres(Way::File, Engine::Postgres)]
#[case::file_without_profiles_on_postgres(Way::FileWithoutProfiles, Engine::Postgres)]
#[case::variables_on_postgres(Way::Variables, Engine::Postgres)]
#[tokio::test]
async fn the_contract_is_played(#[case] way: Way, #[case] engine: Engine) {
    let (contract, folder) = (Contract::read(), tempfile::tempdir().unwrap());
    let mut places = Places::default();
    let Some(tables) = Tables::create(engine, folder.path(), &mut places) else {
        return skip("the_contract_is_played", NOT_FOUND);
    };
    let yba = Installations::start(&mut places).await;
    // One of the ways with the original's status codes too.
    let legacy = way == Way::FileWithoutProfiles;
    let more = [("SERVER_LEGACY_STATUS_CODES", if legacy { "true" } else { "false" })];
    let service = Original::start(folder.path(), way, &places, &[], &more).await;
    let mut play = Play::new(&service, &yba, places);
    play.legacy = legacy;

    play.all(&contract.requests).await;
    probes(&contract, &service).await;
    metrics(&contract, &service).await;
    log(&contract, &play);
    rows(&contract, &play, &tables).await;
    statements(&contract, &play, &tables).await;
    play.all(&contract.after_statements).await;
    lists_still_work(&service).await;
    service.stop().await;
}

async fn probes(contract: &Contract, service: &Original) {
    for case in &contract.probes {
        let reply = service.get(&case.path).await;
        assert_eq!(reply.status, case.status, "{}: {reply:?}", case.id);
        assert_eq!(differences(&case.answer, &reply.json()), [""; 0], "{}", case.id);
    }
}

async fn metrics(contract: &Contract, service: &Original) {
    let names = service.get("/actuator/metrics").await.json();
    for case in &contract.metrics {
        assert!(
            names["names"].as_array().is_some_and(|all| all.contains(&json!(case.name))),
            "{}: {names}",
            case.id
        );
        let metric = service.get(&format!("/actuator/metrics/{}", case.name)).await.json();
        assert_eq!(metric["baseUnit"].as_str(), case.unit.as_deref(), "{}", case.id);
        let measured = metric["measurements"].as_array().map_or(&[][..], Vec::as_slice);
        let of_kind = measured.iter().find(|one| one["statistic"] == *case.statistic);
        let value = of_kind.and_then(|one| one["value"].as_f64());
        assert!(value.is_some_and(|value| value >= case.at_least), "{}: {metric}", case.id);
    }
}

fn log(contract: &Contract, play: &Play<'_>) {
    let lines = play.service.log();
    for case in &contract.logs {
        let batch = &play.batches[&case.batch];
        let of_batch: Vec<_> =
            lines.iter().filter(|line| line.to_string().contains(batch.as_str())).collect();
        let said = of_batch
            .iter()
            .any(|line| line["level"] == *case.level && line.to_string().contains(case.says.as_str()));
        assert!(said, "{}: {of_batch:#?}", case.id);
    }
}

async fn rows(contract: &Contract, play: &Play<'_>, tables: &Tables) {
    for case in &contract.rows {
        assert_eq!(tables.run(&play.fill(&case.sql)).await, case.gives, "{}", case.id);
    }
}

async fn statements(contract: &Contract, play: &Play<'_>, tables: &Tables) {
    for case in &contract.statements {
        tables.run(&with_parameters(&play.fill(&case.sql), &case.with)).await;
        assert_eq!(tables.run(&play.fill(&case.look)).await, case.gives, "{}", case.id);
    }
}

/// Rows that were written or changed by hand break no list.
async fn lists_still_work(service: &Original) {
    for path in ["/batches?limit=1000", "/batches?status=COMPLETED&limit=1000", "/actuator/health/readiness"]
    {
        let reply = service.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
}

/// A target that lacks something is told apart from one that is not there.
#[rstest]
#[tokio::test]
async fn a_target_that_is_half_configured_is_named(#[values(Way::File, Way::Variables)] way: Way) {
    let contract = Contract::read();
    for case in &contract.half_configured {
        let (folder, mut places) = (tempfile::tempdir().unwrap(), Places::default());
        Tables::create(Engine::Sqlite, folder.path(), &mut places);
        let yba = Installations::start(&mut places).await;
        let service = Original::start(folder.path(), way, &places, &case.without, &[]).await;
        Play::new(&service, &yba, places).all(std::slice::from_ref(case)).await;
        service.stop().await;
    }
}

/// Nothing but the original's three URLs, and the original's meaning of "completed".
#[rstest]
#[tokio::test]
async fn the_original_s_urls_are_enough(#[values(Way::File, Way::Variables)] way: Way) {
    let (contract, folder) = (Contract::read(), tempfile::tempdir().unwrap());
    let mut places = Places::default();
    Tables::create(Engine::Sqlite, folder.path(), &mut places);
    let unused = Installations::start(&mut places).await;
    let _stand_in = stand_in::start(&mut places).await;
    let accepted =
        [("YBA_DATABASES_DB1_COMPLETION", "accepted"), ("YBA_DATABASES_DB2_COMPLETION", "accepted")];
    let service = Original::start(folder.path(), way, &places, &[], &accepted).await;
    Play::new(&service, &unused, places).all(&contract.accepted).await;
    service.stop().await;
}

/// Columns and layout, on a database that the service has just made.
#[rstest]
#[tokio::test]
async fn the_tables_are_the_original_s(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (contract, folder) = (Contract::read(), tempfile::tempdir().unwrap());
    let mut places = Places::default();
    let Some(tables) = Tables::create(engine, folder.path(), &mut places) else {
        return skip("the_tables_are_the_original_s", NOT_FOUND);
    };
    let _yba = Installations::start(&mut places).await;
    Original::start(folder.path(), Way::File, &places, &[], &[]).await.stop().await;
    for case in &contract.columns {
        let found = tables.type_of(&case.table, &case.column).await;
        let fits =
            found.as_deref().is_some_and(|found| engine == Engine::Sqlite || of_kind(found, &case.r#type));
        assert!(fits, "{}: {}.{} is {found:?}", case.id, case.table, case.column);
    }
    if engine == Engine::Postgres {
        layout(&contract, &tables).await;
    }
}

/// Whether a type of PostgreSQL is of the kind that the original's is.
fn of_kind(found: &str, kind: &str) -> bool {
    match kind {
        "text" => matches!(found, "text" | "character varying"),
        "timestamp" => found.starts_with("timestamp"),
        "json" => found == "jsonb",
        other => found == other,
    }
}

async fn layout(contract: &Contract, tables: &Tables) {
    for case in &contract.layout {
        let sql = format!("SELECT pg_get_partkeydef('epricing.{}'::regclass)", case.table);
        let key = case.by.as_ref().map(|column| format!("RANGE ({column})")).unwrap_or_default();
        assert_eq!(tables.run(&sql).await, key, "{}", case.id);
    }
}

/// A write that ends with one of the original's states is repeated; with another it is not.
#[tokio::test]
async fn database_work_is_repeated_by_sqlstate() {
    let (contract, folder) = (Contract::read(), tempfile::tempdir().unwrap());
    let mut places = Places::default();
    let Some(tables) = Tables::create(Engine::Postgres, folder.path(), &mut places) else {
        return skip("database_work_is_repeated_by_sqlstate", NOT_FOUND);
    };
    let yba = Installations::start(&mut places).await;
    let service = Original::start(folder.path(), Way::File, &places, &[], &[]).await;
    for case in &contract.sqlstates {
        tables.run(&failing_writes(&case.state, case.fails)).await;
        let body = json!({"batchCategoryCode": "db1", "batchTransactionDate": "20250325"});
        let reply = service.process(&body, None).await;
        assert_eq!(reply.status, case.status, "{}: {reply:?}", case.id);
    }
    drop(yba);
    service.stop().await;
}

/// The next so many rows of the tracker are refused with this state. A sequence does not roll back, so it counts the tries.
fn failing_writes(state: &str, fails: u32) -> String {
    format!(
        "DROP SEQUENCE IF EXISTS public.tries CASCADE;
         CREATE SEQUENCE public.tries;
         CREATE OR REPLACE FUNCTION public.fail_at_first() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('public.tries') <= {fails} THEN
                 RAISE EXCEPTION 'a fault of the test' USING ERRCODE = '{state}';
             END IF;
             RETURN NEW;
         END $$;
         DROP TRIGGER IF EXISTS fail_at_first ON batch_db_schedule_event_tracker;
         CREATE TRIGGER fail_at_first BEFORE INSERT ON batch_db_schedule_event_tracker
             FOR EACH ROW EXECUTE FUNCTION public.fail_at_first()"
    )
}
