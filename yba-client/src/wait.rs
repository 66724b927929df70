//! Following a task to its true end.
//!
//! YBA sends no word when a task ends, so it is asked, ever less often. Two things make this more than a
//! loop: a YBA that stops marks its tasks `Aborted` (or, after a crash, `Failure`) and runs the same
//! tasks again when it is back, so these words are not believed at once; and a YBA that cannot be
//! reached for a while says nothing about the task.

use std::{future::IntoFuture, pin::Pin, time::Duration};

use futures_util::{Stream, TryStreamExt, stream};
use tokio::time::Instant;

use crate::{
    client::YbaClient,
    error::Error,
    ids::TaskId,
    types::{FailedSubtask, Task, TaskState},
};

/// How a task is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitPolicy {
    /// The pause before the second question.
    pub first_interval: Duration,
    /// The longest pause. Pauses grow by half, and each is drawn between half and all of its length.
    pub longest_interval: Duration,
    /// How long a bad end that may be taken back has to stand before it is believed.
    pub settling_time: Duration,
    /// How long questions may go unanswered.
    pub patience: Duration,
    /// How long the task may take altogether, counted from the first question.
    pub deadline: Option<Duration>,
    /// An abort was asked for, so `Aborted` is believed at once.
    pub abort_expected: bool,
}

impl Default for WaitPolicy {
    fn default() -> Self {
        Self {
            first_interval: Duration::from_secs(1),
            longest_interval: Duration::from_secs(15),
            settling_time: Duration::from_mins(1),
            patience: Duration::from_mins(10),
            deadline: None,
            abort_expected: false,
        }
    }
}

/// What was learned about a task.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskChange {
    /// It moved on: another state or another percentage.
    Progress(Task),
    /// It reads as ended badly, but YBA may run it again; it is watched until that can be ruled out.
    Settling(Task),
    /// A question went unanswered; it will be asked again.
    Unanswered(Error),
    /// It has ended. Nothing follows.
    Ended(TaskEnd),
}

/// The end of a task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskEnd {
    /// The task as it was told last.
    pub task: Task,
    /// What failed in it, with YBA's explanations.
    pub failures: Vec<FailedSubtask>,
}

impl TaskEnd {
    /// The task ended well. For a backup, check its row too: both must agree.
    pub fn is_success(&self) -> bool {
        self.task.status == TaskState::Success
    }
}

/// Why the end of a task is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The task did not end in the time it was given. It goes on.
    #[error("task {task} has not ended by the deadline; it goes on")]
    Deadline {
        /// The task.
        task: TaskId,
        /// What was learned last.
        last: Option<Box<Task>>,
    },
    /// YBA does not know the task (any more): it was collected, or lost in a failover.
    #[error("YBA does not know task {task}; its outcome can only be read from what it made")]
    Lost {
        /// The task.
        task: TaskId,
        /// YBA's answer.
        #[source]
        source: Error,
    },
    /// Questions went unanswered for too long, or were refused.
    #[error("task {task} cannot be followed")]
    Unanswered {
        /// The task.
        task: TaskId,
        /// The last failure.
        #[source]
        source: Error,
    },
}

/// A task about to be followed: await it for the end, or read its [`changes`](Self::changes).
///
/// Dropping it stops the questions; the task goes on.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct Wait {
    client: YbaClient,
    task: TaskId,
    policy: WaitPolicy,
}

impl Wait {
    pub(crate) fn new(client: YbaClient, task: TaskId) -> Self {
        Self { client, task, policy: WaitPolicy::default() }
    }

    /// Follows it like this.
    pub fn policy(mut self, policy: WaitPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Gives up after this long.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = Some(deadline);
        self
    }

