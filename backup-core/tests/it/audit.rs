//! The audit: what a batch's attempts started beside the task that it counts is found, whoever is dead by then.

use std::time::Duration;

use backup_core::{
    AttemptId, BackupRecord, BatchId, OnSurplus, Orchestrator, SurplusState, TaskId, TrackerStatus,
    strategy::{
        BackupView, BackupViewState, Discard, Found, ListedState, ListedTask, Observation, Start, TaskList,
        TaskView, Unavailable,
    },
    testing::{ScriptedStrategy, fixtures},
};
use rstest::rstest;
use serde_json::Value;

use crate::world::{World, request};

const MINUTE: Duration = Duration::from_mins(1);

/// A world whose replicas audit when they are told to.
fn world(yba: ScriptedStrategy) -> World {
    let mut world = World::new(yba).slowly();
    world.settings.audit_interval = None;
    world
}

/// The first answer is lost and nothing is found of it; the second attempt succeeds.
fn lost_once() -> ScriptedStrategy {
    ScriptedStrategy::new().then_start(lost())
}

fn lost() -> Start {
    Start::Unknown { cause: "reset".into() }
}

fn task(id: &str, attempt: AttemptId, state: ListedState) -> ListedTask {
    ListedTask { universe: Some("universe-1".into()), ..ListedTask::new(id, Some(attempt), state) }
}

#[expect(clippy::unnecessary_wraps, reason = "what a scripted strategy answers")]
fn list(tasks: &[ListedTask]) -> Result<TaskList, Unavailable> {
    Ok(TaskList { tasks: tasks.to_vec(), ..TaskList::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "what a scripted strategy answers")]
fn seen(task: TaskView, backup: Option<(&str, BackupViewState)>) -> Result<Observation, Unavailable> {
    let view = |(id, state): (&str, _)| BackupView {
        id: id.into(),
        state,
        word: format!("{state:?}"),
        response: Value::Null,
    };
    Ok(Observation { task, backup: backup.map(view) })
}

async fn ended(world: &World, replica: &Orchestrator) -> BackupRecord {
    let batch = replica.submit(request()).await.expect("a request that is recorded").batch;
    world.end_of(&batch).await
}

/// One look, a while later.
async fn audit(world: &World, replica: &Orchestrator) -> usize {
    world.clock.advance(Duration::from_hours(1));
    world.quiet().await;
    replica.audit().await.expect("a store that answers")
}

fn state_of(world: &World, batch: &BatchId) -> Vec<(String, SurplusState)> {
    let record = world.record(batch);
    record.surplus.iter().map(|surplus| (surplus.task.to_string(), surplus.state)).collect()
}

#[tokio::test]
async fn a_batch_without_a_doubt_is_not_audited() {
    let world = world(ScriptedStrategy::new());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    assert_eq!((record.in_doubt, record.audit_until), (false, None));
    assert_eq!(audit(&world, &replica).await, 0);
    assert_eq!(world.yba.listed(), 0);
}

#[tokio::test]
async fn a_late_request_of_a_dead_sender_is_aborted_and_on_record() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    assert_eq!((record.status(), record.attempts.len()), (TrackerStatus::Success, 2));
    assert!(record.audit_until.is_some());

    let [first, second] = [0, 1].map(|n| record.attempts[n].id);
    let own = task(record.task.as_ref().unwrap().as_str(), second, ListedState::Succeeded);
    world.yba.list_next(&list(&[own.clone(), task("late", first, ListedState::Open)]), 1);
    // Another replica looks than the one that ran the batch.
    replica.kill();
    let other = world.replica();
    assert_eq!(audit(&world, &other).await, 1);
    assert_eq!(world.yba.aborted(), [TaskId::from("late")]);
    let late = &world.record(&record.batch).surplus[0];
    assert_eq!((late.state, late.attempt), (SurplusState::Found, Some(first)));
    assert!(world.record(&record.batch).lost.is_empty());

    world.yba.list_next(&list(&[own, task("late", first, ListedState::Over)]), 30);
    world.yba.look_next(seen(TaskView::Aborted { cause: String::new() }, None));
    audit(&world, &other).await;
    assert_eq!(state_of(&world, &record.batch), [("late".to_owned(), SurplusState::Aborted)]);
    for _ in 0..26 {
        audit(&world, &other).await;
    }
    let after = world.record(&record.batch);
    assert_eq!((after.in_doubt, after.audit_until), (false, None), "its time is over");
    assert_eq!(after.surplus[0].state, SurplusState::Aborted);
    assert_eq!(world.yba.aborted().len(), 1);
    let notes = world.store.exceptions();
    let notes: Vec<&str> = notes.iter().map(|note| note.failure.message.as_str()).collect();
    assert!(notes[0].contains("late is a surplus") && notes[1].contains("late was aborted"), "{notes:?}");
    assert_eq!(notes.len(), 2);
}

