//! From a request to a recorded intent, and to the answer: the handle that everyone holds.
//!
//! [`Orchestrator::submit`] is the first half of the path: request, command, target, plan, **intent recorded**. What
//! follows (POST, task, polls, outcome) is in `path.rs`, driven by `reconcile.rs` in the background, so that a
//! caller who goes away stops nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::{
    clock::{Clock, SystemClock},
    command::BackupCommand,
    config::ConfigResolver,
    error::Error,
    failure::Failure,
    held::Held,
    ids::{BatchId, OwnerId},
    lease::LeaseBook,
    once, pace,
    path::Path,
    reconcile,
    record::{BackupRecord, SharedRecord},
    refusals::RefusalBudget,
    request::BackupRequest,
    settings::{Settings, SettingsFaults},
    state::{Phase, TrackerStatus},
    store::{BackupFilter, BackupPage, Claim, Claimed, Created, Lease, Refusal, TrackingStore},
    strategies::Strategies,
    strategy::BackupStrategy,
    target::BackupTarget,
};

/// Runs backups: each accepted request once, to its true end, whatever happens in between.
///
/// Cheap to clone; every clone is the same orchestrator. It works in the background until
/// [`Orchestrator::shutdown`], or until the last clone is dropped.
#[derive(Clone)]
pub struct Orchestrator {
    inner: Arc<Inner>,
}

struct Inner {
    path: Arc<Path>,
    live: Arc<Live>,
    inbox: mpsc::UnboundedSender<Box<Held>>,
    stop: CancellationToken,
    background: Mutex<Option<JoinHandle<()>>>,
    refusals: RefusalBudget,
}

/// What is known of a batch while it is followed.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The record, as of the last step.
    pub record: SharedRecord,
    /// The share of YBA's subtasks that succeeded, 0 to 100: a count of steps, not of bytes.
    pub percent: Option<f64>,
}

/// The batches that this process follows, and who watches them.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<BatchId, watch::Sender<Progress>>>);

impl Live {
    pub(crate) fn enter(&self, record: &BackupRecord) {
        let progress = Progress { record: Arc::new(record.clone()), percent: None };
        self.lock().insert(record.batch.clone(), watch::Sender::new(progress));
    }

    /// Tells whoever watches. Costs nothing when nobody does.
    pub(crate) fn publish(&self, held: &Held) {
        let live = self.lock();
        let Some(sender) = live.get(&held.record.batch).filter(|sender| sender.receiver_count() > 0) else {
            return;
        };
        sender.send_replace(Progress { record: Arc::new(held.record.clone()), percent: held.percent });
    }

    /// The batch is not followed here any more. Watchers learn it from the closed channel.
    pub(crate) fn leave(&self, batch: &BatchId) {
        self.lock().remove(batch);
    }

