//! `/batches`: reading, listing, cancelling.

use backup_core::testing::ScriptedStrategy;
use serde_json::{Value, json};

use crate::support::{TestApp, ask, quick_yba, redacted, scripted, simulated, until};

#[tokio::test]
async fn a_batch_is_shown_as_it_was_answered() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let answered = app.process(&ask("HWA_EPR_DB_BACKUP_FULL")).await;
    let shown = app.get(&format!("/batches/{}", answered.batch())).await;
    assert_eq!((shown.status, shown.json()), (200, answered.json()));
}

#[tokio::test]
async fn a_failed_batch_is_found_with_200_because_it_is_there() {
    let yba = quick_yba().await;
    yba.fail_next_backup(&yba.universe(), "disk full");
    let app = simulated(&yba).start();
    let failed = app.process(&ask("db1")).await;
    let shown = app.get(&format!("/batches/{}", failed.batch())).await;
    assert_eq!(shown.gist(), "200 FAILED BACKUP_FAILED");
}

#[tokio::test]
async fn a_batch_that_is_not_there_is_a_problem() {
    let app = scripted(&ScriptedStrategy::new()).start();
    for reply in [app.get("/batches/none").await, app.post("/batches/none/cancel", "").await] {
        assert_eq!(reply.status, 404);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(reply.json(), @r#"
            {
              "detail": "there is no batch \"none\"",
              "error_code": "INVALID_REQUEST",
              "status": 404,
              "title": "Not Found",
              "type": "about:blank"
            }
            "#);
        }
    }
}

#[tokio::test]
async fn any_id_that_is_accepted_is_found_again() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    let record = app.store.records().remove(0);
    assert_eq!(reply.header("location"), Some(format!("/batches/{}", record.batch).as_str()));
    let odd = app.get("/batches/a%2Fb%3Fc%20%C3%A9").await;
    assert_eq!(odd.json()["detail"], "there is no batch \"a/b?c é\"");
}

async fn three_batches() -> TestApp {
    let app = scripted(&ScriptedStrategy::new()).start();
    for date in ["20250324", "20250325", "20250326"] {
        let reply = app.process(&json!({"batchCategoryCode": "db1", "batchTransactionDate": date})).await;
        assert_eq!(reply.status, 200);
    }
    app
}

fn dates(page: &Value) -> Vec<&str> {
    let batches = page["batches"].as_array().expect("a list");
    batches.iter().map(|batch| batch["id"]["batchExecutionDate"].as_str().expect("a date")).collect()
}

#[tokio::test]
async fn batches_are_listed_newest_first_and_page_by_page() {
    let app = three_batches().await;
    let all = app.get("/batches").await.json();
    assert_eq!(dates(&all), ["2025-03-26", "2025-03-25", "2025-03-24"]);
    assert_eq!(all["next"], Value::Null);

    let mut next = Some("/batches?limit=1&category=DB1".to_owned());
    let mut seen = Vec::new();
    while let Some(link) = next {
        let page = app.get(&link).await.json();
        assert_eq!(dates(&page).len(), 1, "{page}");
        seen.extend(dates(&page).into_iter().map(str::to_owned));
        next = page["next"].as_str().map(str::to_owned);
        assert!(next.as_ref().is_none_or(|next| next.contains("category=DB1") && next.contains("limit=1")));
    }
    assert_eq!(seen, dates(&all));
}

#[tokio::test]
async fn a_list_carries_no_answers_of_yba() {
    let app = three_batches().await;
    let page = app.get("/batches").await.json();
    let batches = page["batches"].as_array().unwrap();
    assert!(batches.iter().all(|batch| batch["extensionFields"]["task_uuid"].is_string()), "{page}");
    assert!(batches.iter().all(|batch| batch["extensionFields"]["backup_response"].is_null()), "{page}");
    let id = batches[0]["id"]["batchExecutionId"].as_str().unwrap();
    assert!(!app.get(&format!("/batches/{id}")).await.extension("backup_response").is_empty());
}

#[tokio::test]
async fn a_place_that_no_page_gave_is_the_caller_s_fault() {
    let app = three_batches().await;
    for after in
        ["-9223372036854775808.b", "9223372036854775807.b", "-1.b", "1742877930123456.a%00b", "%F0%9F"]
    {
        let reply = app.get(&format!("/batches?after={after}")).await;
        assert_eq!(
            (reply.status, reply.json()["error_code"].as_str()),
            (400, Some("INVALID_REQUEST")),
            "{after}"
        );
    }
}