    /// What happens to the task, as it is learned; the last item is [`TaskChange::Ended`] or an error.
    pub fn changes(self) -> impl Stream<Item = Result<TaskChange, WaitError>> + Send {
        let watch = Watch::new(self.policy.clone());
        let state = Some((self, watch, Instant::now()));
        stream::try_unfold(state, |state| async move {
            let Some((wait, mut watch, started)) = state else { return Ok(None) };
            loop {
                if let Some(pause) = watch.pause(started.elapsed(), rand::random()) {
                    tokio::time::sleep(pause).await;
                }
                let seen = wait.ask().await;
                match watch.learn(seen, started.elapsed()) {
                    Step::Nothing => {}
                    Step::Tell(change) => {
                        let over = matches!(*change, TaskChange::Ended(_));
                        return Ok(Some((*change, (!over).then_some((wait, watch, started)))));
                    }
                    Step::Fail(verdict) => return Err(verdict.of(&wait.task)),
                }
            }
        })
    }

    async fn ask(&self) -> Result<Seen, Error> {
        let task = self.client.tasks().get(&self.task).await?;
        let failures = if task.status.is_error() {
            self.client.tasks().failed_subtasks(&self.task).await?
        } else {
            Vec::new()
        };
        Ok(Seen { task, failures })
    }
}

impl IntoFuture for Wait {
    type Output = Result<TaskEnd, WaitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let task = self.task.clone();
            let mut changes = std::pin::pin!(self.changes());
            let mut last = None;
            while let Some(change) = changes.try_next().await? {
                match change {
                    TaskChange::Ended(end) => return Ok(end),
                    TaskChange::Progress(task) | TaskChange::Settling(task) => last = Some(task),
                    TaskChange::Unanswered(_) => {}
                }
            }
            // The stream ends with `Ended` or an error; this keeps the promise if it ever does not.
            Err(WaitError::Deadline { task, last: last.map(Box::new) })
        })
    }
}

/// One answer about the task.
#[derive(Clone, Debug)]
struct Seen {
    task: Task,
    failures: Vec<FailedSubtask>,
}

/// What to make of an answer.
#[derive(Debug)]
enum Step {
    Nothing,
    Tell(Box<TaskChange>),
    Fail(Verdict),
}

impl Step {
    fn tell(change: TaskChange) -> Self {
        Self::Tell(Box::new(change))
    }
}

#[derive(Debug)]
enum Verdict {
    Deadline(Option<Box<Task>>),
    Lost(Error),
    Unanswered(Error),
}

impl Verdict {
    fn of(self, task: &TaskId) -> WaitError {
        let task = task.clone();
        match self {
            Self::Deadline(last) => WaitError::Deadline { task, last },
            Self::Lost(source) => WaitError::Lost { task, source },
            Self::Unanswered(source) => WaitError::Unanswered { task, source },
        }
    }
}

/// The rules, without clock or network.
#[derive(Debug)]
struct Watch {
    policy: WaitPolicy,
    questions: u32,
    told: Option<Task>,
    bad_since: Option<Duration>,
    silent_since: Option<Duration>,
}

impl Watch {
    fn new(policy: WaitPolicy) -> Self {
        Self { policy, questions: 0, told: None, bad_since: None, silent_since: None }
    }

    /// How long to wait before the next question; the first is asked at once.
    fn pause(&mut self, now: Duration, jitter: f64) -> Option<Duration> {
        self.questions = self.questions.saturating_add(1);
        if self.questions == 1 {
            return None;
        }
        let growth = 1.5_f64.powi(i32::try_from(self.questions - 2).unwrap_or(i32::MAX).min(30));
        let longest = self.policy.longest_interval;
        let whole = Duration::try_from_secs_f64(self.policy.first_interval.as_secs_f64() * growth)
            .map_or(longest, |whole| whole.min(longest));
        let pause = whole / 2 + (whole / 2).mul_f64(jitter.clamp(0.0, 1.0));
        // Neither the deadline nor the end of the settling time is slept over.
        let settled = self.bad_since.map(|since| since + self.policy.settling_time);
        let next = [self.policy.deadline, settled].into_iter().flatten().min();
        Some(next.map_or(pause, |at| pause.min(at.saturating_sub(now))))
    }

