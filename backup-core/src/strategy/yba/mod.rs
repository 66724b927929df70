//! What the two strategies share: the YBA instances, and the calls that do not depend on the kind of backup.

mod base;
mod discard;
mod find;
mod identity;
mod tasks;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use yba_client::{
    Backup, CreateBackup, ErrorKind, FailedSubtask, Reach, RequestId, TableType, Task, TaskAccepted,
    TaskState, TimeUnit, UnreadableRow, YbaClient,
};

use self::identity::Asked;
use super::{BackupViewState, Observation, Start, TaskFailure, TaskView, Unavailable, UnavailableKind};
use crate::{
    clock::{Clock, SystemClock},
    failure::{ErrorCode, Failure},
    ids::{InstanceName, TaskId},
    reasons::unauthorized,
    record::{Attempt, Plan},
    target::BackupTarget,
};

/// The YBA instances that targets name, each with its client.
#[derive(Clone)]
pub struct YbaInstances {
    instances: Arc<BTreeMap<InstanceName, Instance>>,
    clock: Arc<dyn Clock>,
}

/// One YBA instance.
struct Instance {
    client: YbaClient,
    /// A proxy or an old release does not show our `X-REQUEST-ID` back: look-ups cannot rely on it.
    marker_lost: AtomicBool,
    /// Legacy URLs that real YBA does not have.
    absent_urls: Mutex<HashSet<String>>,
}

/// Collects instances.
#[derive(Default)]
pub struct YbaInstancesBuilder {
    instances: BTreeMap<InstanceName, Instance>,
    clock: Option<Arc<dyn Clock>>,
}

impl YbaInstancesBuilder {
    /// Adds an instance.
    #[must_use]
    pub fn instance(mut self, name: impl Into<InstanceName>, client: YbaClient) -> Self {
        let instance = Instance { client, marker_lost: AtomicBool::default(), absent_urls: Mutex::default() };
        self.instances.insert(name.into(), instance);
        self
    }

    /// Where the time comes from; the machine's clock otherwise.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// All of them.
    pub fn build(self) -> YbaInstances {
        YbaInstances {
            instances: Arc::new(self.instances),
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
        }
    }
}

impl YbaInstances {
    /// Begins to collect instances.
    pub fn builder() -> YbaInstancesBuilder {
        YbaInstancesBuilder::default()
    }

    /// One instance.
    pub fn one(name: impl Into<InstanceName>, client: YbaClient) -> Self {
        Self::builder().instance(name, client).build()
    }

    /// The names of all instances, in order.
    pub fn names(&self) -> impl Iterator<Item = &InstanceName> {
        self.instances.keys()
    }

    /// The client of an instance.
    pub fn client(&self, name: &InstanceName) -> Option<&YbaClient> {
        self.instances.get(name).map(|instance| &instance.client)
    }

    /// Asks each instance whether it returns the `X-REQUEST-ID` that it is sent, and says so where it does not: then a lost
    /// answer can only be looked up by backup rows. An instance that does not answer is learned from its first backup.
    pub async fn check_markers(&self) {
        for (name, instance) in self.instances.iter() {
            if let Ok(echoed) = instance.client.echoes_request_ids().await {
                instance.note_marker(echoed, name);
            }
        }
    }

    fn of(&self, target: &BackupTarget) -> Result<&Instance, Unavailable> {
        self.instances.get(&target.instance).ok_or_else(|| {
            Unavailable::unreachable(format!(
                "no YBA instance is configured under the name \"{}\"",
                target.instance
            ))
        })
    }

    /// Says so while a request to the target's instance would be in vain: calls are held back because it did not answer the
    /// last ones, or it refuses the token. Such a request needs no plan, and no attempt on record.
    ///
    /// Nothing is sent, unless the token was refused: then once more, because it may have been replaced.
    pub(super) async fn must_be_in_reach(&self, target: &BackupTarget) -> Result<(), Unavailable> {
        let Some(instance) = self.instances.get(&target.instance) else { return Ok(()) };
        if instance.client.is_held_back() {
            return Err(Unavailable::unreachable(format!(
                "YBA \"{}\" did not answer the last calls; it is asked again in a while",
                target.instance
            )));
        }
        if instance.client.token_refused_for().is_some()
            && let Err(error) = instance.client.session().info().await
            && error.is_token_refused()
        {
            return Err(no_answer(&error));
        }
        Ok(())
    }

