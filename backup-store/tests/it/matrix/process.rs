//! One replica's process: every step it takes, at the store or at YBA, passes through here, and one of them goes wrong.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    Attempt, BackupId, BackupRecord, BackupStrategy, BackupTarget, BatchId, IdempotencyKey, Phase, Plan,
    StoreError, TaskId, TrackingStore,
    store::{
        AuditClaim, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed, Created,
        Follower, Hold, Lease, Refusal, Saved,
    },
    strategy::{Discard, Found, Observation, PlanError, Start, TaskList, Unavailable},
};
use chrono::{DateTime, NaiveDate, Utc};
use tokio::sync::watch;

/// A step of the protocol, by its name and how often the process has taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) nth: usize,
}

impl Step {
    /// Whether it is a call to YBA, not to the store.
    pub(super) fn is_at_yba(&self) -> bool {
        self.name.starts_with("YBA ")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            1 => write!(f, "[{}]", self.name),
            nth => write!(f, "[{} no. {nth}]", self.name),
        }
    }
}

/// The one step whose effect must not happen twice.
pub(super) const POST: &str = "YBA start";

/// What goes wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The store is out of reach, and nothing was written.
    FailsBefore,
    /// It was written, and the caller is told that the store is out of reach.
    FailsAfter,
    /// It is done twice, and the caller gets the first answer.
    RepeatedUnseen,
    /// It is done twice, and the caller gets the second answer: the first was lost on the way.
    Repeated,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// The process is stopped before it, and continued when another one took the same step.
    StopsBefore,
    /// The process is stopped before it, and continued right before the one that follows it takes this step, by its number
    /// among the different ones.
    ComesBetween(usize),
    /// The process is stopped before it, and continued when everything is over.
    SleepsThrough,
    /// The process is stopped after it, and continued when another one took the same step.
    StopsAfter,
    /// YBA is restarted before it, in order.
    YbaRestarts,
    /// YBA dies before it, and is started again.
    YbaCrashes,
    /// YBA refuses connections from before it, for a while.
    YbaIsAway,
    /// YBA becomes the standby of another one before it, and is promoted again later.
    YbaStandsBy,
}

impl Moment {
    pub(super) const ALL: [Self; 20] = [
        Self::FailsBefore,
        Self::FailsAfter,
        Self::RepeatedUnseen,
        Self::Repeated,
        Self::DiesBefore,
        Self::DiesAfter,
        Self::StopsBefore,
        // The first is the claim at its start, which finds nothing yet.
        Self::ComesBetween(2),
        Self::ComesBetween(3),
        Self::ComesBetween(4),
        Self::ComesBetween(5),
        Self::ComesBetween(6),
        Self::ComesBetween(7),
        Self::ComesBetween(8),
        Self::SleepsThrough,
        Self::StopsAfter,
        Self::YbaRestarts,
        Self::YbaCrashes,
        Self::YbaIsAway,
        Self::YbaStandsBy,
    ];

    /// Whether it can happen to this step.
    pub(super) fn befalls(self, step: &Step) -> bool {
        match self {
            // How the answers of YBA's calls are lost is the simulator's part.
            Self::FailsBefore | Self::FailsAfter | Self::RepeatedUnseen | Self::Repeated => !step.is_at_yba(),
            Self::YbaRestarts | Self::YbaCrashes | Self::YbaIsAway | Self::YbaStandsBy => step.is_at_yba(),
            // What a late write would spoil is what others wrote meanwhile.
            Self::ComesBetween(_) => step.name.starts_with("save"),
            _ => true,
        }
    }

    /// Whether the process is stopped by it, or dead.
    pub(super) fn ends_the_process(self) -> bool {
        self.is_death()
            || matches!(
                self,
                Self::StopsBefore | Self::ComesBetween(_) | Self::SleepsThrough | Self::StopsAfter
            )
    }

    pub(super) fn is_death(self) -> bool {
        matches!(self, Self::DiesBefore | Self::DiesAfter)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ComesBetween(nth) => return write!(f, "comes late, before step {nth} of another replica"),
            Self::FailsBefore => "fails before its effect",
            Self::FailsAfter => "fails after its effect",
            Self::RepeatedUnseen => "is done twice",
            Self::Repeated => "is repeated after a lost answer",
            Self::DiesBefore => "is not reached alive",
            Self::DiesAfter => "is the last before death",
            Self::StopsBefore => "comes late, after another replica's",
            Self::SleepsThrough => "comes after everything is over",
            Self::StopsAfter => "is answered late, after another replica's",
            Self::YbaRestarts => "meets a restart of YBA",
            Self::YbaCrashes => "meets a crash of YBA",
            Self::YbaIsAway => "finds nobody at YBA's address",
            Self::YbaStandsBy => "finds a standby",
        })
    }
}

