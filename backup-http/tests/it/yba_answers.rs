//! What YBA may answer, and what becomes of it: the status, the code, and YBA's own words.

use std::time::Duration;

use rstest::rstest;
use yba_client::simulator::{Endpoint, Fault, Simulator};

use crate::support::{Reply, ask, quick_yba, simulated, until};

#[rstest]
#[case::a_wrong_request(
    Fault::status(400, "Invalid StorageConfig UUID"),
    "502 FAILED YBA_REJECTED",
    "Invalid StorageConfig UUID"
)]
#[case::no_token(
    Fault::plain(401, "Unable To Authenticate User"),
    "502 FAILED YBA_UNAUTHORIZED",
    "Unable To Authenticate User"
)]
#[case::no_right(
    Fault::plain(403, "User doesn't have access"),
    "502 FAILED YBA_UNAUTHORIZED",
    "User doesn't have access"
)]
#[case::no_such_thing(Fault::status(404, "no such customer"), "502 FAILED YBA_REJECTED", "no such customer")]
#[case::a_conflict_that_is_not_busy(
    Fault::status(409, "Config already exists"),
    "502 FAILED YBA_REJECTED",
    "Config already exists"
)]
#[case::plain_text(Fault::plain(400, "plain words"), "502 FAILED YBA_REJECTED", "plain words")]
#[case::html(
    Fault::Status { code: 400, body: "<html><body>Bad Request from a proxy</body></html>".into(), content_type: "text/html".into() },
    "502 FAILED YBA_REJECTED", "(an HTML page)"
)]
#[tokio::test]
async fn a_refusal_is_final_and_in_its_own_words(
    #[case] fault: Fault,
    #[case] gist: &str,
    #[case] words: &str,
) {
    let yba = quick_yba().await;
    yba.script(Endpoint::CreateBackup, fault.always());
    let app = simulated(&yba).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), gist, "{reply:?}");
    assert!(reply.extension("error_message").contains(words), "{reply:?}");
    assert_eq!(yba.count(Endpoint::CreateBackup), 1, "a refused request is not sent again");
    let (code, message) = app.exceptions().remove(0);
    assert_eq!((code, message), (reply.extension("error_code"), reply.extension("error_message")));
}

#[rstest]
#[case::an_error_after_the_work(Fault::status(500, "Internal error"))]
#[case::a_page_of_a_proxy(Fault::Html)]
#[case::garbage(Fault::Unreadable200)]
#[case::cut_off(Fault::Truncated)]
#[case::reset(Fault::Reset)]
#[case::closed(Fault::DropAfterAcceptance)]
#[tokio::test]
async fn an_answer_that_says_nothing_is_looked_up_and_one_backup_is_made(#[case] fault: Fault) {
    let yba = quick_yba().await;
    yba.script(Endpoint::CreateBackup, yba_client::simulator::Script::from(fault).work_done());
    let app = simulated(&yba).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn a_busy_universe_is_waited_for() {
    let yba = quick_yba().await;
    yba.lock_universe(&yba.universe(), "SoftwareUpgrade");
    let app = simulated(&yba).settings(|settings| settings.wait_limit = Duration::from_mins(5)).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    let location = reply.header("location").unwrap().to_owned();
    let is_waiting = |reply: &Reply| reply.json()["extensionFields"]["phase"] == "WAITING";
    let waiting = until(async || app.get(&location).await, is_waiting).await;
    assert!(waiting.extension("waiting_for").contains("currently in a locked state"), "{waiting:?}");
    yba.unlock_universe(&yba.universe());
    let done = app.get_waiting(&location).await;
    assert_eq!(done.gist(), "200 COMPLETED -", "{done:?}");
    assert_eq!(done.header("preference-applied"), Some("wait=60"));
}

#[tokio::test]
async fn a_universe_that_stays_busy_is_a_conflict_in_yba_s_words() {
    let yba = quick_yba().await;
    yba.lock_universe(&yba.universe(), "SoftwareUpgrade");
    let app = simulated(&yba).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "409 FAILED UNIVERSE_BUSY");
    assert!(reply.extension("error_message").contains("currently in a locked state"), "{reply:?}");
}

#[tokio::test]
async fn a_yba_that_is_down_is_503_once_the_patience_ends() {
    let yba = quick_yba().await;
    yba.go_down().await;
    let app = simulated(&yba).start();
    assert_eq!(app.process(&ask("db1")).await.gist(), "503 FAILED YBA_UNREACHABLE");
}

#[tokio::test]
async fn a_task_that_fails_tells_its_subtask_s_text() {
    let yba = quick_yba().await;
    yba.fail_next_backup(&yba.universe(), "S3 upload failed: access denied");
    let app = simulated(&yba).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "502 FAILED BACKUP_FAILED");
    assert!(reply.extension("error_message").contains("S3 upload failed: access denied"), "{reply:?}");
    assert!(reply.extension("backup_response").contains("taskUUID"), "what YBA had answered is there too");
}

#[tokio::test]
async fn a_task_that_hangs_is_504_at_the_deadline() {
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    let mut target = crate::support::target(&yba, "db1", "full_backup");
    target.deadline = Duration::from_millis(200);
    let app = crate::support::on_simulator(&yba, [target]).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "504 FAILED DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_backup_row_that_disagrees_with_its_task_is_no_success() {
    let yba = Simulator::builder().task_duration(Duration::from_millis(50)).start().await;
    yba.hang_next_backup(&yba.universe());
    let app = simulated(&yba).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    let backups = until(async || yba.backups(), |rows| !rows.is_empty()).await;
    let task = yba.tasks().remove(0).id;
    yba.finish_task(&task, yba_client::simulator::Outcome::Success);
    yba.set_backup_state(&backups[0].id, yba_client::BackupState::Failed);
    let ended = app.get_waiting(reply.header("location").unwrap()).await;
    assert_eq!(ended.gist(), "200 FAILED DIVERGED", "{ended:?}");
}
