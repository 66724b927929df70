//! Following tasks on a YBA that stops, starts and forgets.

use std::time::Duration;

use futures_util::TryStreamExt;
use yba_client::{
    TaskChange, TaskState, WaitError, WaitPolicy,
    simulator::{Endpoint, Fault, Simulator},
};

use super::{full, start};

/// The defaults, a thousand times faster.
fn quick() -> WaitPolicy {
    WaitPolicy {
        first_interval: Duration::from_millis(1),
        longest_interval: Duration::from_millis(5),
        settling_time: Duration::from_millis(60),
        patience: Duration::from_secs(5),
        ..WaitPolicy::default()
    }
}

async fn lively() -> Simulator {
    Simulator::builder().task_duration(Duration::from_millis(30)).start().await
}

#[tokio::test]
async fn a_backup_is_followed_to_its_success() {
    let yba = lively().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    let end = client.tasks().wait(&accepted.task).policy(quick()).await.unwrap();
    assert!(end.is_success());
    assert!(end.failures.is_empty());
}

#[tokio::test]
async fn a_failed_backup_ends_with_yba_s_explanation() {
    let yba = lively().await;
    let client = yba.client();
    yba.fail_next_backup(&yba.universe(), "AccessDenied");
    let accepted = start(&client, &full(&yba)).await.unwrap();
    let end = client.tasks().wait(&accepted.task).policy(quick()).await.unwrap();
    assert!(!end.is_success());
    assert!(end.failures[0].error_string.as_ref().unwrap().contains("AccessDenied"));
}

#[tokio::test]
async fn a_restart_and_lost_answers_do_not_end_the_watch() {
    let yba = lively().await;
    yba.set_resume_delay(Duration::from_millis(20));
    let client = yba.client();
    yba.hang_next_backup(&yba.universe());
    let accepted = start(&client, &full(&yba)).await.unwrap();
    let mut changes = std::pin::pin!(client.tasks().wait(&accepted.task).policy(quick()).changes());
    let (mut settled, mut resumed, mut unanswered) = (false, false, false);
    while let Some(change) = changes.try_next().await.unwrap() {
        match change {
            TaskChange::Progress(_) if !settled && !yba.backups().is_empty() => yba.restart(),
            TaskChange::Progress(task) if settled && !resumed => {
                assert_eq!(task.status, TaskState::Running);
                resumed = true;
                yba.script(Endpoint::GetTask, Fault::DropBeforeAcceptance.times(3));
            }
            TaskChange::Settling(task) => {
                assert_eq!(task.status, TaskState::Aborted);
                settled = true;
            }
            TaskChange::Unanswered(_) => {
                unanswered = true;
                yba.finish_task(&accepted.task, yba_client::simulator::Outcome::Success);
            }
            TaskChange::Ended(end) => assert!(end.is_success()),
            _ => {}
        }
    }
    assert!(settled && resumed && unanswered);
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn a_collected_task_is_lost_and_a_hanging_one_meets_its_deadline() {
    let yba = lively().await;
    let client = yba.client();
    let lost = client.tasks().wait(&"unknown".into()).policy(quick()).await.unwrap_err();
    assert!(matches!(lost, WaitError::Lost { .. }), "{lost}");

    yba.hang_next_backup(&yba.universe());
    let accepted = start(&client, &full(&yba)).await.unwrap();
    let wait = client.tasks().wait(&accepted.task).policy(quick()).deadline(Duration::from_millis(30));
    let late = wait.await.unwrap_err();
    let WaitError::Deadline { last: Some(task), .. } = late else { panic!("{late}") };
    assert_eq!(task.status, TaskState::Running);
}
