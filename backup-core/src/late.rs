//! What a holder does whose lease is lost: the task that it may have started after that is one too many.
//!
//! Nothing depends on it: the batch is in doubt and will be audited. It only aborts sooner what an audit would find.

use crate::{
    held::{Held, Next},
    ids::TaskId,
    path::Path,
    state::{Phase, TrackerStatus},
    strategy::ListedState,
    surplus::Lookup,
};

impl Path {
    /// Another replica has the batch. What this one sent may have been accepted after that: a process that was stopped and
    /// continued right then.
    pub(crate) async fn lose(&self, held: &mut Held) -> Next {
        let accepted = held.unsaved.take().is_some_and(|unsaved| unsaved.0.phase == Phase::Submitting)
            && held.record.phase == Phase::Running;
        let was_sent = accepted || (held.record.phase == Phase::Submitting && !held.unsent);
        if was_sent {
            self.record_doubt(held).await;
        }
        let task = match held.record.phase {
            Phase::Running if accepted => held.record.task.clone(),
            Phase::Submitting if !held.unsent => self.find_late(held).await,
            _ => None,
        };
        if let Some(task) = task {
            self.abort_late(held, &task).await;
        }
        Next::Lost
    }

    /// Puts the batch under audit: this process may have slept through the one that was.
    async fn record_doubt(&self, held: &Held) {
        if let Err(error) = self.store.doubt(&held.record.batch, self.settings.audit_for).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "an attempt was sent after its lease was lost, and that could not be recorded"
            );
        }
    }

    /// The task of an attempt whose answer was lost together with the lease.
    async fn find_late(&self, held: &Held) -> Option<TaskId> {
        let (target, attempt) = (held.target.as_ref()?, held.record.attempt()?);
        let strategy = self.strategies.get(held.record.strategy()?)?;
        match strategy.find(target, std::slice::from_ref(attempt)).await.map(Lookup::from) {
            Ok(Lookup::Tasks(choice)) if choice.kept.state != ListedState::Over => Some(choice.kept.task),
            Ok(_) => None,
            Err(cause) => {
                tracing::error!(
                    %cause,
                    attempt = %attempt.id,
                    "this attempt may have started a task that is one too many; look for it in YBA"
                );
                None
            }
        }
    }

    /// If the batch succeeded with another task, ours is one too many: a success stays as it is. An open batch may still find this
    /// one, and a failed one may be run again and follow it by the time YBA aborts it: there the audit decides, under its claim.
    async fn abort_late(&self, held: &Held, task: &TaskId) {
        let Some(target) = &held.target else { return };
        let theirs = match self.store.find(&held.record.batch).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, task_id = %task, "this task may be one too many; look at it in YBA");
                return;
            }
        };
        if theirs.status() != TrackerStatus::Success || theirs.task.as_ref() == Some(task) {
            return;
        }
        tracing::error!(task_id = %task, "another replica's task counts; aborting this one, which is one too many");
        let name = held.record.strategy().unwrap_or(&target.strategy);
        if let Some(strategy) = self.strategies.get(name)
            && let Err(cause) = strategy.cancel(target, task).await
        {
            tracing::error!(%cause, task_id = %task, "the task that is one too many could not be aborted; abort it in YBA");
        }
    }
}