    fn watch(&self, batch: &BatchId) -> Option<watch::Receiver<Progress>> {
        self.lock().get(batch).map(watch::Sender::subscribe)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BatchId, watch::Sender<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a failed batch is planned again whose audit records what it found just then.
const TRIES: u32 = 3;

/// Puts an [`Orchestrator`] together.
#[derive(Default)]
pub struct OrchestratorBuilder {
    resolver: Option<Arc<dyn ConfigResolver>>,
    store: Option<Arc<dyn TrackingStore>>,
    strategies: Strategies,
    clock: Option<Arc<dyn Clock>>,
    settings: Settings,
}

impl OrchestratorBuilder {
    /// Where categories lead.
    #[must_use]
    pub fn resolver(mut self, resolver: impl ConfigResolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Where records live.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn TrackingStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Registers a strategy under its name, in place of one of the same name.
    #[must_use]
    pub fn strategy(mut self, strategy: impl BackupStrategy) -> Self {
        self.strategies.add(Arc::new(strategy));
        self
    }

    /// Whether a strategy is registered under this name, compared without regard to case.
    pub fn has_strategy(&self, name: &str) -> bool {
        self.strategies.get(name).is_some()
    }

    /// Where the time comes from; otherwise the store's clock, or the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Intervals, limits and patience.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the orchestrator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`] outside a tokio runtime, without a resolver or a store, or with settings that would make it spin or
    /// stand still ([`Settings::check`]). Nothing was started.
    pub fn start(self) -> Result<Orchestrator, BuildError> {
        tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        self.settings.check()?;
        let resolver = self.resolver.ok_or(BuildError::Missing("resolver"))?;
        let store = self.store.ok_or(BuildError::Missing("store"))?;
        let clock = self.clock.or_else(|| store.clock()).unwrap_or_else(|| Arc::new(SystemClock::new()));
        let stop = CancellationToken::new();
        let path = Arc::new(Path {
            resolver,
            store,
            strategies: self.strategies,
            clock,
            settings: self.settings,
            owner: OwnerId::generate(),
            leases: LeaseBook::default(),
            stop: stop.clone(),
        });
        let live = Arc::new(Live::default());
        let (inbox, arrivals) = mpsc::unbounded_channel();
        let background = reconcile::start(Arc::clone(&path), Arc::clone(&live), arrivals, stop.clone());
        let background = Mutex::new(Some(background));
        let refusals = RefusalBudget::default();
        Ok(Orchestrator { inner: Arc::new(Inner { path, live, inbox, stop, background, refusals }) })
    }
}

/// Why no orchestrator was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It works in the background, on a tokio runtime, and there is none here.
    #[error("an orchestrator must be started on a tokio runtime")]
    NoRuntime,
    /// A part was not given.
    #[error("an orchestrator needs a {0}")]
    Missing(&'static str),
    /// A setting is out of its bounds.
    #[error(transparent)]
    Settings(#[from] SettingsFaults),
}

impl Orchestrator {
    /// Begins to put one together.
    pub fn builder() -> OrchestratorBuilder {
        OrchestratorBuilder::default()
    }

    /// Takes a request as far as a committed intent; the rest happens in the background.
    ///
    /// The record says where it stands: usually [`Phase::Submitting`]; [`Phase::Done`] for a batch that is over already, or
    /// must not be posted at all (an increment without a base).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every fault of the request, [`Error::Resolve`] without a target, [`Error::UnknownBatch`]
    /// for a named batch that is not there, [`Error::Conflict`] when it is one of another category or date,
    /// [`Error::Store`] when the store did not confirm the record: sent again with the same idempotency key, it starts one
    /// backup at most. In every other case nothing was started.
    pub async fn submit(&self, request: BackupRequest) -> Result<BackupRecord, Error> {
        // In a task of its own: a caller that goes away between the intent and the hand-over would leave the batch to the
        // end of its lease.
        let this = self.clone();
        let submission = async move {
            let asked = request.clone();
            let submitted = this.try_submit(request, TRIES).await;
            match &submitted {
                Ok(_) | Err(Error::Store(_) | Error::Internal(_)) => {}
                Err(refused) => this.refuse(&asked, refused).await,
            }
            submitted
        };
        match tokio::spawn(submission.in_current_span()).await {
            Ok(submitted) => submitted,
            // A bug of a strategy or a store: the caller's to see, as if it had been called directly.
            Err(bug) if bug.is_panic() => std::panic::resume_unwind(bug.into_panic()),
            Err(_) => Err(Error::Internal("the runtime is shutting down".to_owned())),
        }
    }

    /// [`Orchestrator::submit`], and then [`Orchestrator::wait`] for the end.
    pub async fn run(&self, request: BackupRequest) -> Result<BackupRecord, Error> {
        let record = self.submit(request).await?;
        if record.is_done() {
            return Ok(record);
        }
        self.wait(&record.batch, None).await
    }

    async fn try_submit(&self, request: BackupRequest, tries: u32) -> Result<BackupRecord, Error> {
        let request_id = request.request_id.clone();
        let command = BackupCommand::try_from(request.clone()).map_err(Error::Invalid)?;
        let existing = match command.batch() {
            Some(batch) => Some(self.existing(batch, &command).await?),
            None => None,
        };
        if let Some(record) = existing.as_ref().filter(|record| record.status() != TrackerStatus::Failed) {
            return Ok(record.clone());
        }
        let path = &self.inner.path;
        let target = path.resolver.resolve(command.category()).await?;
        let is_once = once::is_wanted(&command, &target);
        let existing = match existing {
            None if is_once => once::find(path.store.as_ref(), &target, command.business_date()).await?,
            named => named,
        };
        if let Some(record) = existing.as_ref().filter(|record| record.status() != TrackerStatus::Failed) {
            return Ok(record.clone());
        }
        let again = existing.as_ref().map(|failed| failed.batch.clone());
        let record = match existing {
            Some(failed) => run_again(failed, &target, path.clock.as_ref())?,
            None if is_once => once::named(BackupRecord::new(&command, &target, path.clock.now())),
            None => BackupRecord::new(&command, &target, path.clock.now()),
        };
        let span = reconcile::span(&record, request_id);
        let asked_at = path.clock.elapsed();
        let intent = self.record_intent(record, again.is_some(), &target, &command);
        let created = intent.instrument(span.clone()).await;
        if let (Some(batch), Err(Error::Conflict(_))) = (&again, &created) {
            let there = self.find(batch).await?;
            if there.status() == TrackerStatus::Failed && tries > 1 {
                // An audit recorded what it found meanwhile: the plan is made anew, with that.
                return Box::pin(self.try_submit(request, tries - 1)).await;
            }
            // Someone else was faster to run it again: joined.
            return Ok(there);
        }
        match created? {
            Created::Existing(existing) if is_once && once::is_of(&existing, &target, &command) => {
                Ok(existing)
            }
            Created::Existing(existing) => {
                same_request(&existing, &command)?;
                Ok(existing)
            }
            Created::New { lease, record } => {
                span.in_scope(
                    || tracing::info!(phase = %record.phase, category = record.category, "recorded"),
                );
                self.follow(lease, &record, asked_at, span).await?;
                Ok(record)
            }
        }
    }

    /// The batch that the caller named.
    async fn existing(&self, batch: &BatchId, command: &BackupCommand) -> Result<BackupRecord, Error> {
        let record = self.inner.path.store.find(batch).await?;
        let record = record.ok_or_else(|| Error::UnknownBatch(batch.clone()))?;
        same_request(&record, command)?;
        Ok(record)
    }

    /// Plans the batch and commits the intent: from here on the batch reaches an end without anyone's help.
    async fn record_intent(
        &self,
        mut record: BackupRecord,
        again: bool,
        target: &BackupTarget,
        command: &BackupCommand,
    ) -> Result<Created, Error> {
        let path = &self.inner.path;
        let planned = record.clone();
        // Over what this replica can follow, it is recorded as it is: for whoever has room.
        if path.leases.len() < path.settings.max_in_flight {
            let prepared = path.prepare(&mut record, target).await;
            prepared.map_err(|illegal| Error::Internal(illegal.to_string()))?;
        }
        if !again {
            return Ok(path.store.create(&record, command.idempotency_key(), path.hold()).await?);
        }
        if !matches!(record.phase, Phase::Running | Phase::Done) && record.lost == planned.lost {
            return Ok(path.store.reopen(&record, path.hold()).await?);
        }
        // What a lost attempt started was found, or there is nothing to post: opened first, with the lost attempts as they were
        // read, and then a step as any other.
        match path.store.reopen(&planned, path.hold()).await? {
            Created::New { lease: Some(lease), .. } => {
                record.begin_audit(path.settings.audit_for);
                path.store.save(&lease, &record, Phase::Planned, Duration::ZERO).await?;
                Ok(Created::New { lease: (!record.is_done()).then_some(lease), record })
            }
            other => Ok(other),
        }
    }

    /// Hands a recorded batch over to the background. Without a lease there is nothing to do here: it is over, or it
    /// waits in the store.
    async fn follow(
        &self,
        lease: Option<Lease>,
        record: &BackupRecord,
        asked_at: Duration,
        span: Span,
    ) -> Result<(), Error> {
        let path = &self.inner.path;
        metrics::counter!("backup_initiated_total", "target" => record.target.to_string()).increment(1);
        if record.is_done() {
            path.count_outcome(record);
        }
        match lease {
            None => {}
            Some(lease) if record.phase == Phase::Planned => {
                path.store.release(&[lease], Duration::ZERO).await?;
            }
            Some(lease) => {
                let claimed = Claimed { lease, record: record.clone() };
                let unsent = record.phase == Phase::Submitting;
                self.hand_over(path.take(claimed, asked_at, unsent, span));
            }
        }
        Ok(())
    }

    fn hand_over(&self, held: Box<Held>) {
        self.inner.live.enter(&held.record);
        if let Err(mpsc::error::SendError(held)) = self.inner.inbox.send(held) {
            // Stopped already: the intent is committed, and is taken up when the lease expires.
            self.inner.path.drop_held(&held);
            self.inner.live.leave(&held.record.batch);
        }
    }

    /// Waits for the end of a batch, wherever it runs, for at most `limit`. The record is the last that was seen: over,
    /// unless the limit passed or this orchestrator was shut down.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBatch`] when it is not there, [`Error::Store`] when the store cannot be asked for it.
    pub async fn wait(&self, batch: &BatchId, limit: Option<Duration>) -> Result<BackupRecord, Error> {
        let clock = &self.inner.path.clock;
        let give_up = limit.and_then(|limit| clock.elapsed().checked_add(limit));
        let left = || give_up.map_or(Duration::MAX, |until| until.saturating_sub(clock.elapsed()));
        let mut looks = 0;
        loop {
            if let Some(mut live) = self.inner.live.watch(batch) {
                // Followed here: the channel closes when it is over, or waits in the store.
                tokio::select! {
                    () = async { while live.changed().await.is_ok() {} } => {}
                    () = sleep(clock.as_ref(), left()) => {}
                    () = self.inner.stop.cancelled() => {}
                }
                let seen = Arc::clone(&live.borrow().record);
                if seen.is_done() {
                    return Ok(BackupRecord::clone(&seen));
                }
            }
            let record = self.find(batch).await?;
            if record.is_done() || left().is_zero() || self.inner.stop.is_cancelled() {
                return Ok(record);
            }
            let pause = pace::poll_interval(looks, Duration::from_millis(500), Duration::from_secs(5));
            looks += 1;
            sleep(clock.as_ref(), pause.min(left())).await;
        }
    }

    /// The progress of a batch that this process follows; `None` for any other. The channel closes when it is not
    /// followed here any more.
    pub fn watch(&self, batch: &BatchId) -> Option<watch::Receiver<Progress>> {
        self.inner.live.watch(batch)
    }

    /// The record of a batch.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBatch`], [`Error::Store`].
    pub async fn find(&self, batch: &BatchId) -> Result<BackupRecord, Error> {
        self.inner.path.store.find(batch).await?.ok_or_else(|| Error::UnknownBatch(batch.clone()))
    }

    /// Batches by filter, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, Error> {
        Ok(self.inner.path.store.list(filter).await?)
    }

    /// Asks for a batch to be cancelled: before its POST it is never sent; after, YBA is asked to abort the task.
    /// What became of it shows in the record; a backup that completes first stays a success. `false`: it was over.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBatch`], [`Error::Store`].
    pub async fn cancel(&self, batch: &BatchId) -> Result<bool, Error> {
        let asked = self.inner.path.store.request_cancel(batch).await?;
        if let Some(lease) = self.inner.path.leases.get(batch).filter(|_| asked) {
            lease.request_cancel();
        }
        Ok(asked)
    }

    /// Takes up one batch that nobody follows, if it is due: for a command line that follows only its own.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn take_up(&self, batch: &BatchId) -> Result<bool, Error> {
        let path = &self.inner.path;
        let claim = Claim { hold: path.hold(), limit: 1, only: Some(batch.clone()) };
        let asked_at = path.clock.elapsed();
        let claimed = path.store.claim(&claim).await?;
        let found = !claimed.is_empty();
        for claimed in claimed {
            let span = reconcile::span(&claimed.record, None);
            self.hand_over(path.take(claimed, asked_at, false, span));
        }
        Ok(found)
    }

    /// Audits what is due now: for a command line, whose process does not live long enough to do it in the background. Answers how
    /// many batches that were.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be asked.
    pub async fn audit(&self) -> Result<usize, Error> {
        Ok(self.inner.path.audit_due().await?)
    }

    /// Whether the configuration still names the target of a batch: without it nobody here can follow the batch.
    pub async fn knows_target(&self, record: &BackupRecord) -> bool {
        self.inner.path.resolver.resolve(record.target.as_str()).await.is_ok()
    }

    /// Whether requests can be recorded.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when they cannot.
    pub async fn check(&self) -> Result<(), Error> {
        self.inner.path.store.check().await.map_err(Error::Store)
    }

    /// The number of batches that this process follows.
    pub fn in_flight(&self) -> usize {
        self.inner.path.leases.len()
    }

    /// Records a request that never becomes a batch; also for edges that refuse what they cannot even read. A flood of them
    /// is recorded in part and counted.
    pub async fn refuse(&self, request: &BackupRequest, error: &Error) {
        let now = self.inner.path.clock.now();
        let date = request
            .business_date
            .as_deref()
            .and_then(|text| crate::command::parse_business_date(text.trim()));
        let refusal = Refusal {
            batch: request.batch.as_deref().map(bounded),
            business_date: date.unwrap_or(now.date_naive()),
            category: request.category.as_deref().map(bounded),
            failure: error.to_failure(),
            at: now,
        };
        let Failure { code, message, .. } = &refusal.failure;
        if !self.inner.refusals.admits_one() {
            tracing::debug!(error_code = %code, message, "refused a request");
            return;
        }
        tracing::warn!(error_code = %code, message, "refused a request");
        if let Err(error) = self.inner.path.store.refuse(&refusal).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a refused request could not be recorded"
            );
        }
    }

