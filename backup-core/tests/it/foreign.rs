//! A YBA, or something in its place, that says what is not so: nothing of it is taken for ours.

use std::time::Duration;

use backup_core::{BackupRecord, BackupRequest, ErrorCode, Phase, TrackerStatus};
use serde_json::{Value, json};
use yba_client::simulator::{Endpoint, Fault};

use crate::yba::{Shop, failure};

async fn success(shop: &Shop, category: &str) -> BackupRecord {
    let record = shop.run(category).await;
    assert_eq!(record.status(), TrackerStatus::Success, "{:?}", record.failure);
    record
}

#[tokio::test]
async fn a_backup_of_another_task_universe_config_customer_or_base_is_no_success() {
    for (pointer, words) in [
        ("/0/taskUUID", "its task is another, not "),
        ("/0/customerUUID", "its customer is another, not "),
        ("/0/storageConfigUUID", "its storage config is another, not "),
        ("/0/baseBackupUUID", "its base is another, not "),
        ("/0/backupInfo/universeUUID", "its universe is another, not "),
        ("/0/backupInfo/storageConfigUUID", "its storage config is another, not "),
        ("/0/backupInfo/baseBackupUUID", "its base is another, not "),
        ("/0/backupInfo/backupList/0/universeUUID", "its universe is another, not "),
    ] {
        let shop = Shop::open().await;
        success(&shop, "full").await;
        for category in ["full", "incr"] {
            shop.yba.script(Endpoint::BackupsOfTask, Fault::rewritten(pointer, json!("another")).always());
            let (code, message) = failure(&shop.run(category).await);
            assert_eq!(code, ErrorCode::Diverged, "{pointer} {message}");
            assert!(message.contains(words), "{pointer} {message}");
            shop.yba.clear_scripts();
        }
    }
}

#[tokio::test]
async fn a_backup_without_an_id_or_with_none_that_is_one_is_no_success() {
    let long = "a".repeat(1_000_000);
    for id in
        [None, Some(Value::Null), Some(json!("")), Some(json!("..")), Some(json!("a/b")), Some(json!(long))]
    {
        let shop = Shop::open().await;
        shop.yba.script(Endpoint::BackupsOfTask, Fault::rewritten("/0/backupUUID", id.clone()).always());
        let record = shop.run("full").await;
        let (code, message) = failure(&record);
        assert_eq!(code, ErrorCode::Diverged, "{message}");
        assert!(message.len() < 1000 && record.backup.is_none(), "{}", message.len());
    }
}

#[tokio::test]
async fn a_foreign_row_beside_ours_is_passed_over() {
    let foreign = json!({"backupUUID": "b2", "state": "Completed", "taskUUID": "t2"});
    for row in [foreign, json!({"state": "Completed"}), json!("nonsense")] {
        let shop = Shop::open().await;
        shop.yba.script(Endpoint::BackupsOfTask, Fault::RowBefore(row).always());
        let record = success(&shop, "full").await;
        assert_ne!(record.backup.unwrap().as_str(), "b2");
    }
}

#[tokio::test]
async fn an_answer_that_was_mixed_up_for_a_while_is_no_divergence() {
    for (endpoint, pointer) in [(Endpoint::GetTask, "/targetUUID"), (Endpoint::BackupsOfTask, "/0/taskUUID")]
    {
        let shop = Shop::open().await;
        shop.yba.script(endpoint, Fault::rewritten(pointer, json!("another")));
        success(&shop, "full").await;
    }
}

#[tokio::test]
async fn a_task_of_another_universe_is_no_success() {
    let shop = Shop::open().await;
    shop.yba.script(Endpoint::GetTask, Fault::rewritten("/targetUUID", json!("another")).always());
    let (code, message) = failure(&shop.run("full").await);
    assert_eq!(code, ErrorCode::Diverged);
    assert!(message.contains("its universe is another, not "), "{message}");
}

#[tokio::test]
async fn a_correlation_id_that_was_rewritten_decides_nothing() {
    let shop = Shop::open().await;
    shop.yba.script(Endpoint::GetTask, Fault::rewritten("/correlationId", json!("another")).always());
    success(&shop, "full").await;
}

#[tokio::test]
async fn an_id_that_yba_writes_in_capitals_is_the_same() {
    let shop = Shop::open().await;
    let universe = shop.yba.universe().as_str().to_uppercase();
    shop.yba.script(Endpoint::GetTask, Fault::rewritten("/targetUUID", json!(universe)).always());
    shop.yba.script(
        Endpoint::BackupsOfTask,
        Fault::rewritten("/0/backupInfo/universeUUID", json!(universe)).always(),
    );
    success(&shop, "full").await;
}

