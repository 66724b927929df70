//! What ended with a doubt is audited: by one claimant at a time, until its audit is over or it is opened again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{LEASE, Subject, assert_same, failure, hold, lease_of, new_record, succeeded};
use crate::{
    clock::Clock,
    failure::{ErrorCode, Failure},
    ids::TaskId,
    record::BackupRecord,
    state::Phase,
    store::{AuditNext, AuditNote, AuditReport, AuditWork, StoreError},
    surplus::{Surplus, SurplusState},
    testing::fixtures,
};

const AUDIT: Duration = Duration::from_hours(25);

/// At once, whether it succeeded or failed, and reads as it was written; a batch without a doubt never is.
pub async fn a_batch_that_ended_in_doubt_is_due_for_its_audit(subject: &Subject) {
    end(subject, "u1", true, false).await;
    let failed = end(subject, "u2", false, true).await;
    let succeeded = end(subject, "u3", true, true).await;
    let audits = claim(subject, 10).await;
    assert_eq!(audits.len(), 2);
    for (audit, wanted) in audits.iter().zip([&failed, &succeeded]) {
        assert!(wanted.in_doubt && wanted.audit_until.is_some());
        assert_same(&audit.record, wanted);
        assert_eq!(audit.claim.batch, wanted.batch);
    }
}

/// A claimant that dies holds up nobody for longer than its lease.
pub async fn a_claimed_audit_is_due_again_after_its_lease(subject: &Subject) {
    end(subject, "u1", true, true).await;
    assert_eq!(claim(subject, 10).await.len(), 1);
    assert!(claim(subject, 10).await.is_empty(), "it is claimed");
    subject.expire();
    assert_eq!(claim(subject, 10).await.len(), 1);
}

/// A claim takes no more than it may.
pub async fn a_claim_of_audits_is_limited_and_takes_the_oldest_due_first(subject: &Subject) {
    let mut wanted = Vec::new();
    for universe in ["u1", "u2", "u3"] {
        wanted.push(end(subject, universe, true, true).await.batch);
        subject.clock.advance(Duration::from_secs(1));
    }
    let batches =
        |audits: Vec<AuditWork>| audits.into_iter().map(|audit| audit.claim.batch).collect::<Vec<_>>();
    assert_eq!(batches(claim(subject, 2).await), wanted[..2]);
    assert_eq!(batches(claim(subject, 2).await), wanted[2..]);
}

/// However many ask at once.
pub async fn of_many_claimants_each_audit_has_one(subject: &Subject) {
    for n in 0..12 {
        end(subject, &format!("u{n}"), n % 2 == 0, true).await;
    }
    let claims = (0..6).map(|_| {
        let store = Arc::clone(&subject.store);
        tokio::spawn(async move { store.claim_audits(LEASE, 4).await.expect("claimed") })
    });
    let mut seen = HashSet::new();
    for claim in claims.collect::<Vec<_>>() {
        for audit in claim.await.expect("no panic") {
            assert!(seen.insert(audit.claim.batch.clone()), "claimed twice: {audit:?}");
        }
    }
    while let [audit, ..] = claim(subject, 1).await.as_slice() {
        assert!(seen.insert(audit.claim.batch.clone()), "claimed twice: {audit:?}");
    }
    assert_eq!(seen.len(), 12);
}

/// The lost attempts, the surplus and the exception, together; the audit goes on when it was said.
pub async fn a_report_is_written_with_its_exception(subject: &Subject) {
    let failed = end(subject, "u1", false, true).await;
    let audit = claim(subject, 1).await.remove(0);
    let note =
        Failure::new(ErrorCode::Surplus, "the surplus task \"é 🦀\" was aborted").with_advice("nothing");
    let report = AuditReport { note: Some(noted(subject, &note)), ..found(subject, &audit) };
    assert!(record(subject, &report).await.is_some());

    let there = subject.stored(&failed).await;
    assert_same(&there, &BackupRecord { lost: vec![], surplus: report.surplus, ..failed.clone() });
    if let Some(exceptions) = subject.exceptions_of(Some(failed.batch.as_str())).await {
        assert!(exceptions.contains(&note), "{exceptions:?}");
        assert_eq!(exceptions.len(), 2, "its own failure, and this: {exceptions:?}");
    }
    assert!(claim(subject, 1).await.is_empty());
    subject.clock.advance(PAUSE);
    assert_eq!(claim(subject, 1).await.len(), 1);
}

