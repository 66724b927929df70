//! Drives every open batch along the path, in the background: those just requested, and those that a crash, a lost
//! answer or another replica left open.
//!
//! Three loops share the work. The *heartbeat* keeps the leases. The *claims* ask the store for open work that is due and
//! nobody's. The *round* holds the batches of this process in one list ordered by when they are due, and advances a
//! bounded number of them at once: ten thousand waiting batches are ten thousand entries in it, and one timer. Where it is
//! asked for, a fourth loop forgets what is over and old (`prune.rs`). A fifth audits what ended with a doubt (`audit.rs`).

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::{
    audit,
    held::{Held, Next},
    orchestrator::Live,
    pace,
    path::Path,
    prune,
    record::BackupRecord,
    store::{Claim, Lease},
};

/// The most work that one claim takes.
const CLAIM_LIMIT: u32 = 100;

/// The span in which every line about a batch is logged.
pub(crate) fn span(record: &BackupRecord, request_id: Option<String>) -> Span {
    let request_id = request_id
        .or_else(|| record.attempt().map(|attempt| attempt.id.to_string()))
        .unwrap_or_else(|| record.batch.to_string());
    tracing::info_span!(
        "backup",
        batch_id = %record.batch,
        business_date = %record.business_date,
        request_id,
        backup_target = %record.target,
    )
}

/// Starts the loops; they end after `stop`.
pub(crate) fn start(
    path: Arc<Path>,
    live: Arc<Live>,
    arrivals: mpsc::UnboundedReceiver<Box<Held>>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let (found, claimed) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // They end with this task. The heartbeat goes on for as long as steps are under way, so beyond `stop`.
        let mut loops = JoinSet::new();
        loops.spawn(keep_leases(Arc::clone(&path)));
        if let Some(interval) = path.settings.claim_interval {
            loops.spawn(claim_open_work(Arc::clone(&path), Arc::clone(&live), found, interval, stop.clone()));
        }
        if let Some(interval) = path.settings.audit_interval {
            loops.spawn(audit::audit_finished_work(Arc::clone(&path), interval, stop.clone()));
        }
        if let Some(keep) = path.settings.keep_finished {
            loops.spawn(prune::forget_finished_work(Arc::clone(&path), keep, stop.clone()));
        }
        let round = Round {
            path,
            live,
            due: BTreeMap::new(),
            queued: HashMap::new(),
            sequence: 0,
            steps: JoinSet::new(),
            under_way: HashMap::new(),
        };
        round.run(arrivals, claimed, stop).await;
    })
}

/// Renews every lease of this process, three times per lease.
async fn keep_leases(path: Arc<Path>) {
    let interval = path.settings.heartbeat();
    loop {
        path.clock.sleep(interval).await;
        path.leases.beat(path.store.as_ref(), path.clock.as_ref(), path.hold()).await;
    }
}

