//! A look at a task that goes beside the record of it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use futures_util::{
    FutureExt,
    future::{self, BoxFuture, Either},
};

use crate::{
    ids::TaskId,
    record::Plan,
    strategy::{BackupStrategy, Observation, Unavailable},
    target::BackupTarget,
};

type Seen = Result<Observation, Unavailable>;

/// Under way, or over. A bug of the strategy shows only in [`Look::answer`]: what goes beside it is not touched.
pub(crate) struct Look(Mutex<BoxFuture<'static, thread::Result<Seen>>>);

impl Look {
    pub(crate) fn new(
        strategy: Arc<dyn BackupStrategy>,
        target: Arc<BackupTarget>,
        plan: Option<Plan>,
        task: TaskId,
    ) -> Self {
        let look = async move { strategy.observe(&target, plan.as_ref(), &task).await };
        Self(Mutex::new(AssertUnwindSafe(look).catch_unwind().boxed()))
    }

    /// Goes on until something else is done.
    pub(crate) async fn beside<T>(self, other: impl Future<Output = T>) -> (T, Self) {
        let mut look = self.into_future();
        let (done, look) = match future::select(pin!(other), &mut look).await {
            Either::Left((done, _)) => (done, look),
            Either::Right((seen, other)) => (other.await, future::ready(seen).boxed()),
        };
        (done, Self(Mutex::new(look)))
    }

    /// What was seen.
    pub(crate) async fn answer(self) -> Seen {
        self.into_future().await.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn into_future(self) -> BoxFuture<'static, thread::Result<Seen>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use chrono::{DateTime, NaiveDate, Utc};
    use tokio::sync::Notify;

    use super::*;
    use crate::{
        record::{Attempt, Plan},
        strategy::{Found, PlanError, Start, TaskList},
        testing::{ScriptedStrategy, fixtures},
    };

    /// Looks only, and only when it is told to.
    #[derive(Debug, Default)]
    struct Told {
        begun: Notify,
        goes_on: Notify,
        panics: bool,
    }

    #[async_trait]
    impl BackupStrategy for Told {
        fn name(&self) -> &'static str {
            "TOLD"
        }

        async fn plan(&self, _: &BackupTarget, _: NaiveDate) -> Result<Plan, PlanError> {
            unreachable!("it is looked at only")
        }

        async fn start(&self, _: &BackupTarget, _: &Plan, _: &Attempt) -> Start {
            unreachable!("it is looked at only")
        }

        async fn find(&self, _: &BackupTarget, _: &[Attempt]) -> Result<Found, Unavailable> {
            unreachable!("it is looked at only")
        }

        async fn observe(&self, _: &BackupTarget, _: Option<&Plan>, _: &TaskId) -> Seen {
            self.begun.notify_one();
            assert!(!self.panics, "a bug");
            self.goes_on.notified().await;
            ScriptedStrategy::open()
        }

        async fn cancel(&self, _: &BackupTarget, _: &TaskId) -> Result<(), Unavailable> {
            unreachable!("it is looked at only")
        }

        async fn tasks_since(&self, _: &BackupTarget, _: DateTime<Utc>) -> Result<TaskList, Unavailable> {
            unreachable!("it is looked at only")
        }
    }

    fn look(told: &Arc<Told>) -> Look {
        Look::new(Arc::clone(told) as _, Arc::new(fixtures::target()), None, "task".into())
    }

    #[tokio::test]
    async fn neither_waits_for_the_other_to_begin() {
        let told = Arc::new(Told::default());
        let (recorded, look) = look(&told).beside(told.begun.notified()).await;
        assert_eq!(recorded, (), "the look had begun");
        told.goes_on.notify_one();
        assert!(look.answer().await.is_ok());
    }

    #[tokio::test]
    async fn a_look_that_is_faster_is_kept() {
        let told = Arc::new(Told::default());
        told.goes_on.notify_one();
        let recorded = async {
            told.begun.notified().await;
            tokio::task::yield_now().await;
        };
        let ((), look) = look(&told).beside(recorded).await;
        assert!(look.answer().await.is_ok());
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_bug_of_the_look_waits_for_the_record() {
        let told = Arc::new(Told { panics: true, ..Told::default() });
        let recorded = async {
            told.begun.notified().await;
            tokio::task::yield_now().await;
        };
        let ((), look) = look(&told).beside(recorded).await;
        let _ = look.answer().await;
    }
}