/// The calls under way of all processes of a lane: time stands still meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<watch::Sender<Calls>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    begun: u64,
    under_way: usize,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Calls::default())))
    }

    /// Waits until nothing happens any more without the passing of time.
    pub(super) async fn ends(&self) {
        // A step leads to the next by a few wake-ups of tasks, each of which is one turn of the runtime.
        const TURNS: usize = 32;
        let mut calls = self.0.subscribe();
        loop {
            let before = *calls.wait_for(|calls| calls.under_way == 0).await.expect("the sender is ours");
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            if *calls.borrow() == before {
                return;
            }
        }
    }

    async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        let _under_way = UnderWay::begin(&self.0);
        work.await
    }
}

/// A call under way; dropped also when its caller is aborted.
struct UnderWay<'a>(&'a watch::Sender<Calls>);

impl<'a> UnderWay<'a> {
    fn begin(calls: &'a watch::Sender<Calls>) -> Self {
        calls.send_modify(|calls| {
            calls.begun += 1;
            calls.under_way += 1;
        });
        Self(calls)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|calls| calls.under_way -= 1);
    }
}

/// The process. Clones are the same.
#[derive(Clone)]
pub(super) struct Process(Arc<Inner>);

struct Inner {
    activity: Activity,
    stopped: watch::Sender<bool>,
    /// The step that it was stopped before is done.
    is_through: watch::Sender<bool>,
    steps: Mutex<Steps>,
}

#[derive(Default)]
struct Steps {
    trap: Option<(Step, Moment)>,
    has_struck: bool,
    taken: Vec<String>,
    awakenings: usize,
    /// Another process that comes in between, before this of our different steps.
    between: Option<(usize, Process)>,
}

impl Process {
    pub(super) fn new(activity: Activity, trap: Option<(Step, Moment)>) -> Self {
        let steps = Mutex::new(Steps { trap, ..Steps::default() });
        let (stopped, is_through) = (watch::Sender::new(false), watch::Sender::new(false));
        Self(Arc::new(Inner { activity, stopped, is_through, steps }))
    }

    /// Lets another process, which is stopped, do its step right before this one takes its `nth` different step.
    pub(super) fn lets_in(&self, other: &Self, nth: usize) {
        self.0.steps.lock().unwrap().between = Some((nth, other.clone()));
    }

    pub(super) fn has_struck(&self) -> bool {
        self.0.steps.lock().unwrap().has_struck
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.0.stopped.borrow()
    }

    pub(super) fn go_on(&self) {
        self.0.steps.lock().unwrap().awakenings += 1;
        self.0.stopped.send_replace(false);
    }

    /// The names of the steps, in the order in which they began.
    pub(super) fn taken(&self) -> Vec<String> {
        self.0.steps.lock().unwrap().taken.clone()
    }

    /// How often it may have changed a record: its writes, and its awakenings beside one.
    pub(super) fn changes(&self) -> usize {
        let writes =
            |step: &&String| ["create", "reopen", "save"].iter().any(|write| step.starts_with(write));
        let steps = self.0.steps.lock().unwrap();
        steps.taken.iter().filter(writes).count() + steps.awakenings
    }

    pub(super) fn has_taken(&self, name: &str) -> bool {
        self.0.steps.lock().unwrap().taken.iter().any(|taken| taken == name)
    }

    /// A stopped process does nothing.
    async fn runs(&self) {
        let mut stopped = self.0.stopped.subscribe();
        stopped.wait_for(|stopped| !stopped).await.expect("the sender is ours");
    }

    async fn stops(&self) {
        self.0.stopped.send_replace(true);
        self.runs().await;
    }

    async fn gives_way(&self) {
        let other = {
            let mut steps = self.0.steps.lock().unwrap();
            let different = steps.taken.iter().collect::<BTreeSet<_>>().len();
            steps.between.take_if(|(nth, _)| *nth == different)
        };
        if let Some((_, other)) = other {
            let mut is_through = other.0.is_through.subscribe();
            other.go_on();
            is_through.wait_for(|is| *is).await.expect("the sender is the other's");
        }
    }

    fn begins(&self, name: String) -> Option<Moment> {
        let mut steps = self.0.steps.lock().unwrap();
        steps.taken.push(name);
        let name = steps.taken.last()?;
        let nth = steps.taken.iter().filter(|taken| *taken == name).count();
        let (_, moment) = steps.trap.as_ref().filter(|(step, _)| step.name == *name && step.nth == nth)?;
        let moment = *moment;
        steps.has_struck = true;
        Some(moment)
    }

    async fn takes<T, F>(
        &self,
        name: String,
        work: impl Fn() -> F + Send + Sync,
        out_of_reach: impl FnOnce() -> T + Send,
    ) -> T
    where
        F: Future<Output = T> + Send,
        T: Send,
    {
        self.runs().await;
        let strikes = self.begins(name);
        self.gives_way().await;
        let done = || self.0.activity.of(work());
        match strikes {
            None => done().await,
            Some(Moment::FailsBefore) => out_of_reach(),
            Some(Moment::FailsAfter) => {
                done().await;
                out_of_reach()
            }
            Some(Moment::RepeatedUnseen) => {
                let answer = done().await;
                done().await;
                answer
            }
            Some(Moment::Repeated) => {
                done().await;
                done().await
            }
            Some(Moment::DiesAfter | Moment::StopsAfter) => {
                let answer = done().await;
                self.stops().await;
                answer
            }
            // The play goes on meanwhile: it knows what happens to a stopped process, and to YBA.
            Some(_) => {
                self.stops().await;
                let answer = done().await;
                self.0.is_through.send_replace(true);
                answer
            }
        }
    }
}

