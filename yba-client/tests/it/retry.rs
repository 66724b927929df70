//! What is sent again, and what never is.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any as anything, method},
};
use yba_client::{
    CreateBackup, Decision, ErrorKind, Idempotency, Outcome, Reach, RequestId, RetryPolicy, TableType, decide,
};

use crate::support::{answering, builder, client, plain, refusal};

fn failure(status: u16) -> Outcome {
    Outcome { reach: Reach::Unknown, status: Some(status), understood: true, retry_after: None }
}

fn lost() -> Outcome {
    Outcome { reach: Reach::Unknown, status: None, understood: true, retry_after: None }
}

async fn succeeding_after(failures: u64, answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(anything())
        .respond_with(answer)
        .up_to_n_times(failures)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"status": "Running"})))
        .with_priority(2)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_read_is_asked_three_times() {
    let server = succeeding_after(2, plain(502, "bad gateway")).await;
    client(&server).tasks().get(&"t".into()).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 3);

    let server = succeeding_after(3, plain(502, "bad gateway")).await;
    let error = client(&server).tasks().get(&"t".into()).await.unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(502), 3));
    assert!(error.to_string().ends_with("(3 attempts)"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    for status in [400, 401, 403, 404, 409, 412] {
        let server = answering(refusal(status, "no")).await;
        let error = client(&server).universes().get(&"u".into()).await.unwrap_err();
        assert_eq!(error.attempts(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_backup_is_never_posted_twice_whatever_the_answer() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = answering(plain(status, "sorry")).await;
        let order = CreateBackup::full("u", "s", TableType::Ysql);
        let error = client(&server).backups().create(&order, &RequestId::new()).await.unwrap_err();
        assert_eq!(error.attempts(), 1, "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_asked_for_again() {
    let server = answering(ResponseTemplate::new(200).set_body_string("welcome")).await;
    let error = client(&server).tasks().get(&"t".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1));
}

#[tokio::test]
async fn retry_after_beyond_the_budget_ends_the_call() {
    let server = answering(plain(429, "slow down").insert_header("retry-after", "3600")).await;
    let error = client(&server).tasks().get(&"t".into()).await.unwrap_err();
    assert_eq!((error.attempts(), error.retry_after()), (1, Some(Duration::from_hours(1))));
}

#[tokio::test]
async fn retry_after_may_be_a_date_and_is_measured_by_the_servers_own_clock() {
    let answer = plain(503, "busy")
        .insert_header("date", "Tue, 25 Mar 2025 10:15:30 GMT")
        .insert_header("retry-after", "Tue, 25 Mar 2025 10:16:00 GMT");
    let server = answering(answer).await;
    let never = builder(&server).retry(RetryPolicy::never()).build().unwrap();
    let error = never.tasks().get(&"t".into()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

#[test]
fn delays_double_up_to_the_longest() {
    let policy = RetryPolicy { max_attempts: 20, ..RetryPolicy::default() };
    let delays: Vec<u128> = (1..8)
        .map(|attempt| {
            let decision = decide(lost(), Idempotency::Safe, &policy, attempt, Duration::ZERO, 1.0);
            let Decision::After(delay) = decision else { panic!("{attempt}") };
            delay.as_millis()
        })
        .collect();
    assert_eq!(delays, [200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn the_longest_delay_is_kept_to_the_nanosecond() {
    let policy = RetryPolicy {
        max_attempts: 100,
        base_delay: Duration::from_millis(1_195_408_404),
        max_delay: Duration::from_millis(5_424_011_598_908_855),
        budget: Duration::MAX,
    };
    for attempt in 1..60 {
        let decision = decide(lost(), Idempotency::Safe, &policy, attempt, Duration::ZERO, 1.0);
        assert!(matches!(decision, Decision::After(delay) if delay <= policy.max_delay), "{attempt}");
    }
    let endless = RetryPolicy { base_delay: Duration::MAX, max_delay: Duration::MAX, ..policy };
    decide(lost(), Idempotency::Safe, &endless, 1, Duration::MAX, 1.0);
}

#[test]
fn what_is_transient_and_what_is_not() {
    let policy = RetryPolicy::default();
    let again =
        |outcome| decide(outcome, Idempotency::Safe, &policy, 1, Duration::ZERO, 0.0) != Decision::GiveUp;
    for status in 200..600 {
        let transient = [408, 425, 429, 500, 502, 503, 504].contains(&status);
        assert_eq!(again(failure(status)), transient, "{status}");
    }
    assert!(again(lost()));
    assert!(!again(Outcome { understood: false, ..lost() }));
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let reach = prop_oneof![Just(Reach::NotSent), Just(Reach::Unknown), Just(Reach::Answered)];
    let status = proptest::option::of(100_u16..600);
    let after = proptest::option::of((0..u64::MAX).prop_map(Duration::from_secs));
    (reach, status, any::<bool>(), after).prop_map(|(reach, status, understood, retry_after)| Outcome {
        reach,
        status,
        understood,
        retry_after,
    })
}

fn policies() -> impl Strategy<Value = RetryPolicy> {
    let time = || (0..u64::MAX).prop_map(Duration::from_millis);
    (any::<u32>(), time(), time(), time()).prop_map(|(max_attempts, base_delay, max_delay, budget)| {
        RetryPolicy { max_attempts, base_delay, max_delay, budget }
    })
}

proptest! {
    #[test]
    fn nothing_unsafe_is_ever_repeated(
        outcome in outcomes(), policy in policies(), attempt in any::<u32>(), jitter in any::<f64>(),
    ) {
        let decision = decide(outcome, Idempotency::Unsafe, &policy, attempt, Duration::ZERO, jitter);
        prop_assert_eq!(decision, Decision::GiveUp);
    }

    #[test]
    fn a_repetition_keeps_to_the_policy(
        outcome in outcomes(), policy in policies(), attempt in any::<u32>(), jitter in any::<f64>(),
        elapsed in any::<u64>(),
    ) {
        let elapsed = Duration::from_millis(elapsed);
        let decision = decide(outcome, Idempotency::Safe, &policy, attempt, elapsed, jitter);
        if let Decision::After(delay) = decision {
            prop_assert!(attempt < policy.max_attempts);
            prop_assert!(elapsed + delay <= policy.budget);
            prop_assert!(delay >= outcome.retry_after.unwrap_or_default());
            prop_assert!(delay <= policy.max_delay.max(outcome.retry_after.unwrap_or_default()));
        }
    }
}