#[tokio::test]
async fn a_surplus_that_completed_is_kept_and_said_to_be_there() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    world.yba.list_next(&list(&[task("late", record.attempts[0].id, ListedState::Succeeded)]), 2);
    world.yba.look_next(seen(TaskView::Succeeded, Some(("backup-2", BackupViewState::Completed))));
    audit(&world, &replica).await;
    let after = world.record(&record.batch);
    let late = &after.surplus[0];
    assert_eq!((late.state, late.backup.as_ref().unwrap().as_str()), (SurplusState::Kept, "backup-2"));
    assert!(world.yba.aborted().is_empty(), "there is nothing to abort");
    assert!(after.lost.is_empty(), "the batch has its backup");
    audit(&world, &replica).await;
    assert!(world.yba.discarded().is_empty());
}

#[rstest]
#[case::the_deletion_is_seen_done(Ok(Discard::Gone), SurplusState::Deleted)]
#[case::an_increment_builds_on_it(Ok(Discard::Refused("increments build on it".into())), SurplusState::Kept)]
#[case::it_is_asked_for_and_not_seen_yet(Ok(Discard::Asked), SurplusState::Kept)]
#[case::nobody_answers(Err(Unavailable::unreachable("reset")), SurplusState::Kept)]
#[tokio::test]
async fn a_surplus_is_deleted_where_the_target_says_so(
    #[case] answer: Result<Discard, Unavailable>,
    #[case] state: SurplusState,
) {
    let mut target = fixtures::target();
    target.on_surplus = OnSurplus::Delete;
    let world = world(lost_once()).with_targets([target]);
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    let backup = ("backup-2", BackupViewState::Completed);
    world.yba.list_next(&list(&[task("late", record.attempts[0].id, ListedState::Succeeded)]), 4);
    world.yba.look_next(seen(TaskView::Succeeded, Some(backup)));
    audit(&world, &replica).await;
    assert!(world.yba.discarded().is_empty(), "it is recorded before it is deleted");

    world.yba.discard_next(answer.clone());
    // The batch's own backup is there.
    world.yba.look_next(ScriptedStrategy::completed());
    audit(&world, &replica).await;
    assert_eq!(state_of(&world, &record.batch), [("late".to_owned(), state)]);
    assert_eq!(world.yba.discarded().len(), 1);
    if answer == Ok(Discard::Asked) {
        world.yba.look_next(ScriptedStrategy::completed());
        audit(&world, &replica).await;
        assert_eq!(state_of(&world, &record.batch), [("late".to_owned(), SurplusState::Deleted)]);
    }
}

#[tokio::test]
async fn a_surplus_is_not_deleted_when_the_backup_that_counts_is_not_there_any_more() {
    let mut target = fixtures::target();
    target.on_surplus = OnSurplus::Delete;
    let world = world(lost_once()).with_targets([target]);
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    world.yba.list_next(&list(&[task("late", record.attempts[0].id, ListedState::Succeeded)]), 2);
    world.yba.look_next(seen(TaskView::Succeeded, Some(("backup-2", BackupViewState::Completed))));
    audit(&world, &replica).await;
    world.yba.look_next(seen(TaskView::Succeeded, Some(("backup-1", BackupViewState::Over))));
    audit(&world, &replica).await;
    assert!(world.yba.discarded().is_empty());
}