    /// Sends the one POST of an attempt: to the legacy URL, where the target has one that exists.
    pub(super) async fn start(
        &self,
        target: &BackupTarget,
        backup: CreateBackup,
        legacy_url: Option<&str>,
        attempt: &Attempt,
    ) -> Start {
        let instance = match self.of(target) {
            Ok(instance) => instance,
            Err(cause) => {
                return Start::Rejected(Failure::new(ErrorCode::TargetNotConfigured, cause.text));
            }
        };
        match instance.create(&backup, legacy_url, &RequestId::from(attempt.id.as_uuid())).await {
            Ok(accepted) => {
                instance.note_marker(accepted.request_id_echoed, &target.instance);
                Start::Accepted { task: accepted.task.as_str().into(), response: accepted.body }
            }
            Err(error) => start_error(&error),
        }
    }

    /// Looks at a task and, once it ended, at its backup: one call while it is open.
    pub(super) async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        let instance = self.of(target)?;
        let client = &instance.client;
        let asked = Asked::new(target, client.customer(), plan, task);
        let id = yba_client::TaskId::from(task.as_str());
        let view = match client.tasks().get(&id).await {
            Ok(seen) => match asked.task_fault(&seen) {
                Some(text) => TaskView::Foreign { text },
                None => instance.view_of(&seen, &id).await?,
            },
            Err(error) if error.is_not_found() => {
                instance.must_lead().await?;
                TaskView::Gone { text: error.api_text().unwrap_or_default().to_owned() }
            }
            Err(error) => return Err(no_answer(&error)),
        };
        if matches!(view, TaskView::Open { .. } | TaskView::Foreign { .. }) {
            return Ok(Observation { task: view, backup: None });
        }
        let backup = asked.backup(instance.rows_of(target, &id).await?);
        Ok(Observation { task: view, backup })
    }

    /// Asks for the task to be aborted. That it was not running any more is an answer too.
    pub(super) async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        let client = &self.of(target)?.client;
        let (id, asked) = (task.as_str().into(), Asked::new(target, client.customer(), None, task));
        match client.tasks().get(&id).await {
            Ok(seen) => {
                if let Some(fault) = asked.task_fault(&seen) {
                    tracing::error!(task_id = %task, fault, "this task is not ours, and is not aborted");
                    return Ok(());
                }
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(no_answer(&error)),
        }
        match client.tasks().abort(&id).await {
            Ok(answer) => tracing::info!(task_id = %task, ?answer, "asked YBA to abort the task"),
            // The task ended, or may not be aborted by this user: looking at it tells the truth.
            Err(error) if error.reach() == Reach::Answered && !error.is_token_refused() => {
                tracing::warn!(task_id = %task, %error, "YBA refused to abort the task; it is followed to its end");
            }
            Err(error) => return Err(no_answer(&error)),
        }
        Ok(())
    }
}

impl YbaInstances {
    /// Whether the target's instance leads: only then a "not there" counts.
    pub(super) async fn leads(&self, target: &BackupTarget) -> Result<(), Unavailable> {
        self.of(target)?.must_lead().await
    }
}