/// Asks the store for open work that nobody owns: at the start, then every interval, and at once after a full batch.
async fn claim_open_work(
    path: Arc<Path>,
    live: Arc<Live>,
    found: mpsc::UnboundedSender<Box<Held>>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut failures = 0;
    loop {
        let room = path.settings.max_in_flight.saturating_sub(path.leases.len());
        let limit = CLAIM_LIMIT.min(u32::try_from(room).unwrap_or(u32::MAX));
        let mut pause = pace::poll_interval(0, interval, interval);
        if limit > 0 {
            let asked_at = path.clock.elapsed();
            match path.store.claim(&Claim { hold: path.hold(), limit, only: None }).await {
                Ok(claimed) => {
                    failures = 0;
                    if claimed.len() == limit as usize {
                        pause = Duration::ZERO;
                    }
                    for claimed in claimed {
                        let span = span(&claimed.record, None);
                        span.in_scope(
                            || tracing::info!(phase = %claimed.record.phase, "took up an open batch"),
                        );
                        let held = path.take(claimed, asked_at, false, span);
                        live.enter(&held.record);
                        // The round ended: shutting down, and it releases every lease in the book.
                        let _ = found.send(held);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "open work cannot be asked for; trying again"
                    );
                    pause = pace::backoff(
                        failures,
                        interval,
                        path.settings.retry_max.min(Duration::from_secs(15)),
                    );
                    failures = failures.saturating_add(1);
                }
            }
        }
        if stop.run_until_cancelled(path.clock.sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Steps that become due within this time start together: one wake-up serves many.
const MOMENT: Duration = Duration::from_millis(25);

/// The batches of this process, in the order in which they are due.
struct Round {
    path: Arc<Path>,
    live: Arc<Live>,
    due: BTreeMap<(Duration, u64), Box<Held>>,
    /// Due, and waiting for their YBA instance to have room, in order.
    queued: HashMap<String, Queue>,
    sequence: u64,
    steps: JoinSet<(Box<Held>, Next)>,
    /// Every step under way.
    under_way: HashMap<tokio::task::Id, UnderWay>,
}

/// The due batches of one YBA instance, and how many of its steps are under way.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<Held>>,
    steps: usize,
}

/// What is known of a step under way, should it panic.
struct UnderWay {
    lease: Lease,
    instance: String,
}

impl Round {
    async fn run(
        mut self,
        mut arrivals: mpsc::UnboundedReceiver<Box<Held>>,
        mut claimed: mpsc::UnboundedReceiver<Box<Held>>,
        stop: CancellationToken,
    ) {
        let clock = Arc::clone(&self.path.clock);
        loop {
            self.start_due_steps();
            let room = self.steps.len() < self.path.settings.concurrency;
            let next_due = self
                .due
                .first_key_value()
                .map(|((due, _), _)| due.saturating_sub(clock.elapsed()).max(MOMENT));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.steps.join_next_with_id() => self.after_step(ended),
                Some(held) = arrivals.recv() => self.enter(held, Duration::ZERO),
                Some(held) = claimed.recv() => self.enter(held, Duration::ZERO),
                () = clock.sleep(next_due.unwrap_or_default()), if room && next_due.is_some() => {}
            }
        }
        self.finish(arrivals, claimed).await;
    }

    fn enter(&mut self, held: Box<Held>, after: Duration) {
        self.sequence += 1;
        self.due.insert((self.path.clock.elapsed() + after, self.sequence), held);
    }

    /// Starts a step for every batch that is due, as far as there is room: altogether, and for its instance.
    fn start_due_steps(&mut self) {
        let now = self.path.clock.elapsed();
        while self.steps.len() < self.path.settings.concurrency {
            let Some(first) = self.due.first_entry().filter(|entry| entry.key().0 <= now) else { return };
            let held = first.remove();
            let queue = self.queued.entry(held.instance().to_owned()).or_default();
            if queue.steps < self.path.settings.concurrency_for(held.instance()) {
                self.start_step(held);
            } else {
                queue.waiting.push_back(held);
            }
        }
    }

    fn start_step(&mut self, held: Box<Held>) {
        let (path, live, span) = (Arc::clone(&self.path), Arc::clone(&self.live), held.span.clone());
        let under_way = UnderWay { lease: held.lease().clone(), instance: held.instance().to_owned() };
        self.queued.entry(under_way.instance.clone()).or_default().steps += 1;
        let task = self.steps.spawn(advance(path, live, held).instrument(span));
        self.under_way.insert(task.id(), under_way);
    }

    fn after_step(&mut self, step: Result<(tokio::task::Id, (Box<Held>, Next)), tokio::task::JoinError>) {
        let id = step.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let Some(under_way) = self.under_way.remove(&id) else { return };
        match step {
            Ok((_, (held, Next::After(pause)))) => self.enter(held, pause),
            Ok((_, (held, Next::Now))) => self.enter(held, Duration::ZERO),
            Ok((_, (_, Next::Over | Next::Lost))) => {}
            // A bug. Off the book, the lease is not renewed: the batch is taken up again when it expires, here or elsewhere.
            Err(panic) => {
                let batch = &under_way.lease.batch;
                tracing::error!(%panic, batch_id = %batch, "a bug: a step panicked; the batch is taken up again");
                self.path.leases.strike(&under_way.lease);
                self.live.leave(batch);
            }
        }
        self.make_room(&under_way.instance);
    }

    /// A step of this instance ended: the next that waits for it may go.
    fn make_room(&mut self, instance: &str) {
        let Some(queue) = self.queued.get_mut(instance) else { return };
        queue.steps -= 1;
        if let Some(next) = queue.waiting.pop_front() {
            self.start_step(next);
        } else if queue.steps == 0 {
            self.queued.remove(instance);
        }
    }

    /// Finishes the steps under way, and gives everything else up.
    async fn finish(
        mut self,
        mut arrivals: mpsc::UnboundedReceiver<Box<Held>>,
        mut claimed: mpsc::UnboundedReceiver<Box<Held>>,
    ) {
        let under_way = self.steps.len();
        if under_way > 0 {
            tracing::info!(under_way, "finishing the steps under way");
        }
        let patience = self.path.clock.sleep(self.path.settings.shutdown_timeout);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                ended = self.steps.join_next() => match ended {
                    Some(_) => {}
                    None => break,
                },
                () = &mut patience => {
                    tracing::warn!("some steps did not end in time; they are looked up at the next start");
                    break;
                }
            }
        }
        let mut unsent: Vec<Box<Held>> = self.queued.drain().flat_map(|(_, queue)| queue.waiting).collect();
        unsent.extend(std::mem::take(&mut self.due).into_values());
        unsent.extend(std::iter::from_fn(|| arrivals.try_recv().ok()));
        unsent.extend(std::iter::from_fn(|| claimed.try_recv().ok()));
        for held in &mut unsent {
            self.path.withdraw(held).await;
        }
        let leases = self.path.leases.all();
        if leases.is_empty() {
            return;
        }
        match self.path.store.release(&leases, Duration::ZERO).await {
            Ok(()) => tracing::info!(open = leases.len(), "left open batches to whoever starts next"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "open batches could not be given up; they are taken up when their leases expire",
            ),
        }
    }
}

/// Steps that follow each other at once are taken in one go. A batch that is over is let go right here: its caller waits.
async fn advance(path: Arc<Path>, live: Arc<Live>, mut held: Box<Held>) -> (Box<Held>, Next) {
    loop {
        let next = path.advance(&mut held).await;
        live.publish(&held);
        match next {
            Next::Now => {}
            Next::After(_) => return (held, next),
            Next::Over | Next::Lost => {
                path.drop_held(&held);
                live.leave(&held.record.batch);
                return (held, next);
            }
        }
    }
}