#[tokio::test]
async fn an_id_that_no_batch_can_have_is_not_looked_for() {
    let app = scripted(&ScriptedStrategy::new()).start();
    app.store.fail_when(|operation, _| operation == "find");
    for id in ["a%00b", "a%0Ab", "%1B%5B2J", &"x".repeat(129), "%C2%9B"] {
        let reply = app.get(&format!("/batches/{id}")).await;
        assert_eq!(reply.status, 404, "{id}: {reply:?}");
        assert!(reply.text.chars().all(|c| !c.is_control()) && !reply.text.contains("u001b"), "{reply:?}");
        assert_eq!(app.post(&format!("/batches/{id}/cancel"), "").await.status, 404, "{id}");
    }
    assert_eq!(app.get("/batches/%FF").await.status, 400);
    assert_eq!(
        app.get("/actuator/metrics/%FF").await.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let app = three_batches().await;
    for (query, expected) in [
        ("from=20250325", vec!["2025-03-26", "2025-03-25"]),
        ("to=2025-03-24", vec!["2025-03-24"]),
        ("from=20250325&to=20250325", vec!["2025-03-25"]),
        ("status=completed&limit=1", vec!["2025-03-26"]),
        ("status=FAILED", vec![]),
        ("category=other", vec![]),
    ] {
        assert_eq!(dates(&app.get(&format!("/batches?{query}")).await.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_a_problem_with_every_fault() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app.get("/batches?categry=db1&limit=many&from=20250230").await;
    assert_eq!(reply.status, 400);
    insta::assert_json_snapshot!(redacted(reply.json()), @r#"
    {
      "detail": "the query is not valid: categry: is not known; known are category, status, from, to, limit, after; limit: must be a number from 1 to 1000; from: cannot be read; write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)",
      "error_code": "INVALID_REQUEST",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn a_running_backup_is_cancelled() {
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    let app = simulated(&yba).start();
    let running = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    let location = running.header("location").unwrap();
    until(async || app.get(location).await, |reply| reply.json()["extensionFields"]["phase"] == "RUNNING")
        .await;

    let cancel = format!("{location}/cancel");
    let asked = app.post(&cancel, "").await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.header("location"), Some(location));
    let ended = app.get_waiting(location).await;
    assert_eq!(ended.gist(), "200 FAILED CANCELLED");
    assert_eq!(app.post(&cancel, "").await.gist(), "200 FAILED CANCELLED", "asking twice is no mistake");
}

#[tokio::test]
async fn a_batch_that_is_over_cannot_be_cancelled() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let done = app.process(&ask("db1")).await;
    let reply = app.post(&format!("/batches/{}/cancel", done.batch()), "").await;
    assert_eq!(reply.status, 409);
    assert_eq!(reply.json()["detail"], format!("batch \"{}\" is over: COMPLETED", done.batch()));
}

#[tokio::test]
async fn a_store_that_fails_is_a_problem_with_503() {
    let app = scripted(&ScriptedStrategy::new()).start();
    app.store.fail_when(|operation, _| operation == "list" || operation == "find");
    for path in ["/batches", "/batches/x"] {
        let reply = app.get(path).await;
        assert_eq!((reply.status, reply.json()["error_code"].as_str()), (503, Some("STORE_UNAVAILABLE")));
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let missing = app.get("/nothing/here?secret=x").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("content-type"), Some("application/problem+json"));
    assert_eq!(missing.json()["detail"], "there is nothing at /nothing/here");
    assert!(missing.header("x-request-id").is_some());
    let wrong = app.post("/batches", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(wrong.json()["title"], "Method Not Allowed");
}

#[tokio::test]
async fn a_service_that_is_nested_elsewhere_knows_its_place() {
    use axum::{body::Body, http::Request};
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    let app = simulated(&yba).start();
    let outer = axum::Router::new().nest("/ops/backup", backup_http::router(app.state.clone()));
    let send = async |mut request: Request<Body>| {
        request.headers_mut().insert("host", "localhost".parse().unwrap());
        tower::ServiceExt::oneshot(outer.clone(), request).await.unwrap()
    };
    let post = Request::post("/ops/backup/backupProcess").header("prefer", "respond-async");
    let accepted = send(post.body(Body::from(ask("db1").to_string())).unwrap()).await;
    let location = accepted.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("/ops/backup/batches/"), "{location}");
    assert_eq!(send(Request::get(&location).body(Body::empty()).unwrap()).await.status(), 200);
    let missing = send(Request::get("/ops/backup/nothing").body(Body::empty()).unwrap()).await;
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
}
