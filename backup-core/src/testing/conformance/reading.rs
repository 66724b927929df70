//! Finding, listing, and what never became a batch.

use std::time::Duration;

use chrono::{Days, NaiveDate};

use serde_json::json;

use super::{Subject, assert_same, failure, succeeded, without_answer};
use crate::{
    clock::Clock,
    ids::BatchId,
    record::BackupRecord,
    state::{Phase, TrackerStatus},
    store::{BackupFilter, BackupPage, Refusal},
};

/// `find` answers nothing, not an error.
pub async fn an_absent_batch_is_not_found(subject: &Subject) {
    assert!(subject.store.find(&"absent".into()).await.expect("read").is_none());
}

/// A store that can be reached and written says so.
pub async fn a_store_in_reach_passes_its_check(subject: &Subject) {
    subject.store.check().await.expect("in reach");
}

/// By the time of creation, then by id; whole records.
pub async fn batches_are_listed_newest_first(subject: &Subject) {
    let mut records = Vec::new();
    for universe in ["u1", "u2"] {
        records.push(subject.submitting(universe));
    }
    let mut twin = subject.waiting("u3");
    twin.created_at = records[0].created_at;
    records.push(twin);
    for record in &records {
        subject.create(record).await;
    }
    let page = list(subject, &BackupFilter::default()).await;
    records.sort_by(|a, b| (b.created_at, &b.batch).cmp(&(a.created_at, &a.batch)));
    assert_eq!(page.records, records);
    assert_eq!(page.next, None);
}

/// They may be large, and a batch by itself has its own.
pub async fn a_list_carries_no_answers(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    let mut running = record.clone();
    running
        .run("task-1".into(), Some(json!({"taskUUID": "task-1"})), subject.clock.now())
        .expect("submitting");
    subject.save(&lease, &running, Phase::Submitting).await.expect("saved");
    for there in [running.clone(), succeeded(&running, subject.clock.now())] {
        if there.is_done() {
            subject.save(&lease, &there, Phase::Running).await.expect("saved");
        }
        let page = list(subject, &BackupFilter::default()).await;
        assert_eq!(page.records, [without_answer(&there)]);
        assert_same(&subject.stored(&there).await, &there);
    }
}

/// Each field narrows the list, and several narrow it together.
pub async fn filters_narrow_the_list(subject: &Subject) {
    let day = |add| NaiveDate::from_ymd_opt(2025, 3, 1).and_then(|day| day.checked_add_days(Days::new(add)));
    let mut ids = Vec::new();
    for (n, category) in [(0, "DB1"), (1, "Db1"), (2, "dÉpôt"), (3, "db1"), (4, "d_1")] {
        let mut record = subject.submitting(&format!("u{n}"));
        record.category = category.to_owned();
        record.target = format!("target-{}", n % 2).into();
        record.business_date = day(n).expect("a date");
        let lease = subject.own(&record).await;
        match n {
            0 => subject.finish(&lease, &record).await,
            1 => {
                record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
                subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
                let done = succeeded(&record, subject.clock.now());
                subject.save(&lease, &done, Phase::Running).await.expect("saved");
            }
            _ => {}
        }
        ids.push(record.batch);
    }
    let category = |text: &str| BackupFilter { category: Some(text.to_owned()), ..BackupFilter::default() };
    let status = |status| BackupFilter { status: Some(status), ..BackupFilter::default() };
    let target = |key: &str| BackupFilter { target: Some(key.into()), ..BackupFilter::default() };
    let cases = [
        (BackupFilter::default(), vec![4, 3, 2, 1, 0]),
        (category("dB1"), vec![3, 1, 0]),
        (category("d%"), vec![]),
        (category("d_1"), vec![4]),
        (category("DÉPÔT"), vec![2]),
        (status(TrackerStatus::InProgress), vec![4, 3, 2]),
        (status(TrackerStatus::Success), vec![1]),
        (status(TrackerStatus::Failed), vec![0]),
        (target("target-1"), vec![3, 1]),
        (target("TARGET-1"), vec![]),
        (BackupFilter { from: day(2), to: day(2), ..target("target-0") }, vec![2]),
        (BackupFilter { from: day(1), ..BackupFilter::default() }, vec![4, 3, 2, 1]),
        (BackupFilter { to: day(1), ..BackupFilter::default() }, vec![1, 0]),
        (BackupFilter { from: day(1), to: day(3), ..category("db1") }, vec![3, 1]),
        (BackupFilter { from: day(1), to: day(2), ..status(TrackerStatus::InProgress) }, vec![2]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(|n| ids[n].clone()).collect();
        assert_eq!(batches(&list(subject, &filter).await), expected, "{filter:?}");
    }
}

/// Pages of any size, put together, are the whole list; the last one says that it is the last.
pub async fn a_page_is_followed_by_the_next(subject: &Subject) {
    let now = subject.clock.now();
    for n in 0..10 {
        let mut record = subject.waiting(&format!("u{n}"));
        // Many of the same instant, so that only the id tells them apart.
        record.created_at = now + Duration::from_secs(n / 4);
        subject.create(&record).await;
    }
    let whole = batches(&list(subject, &BackupFilter::default()).await);
    assert_eq!(whole.len(), 10);
    for limit in [1, 3, 5, 10, 11] {
        let mut filter = BackupFilter { limit, ..BackupFilter::default() };
        let mut together = Vec::new();
        loop {
            let page = list(subject, &filter).await;
            assert!(page.records.len() <= usize::try_from(limit).expect("small"));
            together.extend(batches(&page));
            let Some(next) = page.next else { break };
            filter.after = Some(next);
        }
        assert_eq!(together, whole, "by {limit}");
    }
}

/// What arrives after the first page was read moves nothing on the second.
pub async fn a_page_stays_in_place_while_batches_arrive(subject: &Subject) {
    for n in 0..4 {
        subject.create(&subject.waiting(&format!("u{n}"))).await;
    }
    let whole = batches(&list(subject, &BackupFilter::default()).await);
    let first = list(subject, &BackupFilter { limit: 2, ..BackupFilter::default() }).await;
    subject.create(&subject.waiting("new")).await;
    let after = first.next.clone();
    let second = list(subject, &BackupFilter { limit: 2, after, ..BackupFilter::default() }).await;
    assert_eq!([batches(&first), batches(&second)].concat(), whole);
}

/// A request that never became a batch is an exception, with or without the name of a batch.
pub async fn a_refusal_reaches_the_exceptions_once(subject: &Subject) {
    let named = Refusal {
        batch: Some("named".to_owned()),
        business_date: NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date"),
        category: Some("nobody's".to_owned()),
        failure: failure(),
        at: subject.clock.now(),
    };
    let unnamed = Refusal { batch: None, category: None, ..named.clone() };
    for refusal in [&named, &named, &unnamed] {
        subject.store.refuse(refusal).await.expect("recorded");
    }
    for batch in [Some("named"), None] {
        let expected = vec![failure()];
        assert_eq!(subject.exceptions_of(batch).await.unwrap_or(expected.clone()), expected, "{batch:?}");
    }
    assert!(list(subject, &BackupFilter::default()).await.records.is_empty(), "it is not a batch");
}

async fn list(subject: &Subject, filter: &BackupFilter) -> BackupPage {
    subject.store.list(filter).await.expect("listed")
}

fn batches(page: &BackupPage) -> Vec<BatchId> {
    page.records.iter().map(|record: &BackupRecord| record.batch.clone()).collect()
}