impl Instance {
    async fn create(
        &self,
        backup: &CreateBackup,
        legacy_url: Option<&str>,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, yba_client::Error> {
        if let Some(url) = legacy_url.filter(|url| !self.is_absent(url)) {
            match self.client.backups().create_at(url, backup, request_id).await {
                // Refused by the router, so nothing was started: the real call may follow at once.
                Err(error) if error.status() == Some(404) => self.note_absent(url),
                answer => return answer,
            }
        }
        self.client.backups().create(backup, request_id).await
    }

    /// Where a task of ours stands.
    async fn view_of(&self, seen: &Task, id: &yba_client::TaskId) -> Result<TaskView, Unavailable> {
        Ok(match &seen.status {
            TaskState::Success => TaskView::Succeeded,
            TaskState::Failure => self.failed(id).await?,
            TaskState::Aborted => TaskView::Aborted { cause: self.causes(id).await? },
            open => TaskView::Open { state: open.to_string(), percent: seen.percent },
        })
    }

    /// Why a task failed, by its failed subtasks.
    async fn failed(&self, task: &yba_client::TaskId) -> Result<TaskView, Unavailable> {
        let subtasks = self.failed_subtasks(task).await?;
        let kind = if subtasks.iter().any(FailedSubtask::is_platform_interruption) {
            TaskFailure::Restart
        } else if subtasks.iter().any(FailedSubtask::is_lost_race) {
            TaskFailure::LostRace
        } else {
            TaskFailure::Own
        };
        Ok(TaskView::Failed { cause: cause_of(&subtasks), kind })
    }

    async fn causes(&self, task: &yba_client::TaskId) -> Result<String, Unavailable> {
        Ok(cause_of(&self.failed_subtasks(task).await?))
    }

    /// What failed in a task. It explains a failure and decides none: an answer that cannot be read names no cause.
    async fn failed_subtasks(&self, task: &yba_client::TaskId) -> Result<Vec<FailedSubtask>, Unavailable> {
        match self.client.tasks().failed_subtasks(task).await {
            Ok(subtasks) => Ok(subtasks),
            Err(error) if error.kind() == ErrorKind::Decode => Ok(Vec::new()),
            Err(error) => Err(no_answer(&error)),
        }
    }

    /// The backup rows that YBA shows for a task; a task may end without one.
    async fn rows_of(
        &self,
        target: &BackupTarget,
        task: &yba_client::TaskId,
    ) -> Result<Vec<Result<Backup, UnreadableRow>>, Unavailable> {
        let universe = target.universe.as_str().into();
        self.client.backups().rows_of_task(&universe, task).await.map_err(|error| no_answer(&error))
    }

    /// A "not there" counts only from a YBA that leads: a standby answers from an old copy.
    async fn must_lead(&self) -> Result<(), Unavailable> {
        match self.client.ha_leader().await {
            Ok(leadership) if leadership.is_authoritative() => Ok(()),
            Ok(_) => Err(Unavailable::new(
                UnavailableKind::Standby,
                "the YBA that answers is a standby; its data may be old",
            )),
            Err(error) => Err(no_answer(&error)),
        }
    }

    fn shows_marker(&self) -> bool {
        !self.marker_lost.load(Ordering::Acquire)
    }

    fn note_marker(&self, echoed: bool, name: &InstanceName) {
        if !echoed && !self.marker_lost.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                instance = %name,
                "YBA does not return the X-REQUEST-ID that was sent (an old release, or a proxy rewrites it): a lost answer \
                 can only be looked up by backup rows",
            );
        }
    }

    fn is_absent(&self, url: &str) -> bool {
        self.absent_urls.lock().unwrap_or_else(PoisonError::into_inner).contains(url)
    }

    fn note_absent(&self, url: &str) {
        let first = self.absent_urls.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned());
        if first {
            // The query may hold a token.
            let url = url.split('?').next().unwrap_or_default();
            tracing::warn!(url, "YBA has no such route (404); its real call is used instead from now on");
        }
    }
}

impl fmt::Debug for YbaInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.instances.keys()).finish()
    }
}

impl fmt::Debug for YbaInstancesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.instances.keys()).finish()
    }
}

/// The body of a full backup of a target.
pub(super) fn create_backup(target: &BackupTarget) -> CreateBackup {
    let backup = CreateBackup::full(
        target.universe.as_str(),
        target.storage_config.as_str(),
        TableType::from(target.table_type.as_str()),
    )
    .keyspaces(target.keyspaces.iter().cloned());
    match target.retention {
        Some(retention) => backup.retain(retention, unit_of(retention)),
        // Both fields always go together: real YBA refuses one without the other.
        None => backup.retain(Duration::ZERO, TimeUnit::Days),
    }
}

/// The largest unit that divides the time; YBA shows it and computes in milliseconds.
fn unit_of(time: Duration) -> TimeUnit {
    let millis = time.as_millis();
    let units = [
        (86_400_000, TimeUnit::Days),
        (3_600_000, TimeUnit::Hours),
        (60_000, TimeUnit::Minutes),
        (1000, TimeUnit::Seconds),
    ];
    let unit = units.into_iter().find(|(size, _)| millis.is_multiple_of(*size));
    unit.map_or(TimeUnit::Milliseconds, |(_, unit)| unit)
}