    /// Dies as a process does: no step is finished, no lease given up. For tests of what comes after.
    #[cfg(any(test, feature = "testing"))]
    pub fn kill(&self) {
        if let Some(background) = self.inner.background.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            background.abort();
        }
    }

    /// Stops: no new work is taken, steps under way are finished, and everything open is left to whoever starts next.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        let background = self.inner.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(background) = background {
            // It ends by itself; a panic in it was logged.
            let _ = background.await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Orchestrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orchestrator")
            .field("owner", &self.inner.path.owner)
            .field("strategies", &self.inner.path.strategies)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OrchestratorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrchestratorBuilder")
            .field("strategies", &self.strategies)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn run_again(
    mut failed: BackupRecord,
    target: &BackupTarget,
    clock: &dyn Clock,
) -> Result<BackupRecord, Error> {
    failed.run_again(target, clock.now()).map_err(|illegal| Error::Conflict(illegal.to_string()))?;
    Ok(failed)
}

/// A batch id or an idempotency key names one request, not any.
fn same_request(record: &BackupRecord, command: &BackupCommand) -> Result<(), Error> {
    if record.category.eq_ignore_ascii_case(command.category())
        && record.business_date == command.business_date()
    {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "batch {} is of the category \"{}\" for {}, not of \"{}\" for {}",
        record.batch,
        record.category,
        record.business_date,
        command.category(),
        command.business_date(),
    )))
}

/// A text of a refused request, cut to what a column holds.
fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(crate::command::MAX_TEXT).collect()
}

async fn sleep(clock: &dyn Clock, duration: Duration) {
    if duration == Duration::MAX {
        std::future::pending::<()>().await;
    }
    clock.sleep(duration).await;
}