/// A claim is outdated by the next one, by a report, and by whoever opened the batch.
pub async fn an_outdated_report_writes_nothing(subject: &Subject) {
    let failed = end(subject, "u1", false, true).await;
    let first = claim(subject, 1).await.remove(0);
    subject.expire();
    let second = claim(subject, 1).await.remove(0);
    let note = Some(noted(subject, &failure()));
    assert!(record(subject, &AuditReport { note, ..found(subject, &first) }).await.is_none());
    assert_same(&subject.stored(&failed).await, &failed);
    let exceptions = subject.exceptions_of(Some(failed.batch.as_str())).await;
    assert!(exceptions.is_none_or(|exceptions| exceptions.len() == 1));

    let report = AuditReport { lost: failed.lost.clone(), surplus: vec![], ..found(subject, &second) };
    let third = record(subject, &report).await.expect("its claim holds");
    assert!(record(subject, &report).await.is_none(), "the claim was used up");

    let again = run_again(subject, &failed);
    subject.store.reopen(&again, hold()).await.expect("opened");
    let late = AuditReport { claim: third, ..report };
    assert!(record(subject, &late).await.is_none(), "it is open");
    assert_same(&subject.stored(&failed).await, &again);
}

/// Of several reports, those whose claims hold are written, and each has its own answer.
pub async fn reports_are_answered_in_order(subject: &Subject) {
    for universe in ["u1", "u2", "u3"] {
        end(subject, universe, true, true).await;
        subject.clock.advance(Duration::from_secs(1));
    }
    let audits = claim(subject, 10).await;
    let mut reports: Vec<AuditReport> = audits.iter().map(|audit| found(subject, audit)).collect();
    reports[1].claim.token += 1;
    reports.reverse();
    let answers = subject.store.record_audits(&reports).await.expect("recorded");
    let of = |n: usize| answers[n].as_ref().map(|claim| claim.batch.clone());
    assert_eq!(
        [of(0), of(1), of(2)],
        [Some(reports[0].claim.batch.clone()), None, Some(reports[2].claim.batch.clone())]
    );
}

/// The batch is in doubt no more, and nobody audits it again.
pub async fn an_audit_that_is_over_is_due_no_more(subject: &Subject) {
    let failed = end(subject, "u1", false, true).await;
    let audit = claim(subject, 1).await.remove(0);
    let over = AuditReport { next: AuditNext::Over, ..found(subject, &audit) };
    assert!(record(subject, &over).await.is_some());
    let there = subject.stored(&failed).await;
    assert_eq!((there.in_doubt, there.audit_until), (false, None));
    assert_eq!(there.surplus.len(), 1, "what was found stays on record");
    subject.clock.advance(AUDIT);
    assert!(claim(subject, 10).await.is_empty());
}

/// Opened with what was on record before an audit wrote, it would count a task that was just aborted.
pub async fn a_batch_is_not_opened_with_what_an_audit_has_changed(subject: &Subject) {
    let failed = end(subject, "u1", false, true).await;
    let stale = run_again(subject, &failed);
    let audit = claim(subject, 1).await.remove(0);
    assert!(record(subject, &found(subject, &audit)).await.is_some());
    let outcome = subject.store.reopen(&stale, hold()).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    let there = subject.stored(&failed).await;
    assert!(there.is_done(), "nothing was written: {there:?}");

    let again = run_again(subject, &there);
    let created = subject.store.reopen(&again, hold()).await.expect("opened");
    assert_same(new_record(&created), &again);
    assert_same(&subject.stored(&failed).await, &again);
    assert_eq!((again.surplus.len(), again.in_doubt), (1, true));
    lease_of(created);
    subject.clock.advance(AUDIT);
    assert!(claim(subject, 10).await.is_empty(), "what is open is not audited");
}

/// However old it is.
pub async fn a_batch_under_audit_is_not_deleted(subject: &Subject) {
    let failed = end(subject, "u1", false, true).await;
    subject.clock.advance(Duration::from_hours(1000));
    let before = subject.clock.now();
    assert_eq!(subject.store.prune(before, 10).await.expect("pruned"), 0);
    let audit = claim(subject, 1).await.remove(0);
    let over = AuditReport { next: AuditNext::Over, ..found(subject, &audit) };
    assert!(record(subject, &over).await.is_some());
    assert_eq!(subject.store.prune(before, 10).await.expect("pruned"), 1);
    assert!(subject.store.find(&failed.batch).await.expect("read").is_none());
}