/// What a failed POST means for the attempt.
fn start_error(error: &yba_client::Error) -> Start {
    if let Some(busy) = error.busy() {
        return Start::Busy { text: busy.text };
    }
    match error.reach() {
        _ if error.kind() == ErrorKind::Build => {
            Start::Rejected(Failure::new(ErrorCode::TargetNotConfigured, with_sources(error)))
        }
        Reach::NotSent => Start::NotSent { cause: no_answer(error) },
        Reach::Unknown => Start::Unknown { cause: with_sources(error) },
        // Overload is said before anything is done.
        Reach::Answered if error.status() == Some(429) => Start::NotSent { cause: no_answer(error) },
        Reach::Answered => Start::Rejected(rejection(error)),
    }
}

fn rejection(error: &yba_client::Error) -> Failure {
    let text = error.api_text().unwrap_or_default();
    let status = error.status().unwrap_or_default();
    if error.kind() == ErrorKind::NotYba {
        return Failure::new(ErrorCode::YbaRejected, with_sources(error)).with_advice(
            "correct the address of this YBA, or what stands before it, then run the batch again",
        );
    }
    if error.is_missing_base() {
        return Failure::new(ErrorCode::NoBaseBackup, format!("YBA answered {status}: {text}"))
            .with_advice("take a full backup first");
    }
    if error.is_unauthorized() {
        return unauthorized(&format!("YBA answered {status}: {text}"));
    }
    Failure::new(ErrorCode::YbaRejected, format!("YBA answered {status}: {text}"))
        .with_advice("mend what YBA names, then run the batch again")
}

/// What a failed question means: nothing about the thing that was asked for.
fn no_answer(error: &yba_client::Error) -> Unavailable {
    Unavailable::new(kind_of(error), with_sources(error))
}

fn kind_of(error: &yba_client::Error) -> UnavailableKind {
    if error.kind() == ErrorKind::NotYba && error.reach() != Reach::Unknown {
        // A gateway's 502 to 504 speaks of a YBA that is away; anything else stands in YBA's place.
        UnavailableKind::NotYba
    } else if error.is_unauthorized() {
        UnavailableKind::Unauthorized
    } else if error.is_standby() || error.is_stopping() {
        UnavailableKind::Standby
    } else {
        UnavailableKind::Unreachable
    }
}

/// An error and its causes in one line: what is recorded outlives the error.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The most of the subtasks' texts that is kept, in bytes: each is bounded already, but there may be thousands.
const CAUSE_LIMIT: usize = 16 * 1024;

fn cause_of(subtasks: &[FailedSubtask]) -> String {
    let mut cause = String::new();
    for (at, subtask) in subtasks.iter().enumerate() {
        let Some(text) = &subtask.error_string else { continue };
        let separator = if cause.is_empty() { "" } else { "; " };
        let kind = subtask.sub_task_type.as_str();
        let kind = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
        if cause.len() + separator.len() + kind.len() + text.len() > CAUSE_LIMIT {
            let rest = subtasks.len() - at;
            cause.extend([separator, "(and ", &rest.to_string(), " more subtasks)"]);
            break;
        }
        cause.push_str(separator);
        cause.push_str(&kind);
        cause.push_str(text);
    }
    if cause.is_empty() { "YBA names no cause".to_owned() } else { cause }
}

fn view_state(state: &yba_client::BackupState) -> BackupViewState {
    use yba_client::BackupState as S;
    match state {
        S::Completed => BackupViewState::Completed,
        S::Failed
        | S::Stopped
        | S::Skipped
        | S::Deleted
        | S::FailedToDelete
        | S::QueuedForDeletion
        | S::QueuedForForcedDeletion
        | S::DeleteInProgress => BackupViewState::Over,
        _ => BackupViewState::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_always_sent_with_its_unit() {
        let mut target = crate::testing::fixtures::target();
        target.retention = Some(Duration::from_hours(48));
        let body = serde_json::to_value(create_backup(&target)).unwrap();
        assert_eq!(body["timeBeforeDelete"], 172_800_000);
        assert_eq!(body["expiryTimeUnit"], "DAYS");
        target.retention = None;
        let body = serde_json::to_value(create_backup(&target)).unwrap();
        assert_eq!(body["timeBeforeDelete"], 0);
        assert_eq!(body["expiryTimeUnit"], "DAYS");
    }

    #[test]
    fn the_unit_is_the_largest_that_divides_the_time() {
        assert_eq!(unit_of(Duration::from_hours(36)), TimeUnit::Hours);
        assert_eq!(unit_of(Duration::from_millis(1500)), TimeUnit::Milliseconds);
    }
}
