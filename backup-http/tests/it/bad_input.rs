//! Requests that are refused: each with a clear answer, and each on record.

use axum::{body::Body, http::Method};
use backup_core::testing::ScriptedStrategy;
use rstest::rstest;
use serde_json::json;

use crate::support::{ask, redacted, request, scripted};

#[rstest]
#[case::malformed(
    "{\"batchCategoryCode\": ",
    "body: is no valid JSON: EOF while parsing a value at line 1 column 22"
)]
#[case::not_json("db1", "body: is no valid JSON: expected value at line 1 column 1")]
#[case::empty("", "body: is empty; send a JSON object with batchCategoryCode and batchTransactionDate")]
#[case::blank(" \n", "body: is empty; send a JSON object with batchCategoryCode and batchTransactionDate")]
#[case::a_list("[]", "body: must be a JSON object, not a list")]
#[case::a_text("\"db1\"", "body: must be a JSON object, not text")]
#[case::null("null", "body: must be a JSON object, not null")]
#[case::nothing_in_it("{}", "batchCategoryCode: is missing; batchTransactionDate: is missing")]
#[case::no_category(r#"{"batchTransactionDate": "20250325"}"#, "batchCategoryCode: is missing")]
#[case::blank_fields(
    r#"{"batchCategoryCode": " ", "batchTransactionDate": ""}"#,
    "batchCategoryCode: is missing; batchTransactionDate: is missing"
)]
#[case::nulls(
    r#"{"batchCategoryCode": null, "batchTransactionDate": null}"#,
    "batchCategoryCode: is missing; batchTransactionDate: is missing"
)]
#[case::wrong_types(
    r#"{"batchCategoryCode": 7, "batchTransactionDate": true, "batchExecutionId": ["x"]}"#,
    "batchCategoryCode: must be text, not a number; batchTransactionDate: must be text, not true or false; \
     batchExecutionId: must be text, not a list"
)]
#[case::a_wrong_type_and_a_missing_field(
    r#"{"batchExecutionId": {"id": "x"}, "batchTransactionDate": "20250230"}"#,
    "batchCategoryCode: is missing; batchTransactionDate: \"20250230\" is no date; write yyyyMMdd (20250325) or \
     yyyy-MM-dd (2025-03-25); batchExecutionId: must be text, not an object"
)]
#[case::no_such_day(
    r#"{"batchCategoryCode": "db1", "batchTransactionDate": "20250230"}"#,
    "batchTransactionDate: \"20250230\" is no date; write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)"
)]
#[case::a_fraction(
    r#"{"batchCategoryCode": "db1", "batchTransactionDate": 20250325.5}"#,
    "batchTransactionDate: must be text, not a number"
)]
#[case::a_number_that_is_no_date(
    r#"{"batchCategoryCode": "db1", "batchTransactionDate": 25}"#,
    "batchTransactionDate: \"25\" is no date; write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)"
)]
#[tokio::test]
async fn every_fault_is_named_at_once_and_recorded(#[case] body: &'static str, #[case] faults: &str) {
    let yba = ScriptedStrategy::new();
    let app = scripted(&yba).start();
    let reply = app.post("/backupProcess", body).await;
    assert_eq!(reply.gist(), "400 FAILED INVALID_REQUEST");
    let message = format!("the request is not valid: {faults}");
    assert_eq!(reply.extension("error_message"), message);
    assert_eq!(app.exceptions(), [("INVALID_REQUEST".to_owned(), message)]);
    assert!(yba.posted().is_empty() && app.store.records().is_empty());
}

#[tokio::test]
async fn a_refused_request_keeps_the_shape_and_shows_what_was_understood() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app
        .process(
            &json!({"batchCategoryCode": 7, "batchTransactionDate": "20250325", "batchExecutionId": "b-1"}),
        )
        .await;
    insta::assert_json_snapshot!(redacted(reply.json()), @r#"
    {
      "batchCategory": null,
      "batchMode": "SCHEDULED",
      "endTime": null,
      "extensionFields": {
        "error_code": "INVALID_REQUEST",
        "error_message": "the request is not valid: batchCategoryCode: must be text, not a number"
      },
      "id": {
        "batchExecutionDate": "2025-03-25",
        "batchExecutionId": "b-1"
      },
      "startTime": null,
      "status": "FAILED"
    }
    "#);
}

#[tokio::test]
async fn long_and_unprintable_texts_are_refused_and_not_echoed() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app
        .process(&json!({"batchCategoryCode": "x".repeat(5000), "batchTransactionDate": "20250325"}))
        .await;
    assert_eq!(reply.gist(), "400 FAILED INVALID_REQUEST");
    assert!(reply.text.len() < 1000, "{reply:?}");
    let reply = app
        .process(&json!({"batchCategoryCode": "db1", "batchTransactionDate": "20250325",
        "batchExecutionId": "a\u{1b}[31mb"}))
        .await;
    assert_eq!(reply.gist(), "400 FAILED INVALID_REQUEST");
    assert!(!reply.text.contains("\\u001b"), "{reply:?}");
}