    fn learn(&mut self, seen: Result<Seen, Error>, now: Duration) -> Step {
        let step = match seen {
            Ok(seen) => self.answered(seen, now),
            Err(error) => self.unanswered(error, now),
        };
        let late = self.policy.deadline.is_some_and(|deadline| now >= deadline);
        match step {
            Step::Tell(change) if matches!(*change, TaskChange::Ended(_)) => Step::Tell(change),
            Step::Fail(_) => step,
            _ if late => Step::Fail(Verdict::Deadline(self.told.take().map(Box::new))),
            step => step,
        }
    }

    fn answered(&mut self, seen: Seen, now: Duration) -> Step {
        self.silent_since = None;
        let Seen { task, failures } = seen;
        if !task.status.is_complete() {
            self.bad_since = None;
            return self.tell(task, TaskChange::Progress);
        }
        if self.is_final(&task, &failures) {
            return Step::tell(TaskChange::Ended(TaskEnd { task, failures }));
        }
        let since = *self.bad_since.get_or_insert(now);
        if now.saturating_sub(since) >= self.policy.settling_time {
            return Step::tell(TaskChange::Ended(TaskEnd { task, failures }));
        }
        self.tell(task, TaskChange::Settling)
    }

    /// Whether a completed state can be believed at once.
    fn is_final(&self, task: &Task, failures: &[FailedSubtask]) -> bool {
        match task.status {
            TaskState::Success => true,
            TaskState::Aborted => self.policy.abort_expected,
            // A failure whose cause is told, and is not YBA itself, will not be taken back.
            _ => {
                !failures.is_empty()
                    && failures
                        .iter()
                        .all(|failure| failure.error_string.is_some() && !failure.is_platform_interruption())
            }
        }
    }

    fn tell(&mut self, task: Task, change: fn(Task) -> TaskChange) -> Step {
        let known = self.told.as_ref().is_some_and(|told| {
            told.status == task.status && (told.percent - task.percent).abs() < f64::EPSILON
        });
        if known {
            return Step::Nothing;
        }
        // Something moves, so the questions come quicker again.
        self.questions = self.questions.min(4);
        self.told = Some(task.clone());
        Step::tell(change(task))
    }