/// Whoever holds the batch knows nothing of it, and writes it all the same.
pub async fn a_doubt_outlives_a_save(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.store.doubt(&record.batch, AUDIT).await.expect("recorded");
    assert!(claim(subject, 10).await.is_empty(), "what is open is not audited");
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    assert!(subject.stored(&record).await.in_doubt);
    subject.store.doubt(&"absent".into(), AUDIT).await.expect("ignored");
}

/// Also where there was none, or one that ends sooner.
pub async fn a_doubt_about_a_finished_batch_puts_it_under_audit(subject: &Subject) {
    let clear = end(subject, "u1", true, false).await;
    let audited = end(subject, "u2", true, true).await;
    assert_eq!(claim(subject, 10).await.len(), 1);
    subject.clock.advance(Duration::from_secs(10));
    for record in [&clear, &audited] {
        subject.store.doubt(&record.batch, AUDIT).await.expect("recorded");
    }
    let until = Some(subject.clock.now() + AUDIT);
    let audits = claim(subject, 10).await;
    assert_eq!(audits.len(), 2, "due at once");
    for audit in audits {
        assert_eq!((audit.record.in_doubt, audit.record.audit_until), (true, until));
    }
}

/// Of an open batch and of one that is over; no others.
pub async fn the_tasks_that_batches_count_are_known(subject: &Subject) {
    let over = end(subject, "u1", true, false).await;
    let mut open = subject.submitting("u2");
    let lease = subject.own(&open).await;
    open.run("task-open".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &open, Phase::Submitting).await.expect("saved");
    let asked: Vec<TaskId> = vec!["task-u1".into(), "task-open".into(), "task-of-nobody".into()];
    let mut counted = subject.store.counted(&asked).await.expect("read");
    counted.sort();
    assert_eq!(counted, [TaskId::from("task-open"), "task-u1".into()]);
    assert_eq!(over.task, Some("task-u1".into()));
    assert!(subject.store.counted(&[]).await.expect("read").is_empty());
}

const PAUSE: Duration = Duration::from_mins(4);

/// A batch that ended: with the task `task-<universe>`, or because nothing was found of its lost attempt.
async fn end(subject: &Subject, universe: &str, succeeds: bool, in_doubt: bool) -> BackupRecord {
    let mut record = subject.submitting(universe);
    let lease = subject.own(&record).await;
    let task = format!("task-{universe}");
    if succeeds {
        record.run(task.as_str().into(), None, subject.clock.now()).expect("submitting");
        subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    } else {
        record.lose_attempt();
    }
    let from = record.phase;
    let mut done = if succeeds {
        succeeded(&record, subject.clock.now())
    } else {
        let mut failed = record.clone();
        failed.fail(failure(), subject.clock.now()).expect("open");
        failed
    };
    done.in_doubt = in_doubt;
    if in_doubt {
        done.begin_audit(AUDIT);
    }
    subject.save(&lease, &done, from).await.expect("saved");
    done
}

async fn claim(subject: &Subject, limit: u32) -> Vec<AuditWork> {
    subject.store.claim_audits(LEASE, limit).await.expect("claimed")
}

async fn record(subject: &Subject, report: &AuditReport) -> Option<crate::store::AuditClaim> {
    let mut answers = subject.store.record_audits(std::slice::from_ref(report)).await.expect("recorded");
    assert_eq!(answers.len(), 1);
    answers.pop().flatten()
}

/// A surplus of the batch's attempt, which is lost no more.
fn found(subject: &Subject, audit: &AuditWork) -> AuditReport {
    let surplus = Surplus {
        task: "task-surplus".into(),
        attempt: audit.record.attempt().map(|attempt| attempt.id),
        state: SurplusState::Kept,
        backup: Some("backup-2".into()),
        found_at: subject.clock.now(),
    };
    AuditReport {
        claim: audit.claim.clone(),
        lost: vec![],
        surplus: vec![surplus],
        note: None,
        next: AuditNext::In(PAUSE),
    }
}

fn noted(subject: &Subject, failure: &Failure) -> AuditNote {
    AuditNote { category: "db1".to_owned(), failure: failure.clone(), at: subject.clock.now() }
}

fn run_again(subject: &Subject, failed: &BackupRecord) -> BackupRecord {
    subject.clock.advance(Duration::from_secs(1));
    let mut again = failed.clone();
    again.run_again(&fixtures::target(), subject.clock.now()).expect("failed");
    again.slot.clone_from(&failed.slot);
    again.set_plan(fixtures::plan());
    again.submit(subject.clock.now()).expect("planned");
    again
}