#[tokio::test]
async fn an_oversized_body_is_refused_and_recorded() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let mut body = ask("db1");
    body["padding"] = json!("x".repeat(64 * 1024));
    let reply = app.process(&body).await;
    assert_eq!(reply.gist(), "413 FAILED INVALID_REQUEST");
    assert_eq!(
        reply.extension("error_message"),
        "the request is not valid: body: is larger than 65536 bytes"
    );
    assert_eq!(app.exceptions().len(), 1);
}

#[tokio::test]
async fn a_content_type_that_is_clearly_something_else_is_refused() {
    let app = scripted(&ScriptedStrategy::new()).start();
    for (content_type, expected) in [
        ("application/json; charset=utf-8", "200 COMPLETED -"),
        ("application/x-www-form-urlencoded", "200 COMPLETED -"),
        ("text/xml", "415 FAILED INVALID_REQUEST"),
        ("multipart/form-data; boundary=x", "415 FAILED INVALID_REQUEST"),
    ] {
        let mut request = request(Method::POST, "/backupProcess", Body::from(ask("db1").to_string()));
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        assert_eq!(app.send(request).await.gist(), expected, "{content_type}");
    }
    let mut request = request(Method::POST, "/backupProcess", Body::from(ask("db1").to_string()));
    request.headers_mut().remove("content-type");
    assert_eq!(app.send(request).await.gist(), "200 COMPLETED -");
}

#[tokio::test]
async fn a_body_in_another_encoding_is_read_or_named() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let text = ask("db1").to_string();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(app.post("/backupProcess", marked).await.gist(), "200 COMPLETED -");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let reply = app.post("/backupProcess", wide).await;
    assert_eq!(reply.gist(), "400 FAILED INVALID_REQUEST");
    assert!(reply.extension("error_message").contains("UTF-16"), "{reply:?}");
    for header in [("content-encoding", "gzip"), ("content-type", "application/json; charset=utf-16")] {
        let mut request = request(Method::POST, "/backupProcess", Body::from(text.clone()));
        request.headers_mut().insert(header.0, header.1.parse().unwrap());
        assert_eq!(app.send(request).await.gist(), "415 FAILED INVALID_REQUEST", "{header:?}");
    }
}

#[tokio::test]
async fn a_flood_of_refused_requests_is_recorded_in_part() {
    let app = scripted(&ScriptedStrategy::new()).start();
    for nth in 0..300 {
        assert_eq!(app.process(&ask(&format!("typo-{nth}"))).await.status, 404);
    }
    let recorded = app.exceptions().len();
    assert!((100..200).contains(&recorded), "{recorded}");
    let metrics = app.get("/actuator/metrics/backup.refused.unrecorded").await;
    assert!(metrics.json()["measurements"][0]["value"].as_f64().unwrap() > 0.0, "{metrics:?}");
}

#[tokio::test]
async fn an_unknown_category_is_told_the_known_ones() {
    let yba = ScriptedStrategy::new();
    let app = scripted(&yba).start();
    let reply = app.process(&ask("HWA_TYPO")).await;
    assert_eq!(reply.status, 404);
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "batchCategory": "HWA_TYPO",
      "batchMode": "SCHEDULED",
      "endTime": null,
      "extensionFields": {
        "error_code": "UNKNOWN_CATEGORY",
        "error_message": "no target answers to the category \"HWA_TYPO\"; known: HALF_SET, HWA_EPR_DB_BACKUP_FULL, db1, half"
      },
      "id": {
        "batchExecutionDate": "2025-03-25",
        "batchExecutionId": null
      },
      "startTime": null,
      "status": "FAILED"
    }
    "#);
    assert_eq!(app.exceptions()[0].0, "UNKNOWN_CATEGORY");
    assert!(yba.posted().is_empty());
}

#[tokio::test]
async fn a_target_without_token_or_universe_says_what_is_missing() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app.process(&ask("half_set")).await;
    assert_eq!(reply.gist(), "500 FAILED TARGET_NOT_CONFIGURED");
    assert_eq!(
        reply.extension("error_message"),
        "the target \"half\" is not fully configured; missing: api-token, universe-uuid"
    );
    assert!(reply.extension("error_advice").contains("config check"));
    assert_eq!(app.exceptions()[0].0, "TARGET_NOT_CONFIGURED");
}

#[tokio::test]
async fn an_idempotency_key_must_be_one_printable_text() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let twice = app.process_with(&ask("db1"), &[("idempotency-key", "a"), ("idempotency-key", "b")]).await;
    assert_eq!(twice.gist(), "400 FAILED INVALID_REQUEST");
    assert!(twice.extension("error_message").contains("Idempotency-Key: is given more than once"));
    let long = app.process_with(&ask("db1"), &[("idempotency-key", "k".repeat(129).as_str())]).await;
    assert!(long.extension("error_message").contains("Idempotency-Key: is longer than 128"), "{long:?}");
    let blank = app.process_with(&ask("db1"), &[("idempotency-key", " ")]).await;
    assert_eq!(blank.gist(), "200 COMPLETED -");
}

#[tokio::test]
async fn another_method_keeps_the_shape_and_names_the_right_one() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app.get("/backupProcess").await;
    assert_eq!(reply.gist(), "405 FAILED INVALID_REQUEST");
    assert_eq!(reply.header("allow"), Some("POST"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("content-length"), Some(reply.text.len().to_string().as_str()));
}