    fn unanswered(&mut self, error: Error, now: Duration) -> Step {
        if error.is_not_found() {
            return Step::Fail(Verdict::Lost(error));
        }
        let since = *self.silent_since.get_or_insert(now);
        let refused = error.is_unauthorized() || error.kind() == crate::ErrorKind::Build;
        if refused || now.saturating_sub(since) >= self.policy.patience {
            return Step::Fail(Verdict::Unanswered(error));
        }
        Step::tell(TaskChange::Unanswered(error))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn seen(status: &str, percent: f64, failures: &[(&str, &str)]) -> Seen {
        let task = Task::deserialize(json!({"status": status, "percent": percent})).unwrap();
        let failures = failures
            .iter()
            .map(|(text, code)| {
                FailedSubtask::deserialize(json!({"errorString": text, "errorCode": code})).unwrap()
            })
            .collect();
        Seen { task, failures }
    }

    fn learn(watch: &mut Watch, at: u64, seen: Seen) -> String {
        match watch.learn(Ok(seen), S(at)) {
            Step::Nothing => "nothing".to_owned(),
            Step::Tell(change) => match *change {
                TaskChange::Progress(task) => format!("progress {}", task.status),
                TaskChange::Settling(task) => format!("settling {}", task.status),
                TaskChange::Ended(end) => format!("ended {}", end.task.status),
                TaskChange::Unanswered(_) => "unanswered".to_owned(),
            },
            Step::Fail(verdict) => format!("{:?}", verdict.of(&"t".into())),
        }
    }

    #[test]
    fn progress_is_told_once_and_success_ends() {
        let mut watch = Watch::new(WaitPolicy::default());
        assert_eq!(learn(&mut watch, 0, seen("Created", 0.0, &[])), "progress Created");
        assert_eq!(learn(&mut watch, 1, seen("Running", 0.0, &[])), "progress Running");
        assert_eq!(learn(&mut watch, 2, seen("Running", 0.0, &[])), "nothing");
        assert_eq!(learn(&mut watch, 3, seen("Running", 50.0, &[])), "progress Running");
        assert_eq!(learn(&mut watch, 4, seen("Success", 100.0, &[])), "ended Success");
    }

    #[test]
    fn a_failure_with_a_cause_is_final_at_once() {
        let mut watch = Watch::new(WaitPolicy::default());
        let failed = seen("Failure", 10.0, &[("AccessDenied", "UNKNOWN_ERROR")]);
        assert_eq!(learn(&mut watch, 0, failed), "ended Failure");
    }

    #[test]
    fn a_failure_by_a_restart_of_yba_may_come_back() {
        let mut watch = Watch::new(WaitPolicy::default());
        let restarted = || seen("Failure", 10.0, &[("Platform restarted.", "PLATFORM_RESTARTED")]);
        assert_eq!(learn(&mut watch, 0, restarted()), "settling Failure");
        assert_eq!(learn(&mut watch, 20, restarted()), "nothing");
        assert_eq!(learn(&mut watch, 40, seen("Running", 0.0, &[])), "progress Running");
        assert_eq!(learn(&mut watch, 50, restarted()), "settling Failure");
        assert_eq!(learn(&mut watch, 109, restarted()), "nothing");
        assert_eq!(learn(&mut watch, 110, restarted()), "ended Failure", "60 s after the second time");
    }

    #[test]
    fn an_abort_nobody_asked_for_has_to_settle_and_an_expected_one_does_not() {
        let mut watch = Watch::new(WaitPolicy::default());
        assert_eq!(learn(&mut watch, 0, seen("Aborted", 10.0, &[])), "settling Aborted");
        let mut watch = Watch::new(WaitPolicy { abort_expected: true, ..WaitPolicy::default() });
        assert_eq!(learn(&mut watch, 0, seen("Aborted", 10.0, &[])), "ended Aborted");
    }

    #[test]
    fn a_state_this_crate_does_not_know_is_watched_on() {
        let mut watch = Watch::new(WaitPolicy::default());
        assert_eq!(learn(&mut watch, 0, seen("Hibernating", 0.0, &[])), "progress Hibernating");
        assert_eq!(learn(&mut watch, 1, seen("Unknown", 0.0, &[])), "progress Unknown");
    }

    #[test]
    fn the_deadline_ends_the_watch_but_not_a_result_that_came_with_it() {
        let policy = WaitPolicy { deadline: Some(S(10)), ..WaitPolicy::default() };
        let mut watch = Watch::new(policy.clone());
        assert!(learn(&mut watch, 10, seen("Running", 0.0, &[])).contains("Deadline"));
        let mut watch = Watch::new(policy);
        assert_eq!(learn(&mut watch, 10, seen("Success", 100.0, &[])), "ended Success");
    }

    #[test]
    fn pauses_grow_to_the_longest_and_sleep_over_nothing() {
        let mut watch = Watch::new(WaitPolicy { deadline: Some(S(100)), ..WaitPolicy::default() });
        assert_eq!(watch.pause(S(0), 1.0), None);
        let pauses: Vec<Duration> = (0..9).filter_map(|_| watch.pause(S(1), 1.0)).collect();
        assert_eq!(pauses[0], S(1));
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(pauses[8], S(15));
        assert_eq!(watch.pause(S(1), 0.0), Some(S(15) / 2));
        assert_eq!(watch.pause(S(97), 1.0), Some(S(3)));
    }
}