/// A store as one process reaches it.
pub(super) struct ItsStore {
    pub(super) process: Process,
    pub(super) store: Arc<dyn TrackingStore>,
}

impl ItsStore {
    async fn takes<T, F>(
        &self,
        operation: &'static str,
        name: String,
        work: impl Fn() -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
        T: Send,
    {
        let out_of_reach = || Err(StoreError::Unavailable { operation, source: "the matrix says so".into() });
        self.process.takes(name, work, out_of_reach).await
    }
}

#[async_trait]
impl TrackingStore for ItsStore {
    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError> {
        let name = format!("create {}", outcome(record));
        self.takes("create", name, || self.store.create(record, key, hold)).await
    }

    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError> {
        let name = format!("reopen {}", record.phase);
        self.takes("reopen", name, || self.store.reopen(record, hold)).await
    }

    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError> {
        let name = format!("save {from} -> {}", outcome(record));
        self.takes("save", name, || self.store.save(lease, record, from, retry_in)).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        self.takes("claim", "claim".to_owned(), || self.store.claim(claim)).await
    }

    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError> {
        self.takes("heartbeat", "heartbeat".to_owned(), || self.store.heartbeat(leases, hold)).await
    }

    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError> {
        self.takes("release", "release".to_owned(), || self.store.release(leases, due_in)).await
    }

    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
        self.takes("find", "find".to_owned(), || self.store.find(batch)).await
    }

    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError> {
        self.takes("follower", "follower".to_owned(), || self.store.follower(batch)).await
    }

    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError> {
        self.takes("list", "list".to_owned(), || self.store.list(filter)).await
    }

    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError> {
        self.takes("request_cancel", "request_cancel".to_owned(), || self.store.request_cancel(batch)).await
    }

    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError> {
        let work = || self.store.claim_audits(lease, limit);
        self.takes("claim_audits", "claim_audits".to_owned(), work).await
    }

    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
        let work = || self.store.record_audits(reports);
        self.takes("record_audits", "record_audits".to_owned(), work).await
    }

    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError> {
        self.takes("doubt", "doubt".to_owned(), || self.store.doubt(batch, audit_for)).await
    }

    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        self.takes("counted", "counted".to_owned(), || self.store.counted(tasks)).await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError> {
        self.takes("refuse", "refuse".to_owned(), || self.store.refuse(refusal)).await
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.takes("prune", "prune".to_owned(), || self.store.prune(before, limit)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.takes("check", "check".to_owned(), || self.store.check()).await
    }
}

fn outcome(record: &BackupRecord) -> String {
    let end = if record.failure.is_some() { " FAILED" } else { "" };
    format!("{}{end}", record.phase)
}

/// A strategy as one process uses it.
pub(super) struct ItsStrategy<S> {
    pub(super) process: Process,
    pub(super) strategy: S,
}

impl<S> ItsStrategy<S> {
    /// How YBA's answers are lost is the simulator's part; here it is the process that is struck.
    async fn takes<T, F>(&self, call: &str, work: impl Fn() -> F + Send + Sync) -> T
    where
        F: Future<Output = T> + Send,
        T: Send,
    {
        self.process.takes(format!("YBA {call}"), work, || unreachable!("a failure of YBA is a fault")).await
    }
}

#[async_trait]
impl<S: BackupStrategy> BackupStrategy for ItsStrategy<S> {
    fn name(&self) -> &str {
        self.strategy.name()
    }

    async fn plan(&self, target: &BackupTarget, business_date: NaiveDate) -> Result<Plan, PlanError> {
        self.takes("plan", || self.strategy.plan(target, business_date)).await
    }

    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start {
        self.takes("start", || self.strategy.start(target, plan, attempt)).await
    }

    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        self.takes("find", || self.strategy.find(target, attempts)).await
    }

    async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        self.takes("observe", || self.strategy.observe(target, plan, task)).await
    }

    async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        self.takes("cancel", || self.strategy.cancel(target, task)).await
    }

    async fn tasks_since(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        self.takes("tasks_since", || self.strategy.tasks_since(target, since)).await
    }

    async fn leads(&self, target: &BackupTarget) -> Result<(), Unavailable> {
        self.takes("leads", || self.strategy.leads(target)).await
    }

    async fn discard(&self, target: &BackupTarget, backup: &BackupId) -> Result<Discard, Unavailable> {
        self.takes("discard", || self.strategy.discard(target, backup)).await
    }
}