/// What completed after the batch had failed is there: the next run counts it instead of taking another backup.
#[tokio::test]
async fn a_backup_that_completed_after_its_batch_failed_is_counted_by_the_next_run() {
    let mut world = world(ScriptedStrategy::new().then_start(lost()));
    world.settings.max_attempts = 1;
    let replica = world.replica();
    let failed = ended(&world, &replica).await;
    assert_eq!(failed.status(), TrackerStatus::Failed);
    let attempt = failed.attempts[0].id;
    world.yba.list_next(&list(&[task("late", attempt, ListedState::Succeeded)]), 30);
    world.yba.look_next(seen(TaskView::Succeeded, Some(("backup-2", BackupViewState::Completed))));
    for _ in 0..27 {
        audit(&world, &replica).await;
    }
    let audited = world.record(&failed.batch);
    assert_eq!((audited.audit_until, &audited.lost[..]), (None, &[attempt][..]), "the audit is over");
    assert_eq!(state_of(&world, &failed.batch), [("late".to_owned(), SurplusState::Kept)]);

    world.yba.find_next(Ok(Found::Tasks(vec![task("late", attempt, ListedState::Succeeded)])));
    let again = request().with_batch(failed.batch.to_string());
    replica.submit(again).await.unwrap();
    let record = world.end_of(&failed.batch).await;
    assert_eq!((record.status(), record.task), (TrackerStatus::Success, Some("late".into())));
    assert!(record.surplus.is_empty() && record.lost.is_empty(), "it counts now");
    assert_eq!(world.yba.posted().len(), 1);
}

/// A task that runs while nobody counts it is aborted; the next run does not adopt it, because it was decided otherwise.
#[tokio::test]
async fn a_surplus_that_is_being_aborted_is_not_adopted_by_the_next_run() {
    let mut world = world(ScriptedStrategy::new().then_start(lost()));
    world.settings.max_attempts = 1;
    let replica = world.replica();
    let failed = ended(&world, &replica).await;
    world.yba.list_next(&list(&[task("late", failed.attempts[0].id, ListedState::Open)]), 1);
    audit(&world, &replica).await;
    let audited = world.record(&failed.batch);
    assert!(audited.lost.is_empty() && audited.surplus[0].is_open());

    replica.submit(request().with_batch(failed.batch.to_string())).await.unwrap();
    let record = world.end_of(&failed.batch).await;
    assert_eq!((record.status(), world.yba.posted().len()), (TrackerStatus::Success, 2));
    // Asked for again by whoever holds the batch: the process that recorded the surplus may have died before it asked.
    assert_eq!(world.yba.aborted(), [TaskId::from("late"), TaskId::from("late")]);
    assert!(record.audit_until.is_some(), "its end is still to be seen");
}

#[tokio::test]
async fn of_two_tasks_that_a_look_up_finds_one_counts_and_the_other_is_aborted() {
    let world = world(ScriptedStrategy::new().then_start(lost()).then_start(lost()));
    let replica = world.replica();
    let batch = replica.submit(request()).await.unwrap().batch;
    let record = world.until(&batch, |record| record.attempts.len() == 2).await;
    let [first, second] = [0, 1].map(|n| record.attempts[n].id);
    let older = ListedTask { created: Some(record.created_at), ..task("older", second, ListedState::Open) };
    let younger =
        ListedTask { created: Some(record.created_at + MINUTE), ..task("younger", first, ListedState::Open) };
    world.yba.find_next(Ok(Found::Tasks(vec![younger, older])));
    let record = world.end_of(&batch).await;
    assert_eq!((record.status(), record.task.clone()), (TrackerStatus::Success, Some("older".into())));
    assert_eq!(state_of(&world, &batch), [("younger".to_owned(), SurplusState::Found)]);
    assert!(record.lost.is_empty(), "both were found");
    assert_eq!(world.yba.aborted(), [TaskId::from("younger")]);
}

/// A proxy may rewrite the header: a task of another universe with one of our markers is not ours.
#[tokio::test]
async fn a_task_of_another_universe_is_left_alone() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    let foreign = ListedTask {
        universe: Some("universe-11".into()),
        ..task("foreign", record.attempts[0].id, ListedState::Open)
    };
    world.yba.list_next(&list(&[foreign]), 1);
    audit(&world, &replica).await;
    assert!(world.record(&record.batch).surplus.is_empty());
    assert!(world.yba.aborted().is_empty());
}

