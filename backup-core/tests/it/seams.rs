//! What crosses the seams, and what does not: shown with mocks, since no real part tells.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use backup_core::{
    BackupRequest, BuildError, Error, Orchestrator, ResolveError, Settings, StoreError,
    testing::{MockConfigResolver, MockTrackingStore, ScriptedStrategy, fixtures},
};

use crate::world::request;

/// An answer without a wait.
fn now<T: Send + 'static>(answer: T) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(ready(answer))
}

fn quiet_store() -> MockTrackingStore {
    let mut store = MockTrackingStore::new();
    store.expect_clock().return_const(None);
    store.expect_claim().returning(|_| now(Ok(Vec::new())));
    store
}

fn orchestrator(
    resolver: MockConfigResolver,
    store: MockTrackingStore,
    yba: &ScriptedStrategy,
) -> Orchestrator {
    Orchestrator::builder()
        .resolver(resolver)
        .store(Arc::new(store))
        .strategy(yba.clone())
        .start()
        .expect("it can be built")
}

#[tokio::test]
async fn what_is_not_recorded_is_not_posted() {
    let mut resolver = MockConfigResolver::new();
    resolver.expect_resolve().times(1).returning(|_| now(Ok(Arc::new(fixtures::target()))));
    let mut store = quiet_store();
    store.expect_create().times(1).returning(|_, _, _| {
        now(Err(StoreError::Unavailable { operation: "create", source: "connection refused".into() }))
    });
    let yba = ScriptedStrategy::new();
    let refused = orchestrator(resolver, store, &yba).submit(request()).await.unwrap_err();
    assert!(matches!(refused, Error::Store(StoreError::Unavailable { .. })));
    assert!(yba.posted().is_empty());
}

#[tokio::test]
async fn a_faulty_request_reaches_neither_resolver_nor_batches() {
    let mut store = quiet_store();
    store.expect_refuse().times(1).withf(|refusal| refusal.batch.is_none()).returning(|_| now(Ok(())));
    let yba = ScriptedStrategy::new();
    let orchestrator = orchestrator(MockConfigResolver::new(), store, &yba);
    let refused = orchestrator.submit(BackupRequest::new("db1", "20250230")).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)));
}

#[tokio::test]
async fn the_resolver_is_asked_for_the_category_as_it_was_written() {
    let mut resolver = MockConfigResolver::new();
    resolver.expect_resolve().times(1).withf(|category| category == "HwA_Full").returning(|category| {
        let known = vec!["db1".to_owned()];
        now(Err(ResolveError::UnknownCategory { category: category.to_owned(), known }))
    });
    let mut store = quiet_store();
    store.expect_refuse().times(1).returning(|_| now(Ok(())));
    let orchestrator = orchestrator(resolver, store, &ScriptedStrategy::new());
    let refused = orchestrator.submit(BackupRequest::new(" HwA_Full ", "20250325")).await.unwrap_err();
    assert!(matches!(refused, Error::Resolve(_)));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let built = Orchestrator::builder().start();
    assert_eq!(built.unwrap_err(), BuildError::NoRuntime);
}

#[tokio::test]
async fn an_orchestrator_without_a_part_or_with_settings_that_spin_is_refused() {
    assert_eq!(Orchestrator::builder().start().unwrap_err(), BuildError::Missing("resolver"));
    let builder = || Orchestrator::builder().resolver(MockConfigResolver::new());
    assert_eq!(builder().start().unwrap_err(), BuildError::Missing("store"));
    let mut settings = Settings::default();
    settings.lease = std::time::Duration::ZERO;
    // The store is not asked for anything.
    let refused = builder().store(Arc::new(MockTrackingStore::new())).settings(settings).start().unwrap_err();
    assert!(refused.to_string().contains("`lease` is 0ns"), "{refused}");
}