#[tokio::test]
async fn a_percentage_as_text_is_read_and_unreadable_causes_are_none() {
    let shop = Shop::open().await;
    shop.yba.script(Endpoint::GetTask, Fault::rewritten("/percent", json!("33.3")).always());
    success(&shop, "full").await;
    shop.yba.fail_next_backup(&shop.yba.universe(), "disk full");
    shop.yba.script(Endpoint::FailedSubtasks, Fault::rewritten("/failedSubTasks", json!("none")).always());
    let (code, message) = failure(&shop.run("full").await);
    assert!(code == ErrorCode::BackupFailed && message.ends_with("YBA names no cause"), "{message}");
}

#[tokio::test]
async fn three_megabytes_of_subtask_text_are_kept_in_part() {
    let shop = Shop::open().await;
    shop.yba.fail_next_backup(&shop.yba.universe(), &"x".repeat(3_000_000));
    let (code, message) = failure(&shop.run("full").await);
    assert_eq!(code, ErrorCode::BackupFailed);
    assert!(message.len() < 20_000 && message.contains("(cut; it had "), "{}", message.len());
}

#[tokio::test]
async fn a_post_that_something_else_answers_is_waited_for_and_sent_again_as_unreachable() {
    let redirect =
        Fault::Redirect { code: 301, location: "https://login.example.com/?token=secret".to_owned() };
    let answers = [
        (redirect, "301, a redirect to https://login.example.com"),
        (Fault::sign_in_page(), "200: Sign in"),
        (Fault::plain(407, "who are you?"), "407: who are you?"),
        (Fault::page(403, "Forbidden"), "403: Forbidden"),
    ];
    for (fault, words) in answers {
        let shop = Shop::open().await;
        shop.yba.script(Endpoint::CreateBackup, fault.times(2));
        let batch = shop.orchestrator.submit(BackupRequest::new("full", "20250325")).await.unwrap().batch;
        let record = loop {
            let record = shop.orchestrator.find(&batch).await.unwrap();
            if record.note.is_some() || record.is_done() {
                break record;
            }
            tokio::task::yield_now().await;
        };
        if let Some(note) = &record.note {
            assert!(note.message.contains(words), "{note}");
        }
        let record = shop.orchestrator.wait(&batch, Some(Duration::from_secs(60))).await.unwrap();
        assert_eq!(
            (record.status(), record.attempts.len()),
            (TrackerStatus::Success, 3),
            "{:?}",
            record.failure
        );
        assert!(record.lost.is_empty());
        assert_eq!(shop.started(), 1);
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_while_a_backup_runs_is_on_record_and_told_to_new_requests_at_once() {
    let shop = Shop::open().await;
    shop.yba.hang_next_backup(&shop.yba.universe());
    let batch = shop.orchestrator.submit(BackupRequest::new("full", "20250325")).await.unwrap().batch;
    let record = async |is_it: fn(&BackupRecord) -> bool| loop {
        let record = shop.orchestrator.find(&batch).await.unwrap();
        if is_it(&record) {
            return record;
        }
        tokio::task::yield_now().await;
    };
    record(|record| record.phase == Phase::Running).await;
    let refused = Fault::plain(401, "Unable To Authenticate User").always();
    for endpoint in [Endpoint::GetTask, Endpoint::SessionInfo, Endpoint::PageBackups] {
        shop.yba.script(endpoint, refused.clone());
    }
    let note = record(|record| record.note.is_some()).await.note.unwrap();
    assert_eq!(note.code, ErrorCode::YbaUnauthorized);
    assert!(note.message.contains(" since ") && note.message.contains("401"), "{note}");

    for category in ["full", "incr"] {
        let told = shop.orchestrator.submit(BackupRequest::new(category, "20250326")).await.unwrap();
        assert_eq!(told.failure.unwrap().code, ErrorCode::YbaUnauthorized, "{category}");
    }
    // The right token again: the note goes, and so does the refusal of new requests.
    shop.yba.clear_scripts();
    let running = record(|record| record.note.is_none()).await;
    assert_eq!(running.phase, Phase::Running);
    let waiting = shop.orchestrator.submit(BackupRequest::new("full", "20250327")).await.unwrap();
    assert_eq!(waiting.failure, None);
}
