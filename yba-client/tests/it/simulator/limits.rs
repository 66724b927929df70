//! Layers that hold calls back, and many calls at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use yba_client::{
    CircuitBreaker, CreateBackup, ErrorKind, Proxy, Reach, RequestId, RetryPolicy, TableType, YbaClient,
    YbaClientBuilder,
    simulator::{Endpoint, Fault, Simulator},
};

use super::{full, start, still};

fn builder(yba: &Simulator) -> YbaClientBuilder {
    YbaClient::builder(yba.url())
        .customer(yba.customer())
        .token(yba.token())
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_yba_that_does_not_answer_is_left_alone_for_a_while() {
    let yba = still().await;
    let breaker = CircuitBreaker { failures: 3, pause: Duration::from_hours(1) };
    let client = builder(&yba).circuit_breaker(breaker).build().unwrap();
    yba.script(Endpoint::GetUniverse, Fault::DropBeforeAcceptance.always());
    for _ in 0..3 {
        let error = client.universes().get(&yba.universe()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    let held = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((held.kind(), held.reach()), (ErrorKind::CircuitOpen, Reach::NotSent));
    assert_eq!(yba.total_count(), 3, "nothing was sent");
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_opens_nothing() {
    let yba = still().await;
    let breaker = CircuitBreaker { failures: 2, pause: Duration::from_hours(1) };
    let client = builder(&yba).circuit_breaker(breaker).build().unwrap();
    yba.script(Endpoint::GetUniverse, Fault::status(500, "boom").always());
    for _ in 0..5 {
        assert_eq!(client.universes().get(&yba.universe()).await.unwrap_err().status(), Some(500));
    }
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let yba = still().await;
    yba.script(Endpoint::AppVersion, Fault::Delay(Duration::from_millis(5)).always());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (entered, highest) = (now.clone(), most.clone());
    let client = builder(&yba)
        .max_concurrent_requests(2)
        // Asked for when a request is built, just before it takes its place.
        .trace_parent(move || {
            highest.fetch_max(entered.load(Ordering::SeqCst), Ordering::SeqCst);
            None
        })
        .build()
        .unwrap();
    let calls = (0..10).map(|_| {
        let (client, now) = (client.clone(), now.clone());
        async move {
            now.fetch_add(1, Ordering::SeqCst);
            let answer = client.app_version().await;
            now.fetch_sub(1, Ordering::SeqCst);
            answer
        }
    });
    let started = tokio::time::Instant::now();
    stream::iter(calls).buffer_unordered(10).try_collect::<Vec<_>>().await.unwrap();
    assert!(most.load(Ordering::SeqCst) > 2, "the calls did come all at once");
    assert!(started.elapsed() >= Duration::from_millis(25), "ten calls of 5 ms, two at a time");
}

#[cfg(feature = "rate-limit")]
#[tokio::test]
async fn no_more_requests_are_sent_per_second_than_allowed() {
    let yba = still().await;
    let client = builder(&yba).max_requests_per_second(50.try_into().unwrap()).build().unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..60 {
        client.app_version().await.unwrap();
    }
    // Fifty may go at once; the other ten wait 20 ms each.
    assert!(started.elapsed() >= Duration::from_millis(190), "{:?}", started.elapsed());
}

#[tokio::test]
async fn hundreds_of_universes_are_backed_up_at_once() {
    let yba = still().await;
    let client = yba.client();
    let orders: Vec<CreateBackup> = (0..500)
        .map(|n| {
            let universe = yba.add_universe(format!("universe-{n}"));
            CreateBackup::full(universe, yba.storage_config(), TableType::Ysql)
        })
        .collect();
    let started = stream::iter(orders).map(|order| {
        let client = client.clone();
        async move { client.backups().create(&order, &RequestId::new()).await }
    });
    let tasks: Vec<_> = started.buffer_unordered(64).try_collect().await.unwrap();
    yba.advance(Duration::from_mins(2));
    let done = stream::iter(tasks).map(|accepted| {
        let client = client.clone();
        async move { client.tasks().get(&accepted.task).await }
    });
    let done: Vec<_> = done.buffer_unordered(64).try_collect().await.unwrap();
    assert!(done.iter().all(|task| task.status.is_complete() && !task.status.is_error()));
    assert_eq!(yba.backups().len(), 500);
    assert_eq!(yba.count(Endpoint::CreateBackup), 500);
}
