//! The leases that this process holds, and the heartbeat that keeps them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::Clock,
    ids::BatchId,
    store::{Beat, Hold, Lease, TrackingStore},
};

/// What the heartbeat knows of one lease; shared with whoever works under it.
#[derive(Debug)]
pub(crate) struct LeaseState {
    confirmed_ms: AtomicU64,
    lost: AtomicBool,
    cancel_requested: AtomicBool,
}

impl LeaseState {
    fn new(confirmed: Duration, cancel_requested: bool) -> Self {
        Self {
            confirmed_ms: AtomicU64::new(millis(confirmed)),
            lost: AtomicBool::new(false),
            cancel_requested: AtomicBool::new(cancel_requested),
        }
    }

    /// Whether the lease was confirmed so lately that nobody else can have it.
    ///
    /// By this process's own monotonic clock: a process that was stopped and wakes up finds itself too late.
    pub(crate) fn may_act(&self, now: Duration, within: Duration) -> bool {
        let confirmed = Duration::from_millis(self.confirmed_ms.load(Ordering::Acquire));
        !self.is_lost() && now.saturating_sub(confirmed) < within
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    pub(crate) fn cancel_requested(&self) -> bool {
        self.cancel_requested.load(Ordering::Acquire)
    }

    pub(crate) fn request_cancel(&self) {
        self.cancel_requested.store(true, Ordering::Release);
    }

    fn confirm(&self, at: Duration) {
        self.confirmed_ms.store(millis(at), Ordering::Release);
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every lease that this process holds.
#[derive(Debug, Default)]
pub(crate) struct LeaseBook {
    held: Mutex<HashMap<BatchId, (Lease, Arc<LeaseState>)>>,
}

impl LeaseBook {
    /// Notes a lease that was got at `since`, measured before the store was asked.
    pub(crate) fn enter(&self, lease: &Lease, since: Duration, cancel_requested: bool) -> Arc<LeaseState> {
        let state = Arc::new(LeaseState::new(since, cancel_requested));
        self.lock().insert(lease.batch.clone(), (lease.clone(), Arc::clone(&state)));
        state
    }

    /// Strikes a lease out, unless a newer one of the same batch stands there.
    pub(crate) fn strike(&self, lease: &Lease) {
        let mut held = self.lock();
        if held.get(&lease.batch).is_some_and(|(other, _)| other.epoch == lease.epoch) {
            held.remove(&lease.batch);
        }
    }

    pub(crate) fn get(&self, batch: &BatchId) -> Option<Arc<LeaseState>> {
        self.lock().get(batch).map(|(_, state)| Arc::clone(state))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<Lease> {
        self.lock().values().map(|(lease, _)| lease.clone()).collect()
    }

    /// Renews every lease, in one call to the store.
    pub(crate) async fn beat(&self, store: &dyn TrackingStore, clock: &dyn Clock, hold: Hold) {
        let (leases, states): (Vec<Lease>, Vec<Arc<LeaseState>>) = self.lock().values().cloned().unzip();
        if leases.is_empty() {
            return;
        }
        // Before the call: the lease runs from when the database saw it, which is later.
        let asked_at = clock.elapsed();
        match store.heartbeat(&leases, hold).await {
            Ok(beats) => {
                for ((beat, state), lease) in beats.iter().zip(&states).zip(&leases) {
                    match beat {
                        Beat::Kept { cancel_requested } => {
                            state.confirm(asked_at);
                            if *cancel_requested {
                                state.request_cancel();
                            }
                        }
                        Beat::Lost => self.lose(lease, state),
                    }
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                leases = leases.len(),
                "leases could not be renewed; work stops until they are",
            ),
        }
    }

    /// A batch that ended or began to wait meanwhile is off the book already, and not worth a word.
    fn lose(&self, lease: &Lease, state: &LeaseState) {
        state.lose();
        let held = self.lock();
        if held.get(&lease.batch).is_some_and(|(other, _)| other.epoch == lease.epoch) {
            tracing::warn!(batch_id = %lease.batch, "lost the lease; another replica follows this batch");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BatchId, (Lease, Arc<LeaseState>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