/// Where YBA shows no markers nobody can tell: it is said, and nothing is aborted.
#[rstest]
#[case::nobody_counts_it(None, Some("Create"), 1)]
#[case::the_batch_counts_it(Some("own"), Some("Create"), 0)]
#[case::a_schedule_of_yba_started_it(None, None, 0)]
#[tokio::test]
async fn a_task_that_nobody_can_tell_is_reported_and_never_aborted(
    #[case] id: Option<&str>,
    #[case] by_hand: Option<&str>,
    #[case] reported: usize,
) {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    let own = record.task.clone().unwrap();
    let unmarked = ListedTask {
        universe: Some("universe-1".into()),
        created: Some(record.created_at + MINUTE),
        is_scheduled: by_hand.is_none(),
        ..ListedTask::new(id.map_or("unknown", |_| own.as_str()), None, ListedState::Succeeded)
    };
    let list = Ok(TaskList { tasks: vec![unmarked], without_markers: true, ..TaskList::default() });
    world.yba.list_next(&list, 3);
    for _ in 0..3 {
        audit(&world, &replica).await;
    }
    let after = world.record(&record.batch);
    assert_eq!(after.surplus.iter().filter(|one| one.state == SurplusState::Possible).count(), reported);
    assert_eq!(world.store.exceptions().len(), reported, "once");
    assert!(world.yba.aborted().is_empty());
}

#[tokio::test]
async fn a_yba_that_does_not_answer_keeps_the_audit_open_and_then_it_is_said() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    world.yba.list_next(&Err(Unavailable::unreachable("reset")), 100);
    for _ in 0..40 {
        audit(&world, &replica).await;
    }
    assert!(world.record(&record.batch).audit_until.is_some(), "past its time, and nobody has looked");
    for _ in 0..20 {
        audit(&world, &replica).await;
    }
    assert_eq!(world.record(&record.batch).audit_until, None);
    let notes = world.store.exceptions();
    assert!(notes[0].failure.message.contains("ended without an answer of YBA"), "{notes:?}");
}

#[tokio::test]
async fn a_list_that_is_cut_is_said_to_have_been() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    let cut = TaskList { complete_since: Some(record.created_at + MINUTE), ..TaskList::default() };
    world.yba.list_next(&Ok(cut), 100);
    for _ in 0..27 {
        audit(&world, &replica).await;
    }
    let notes = world.store.exceptions();
    assert!(notes.len() == 1 && notes[0].failure.message.contains("task list is cut"), "{notes:?}");
}

/// A task that YBA restarted under is shown as aborted, and then runs on.
#[tokio::test]
async fn a_surplus_that_comes_back_to_life_is_aborted_again() {
    let world = world(lost_once());
    let replica = world.replica();
    let record = ended(&world, &replica).await;
    let late = |state| list(&[task("late", record.attempts[0].id, state)]);
    world.yba.list_next(&late(ListedState::Open), 1);
    audit(&world, &replica).await;
    world.yba.list_next(&late(ListedState::Over), 1);
    world.yba.look_next(seen(TaskView::Aborted { cause: "Platform shutdown".into() }, None));
    audit(&world, &replica).await;
    assert_eq!(state_of(&world, &record.batch), [("late".to_owned(), SurplusState::Aborted)]);
    world.yba.list_next(&late(ListedState::Open), 1);
    audit(&world, &replica).await;
    assert_eq!(state_of(&world, &record.batch), [("late".to_owned(), SurplusState::Found)]);
    assert_eq!(world.yba.aborted().len(), 2);
}

/// One list answers for every batch that is due, and batches that ended at different times are due together.
#[tokio::test]
async fn one_list_answers_for_all_batches_of_an_instance() {
    let targets: Vec<_> = (0..200)
        .map(|n| {
            let mut target = fixtures::target();
            (target.key, target.universe) =
                (format!("db-{n}").as_str().into(), format!("universe-{n}").into());
            target.category_codes.clear();
            target
        })
        .collect();
    let mut yba = ScriptedStrategy::new();
    for _ in 0..200 {
        yba = yba.then_start(lost());
    }
    let mut world = world(yba).with_targets(targets);
    world.settings.audit_interval = Some(MINUTE);
    let replica = world.replica();
    for n in 0..200 {
        let request = backup_core::BackupRequest::new(format!("db-{n}"), "20250325");
        replica.submit(request).await.unwrap();
    }
    for record in world.store.records() {
        world.end_of(&record.batch).await;
    }
    assert_eq!(world.store.records().iter().filter(|record| record.audit_until.is_some()).count(), 200);
    world.pass(Duration::from_hours(2)).await;
    let listed = world.yba.listed();
    assert!((6..=40).contains(&listed), "{listed} lists in two hours, for 200 batches");
    world.pass(Duration::from_hours(26)).await;
    assert!(world.store.records().iter().all(|record| record.audit_until.is_none()));
    let listed = world.yba.listed();
    assert!(listed <= 100, "{listed} lists in all");
}
