//! What a batch under way waits for while YBA gives no answer about it: on its record, and in the log once.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    held::{Held, Next},
    path::Path,
    reasons::no_word,
    record::BackupRecord,
    state::Phase,
    strategy::{Unavailable, UnavailableKind},
};

/// Since when YBA gives no answer, and for which reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    kind: UnavailableKind,
    since: DateTime<Utc>,
    is_on_record: bool,
}

impl Path {
    /// Asks YBA something that changes nothing. Neither the deadline nor a stop waits for an answer that drips.
    pub(crate) async fn ask<T>(
        &self,
        deadline_at: DateTime<Utc>,
        question: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        let left = (deadline_at - self.clock.now()).to_std().unwrap_or_default();
        // A batch that is taken up after its deadline is looked at once all the same.
        let left = left.max(self.settings.retry_first);
        tokio::select! {
            biased;
            answer = question => answer,
            () = self.stop.cancelled() => Err(Unavailable::unreachable("the process is stopping")),
            () = self.clock.sleep(left) => Err(Unavailable::unreachable("YBA had not answered by the deadline")),
        }
    }

    /// YBA gave no answer about `what`; it is asked again after `interval`.
    ///
    /// Something definite (a refused token, something that is not YBA) goes on record at once, an outage when it lasts: it
    /// would be two writes for every batch each time that YBA hesitates.
    pub(crate) async fn unanswered(
        &self,
        held: &mut Held,
        cause: &Unavailable,
        what: &str,
        interval: Duration,
    ) -> Next {
        if self.stop.is_cancelled() {
            return Next::After(interval);
        }
        let now = self.clock.now();
        let silence = match held.silence {
            Some(silence) if silence.kind == cause.kind => silence,
            _ => {
                log_once(cause, what);
                Silence { kind: cause.kind, since: now, is_on_record: false }
            }
        };
        held.silence = Some(Silence { is_on_record: true, ..silence });
        let is_definite = matches!(cause.kind, UnavailableKind::Unauthorized | UnavailableKind::NotYba);
        let lasted = (now - silence.since).to_std().unwrap_or_default();
        let is_open = matches!(held.record.phase, Phase::Submitting | Phase::Running);
        if silence.is_on_record || !is_open {
            return Next::After(interval);
        }
        if !is_definite && lasted < self.settings.settle_time {
            held.silence = Some(silence);
            return Next::After(interval);
        }
        let why = no_word(cause, what, silence.since);
        // Another holder has said so before: since then.
        if held.record.note.as_ref().is_some_and(|note| note.code == why.code) {
            return Next::After(interval);
        }
        self.remark(held, interval, |record, _| record.remark(Some(why))).await
    }

    /// YBA answers about a batch under way: what it waited for is over.
    pub(crate) async fn answered(&self, held: &mut Held, interval: Duration) -> Next {
        if held.silence.take().is_some() {
            tracing::info!("YBA answers again");
        }
        if held.record.phase != Phase::Running || held.record.note.is_none() {
            return Next::After(interval);
        }
        self.remark(held, interval, |record, _| record.remark(None)).await
    }

    /// Records what a batch waits for, without a step on its path.
    pub(crate) async fn remark(
        &self,
        held: &mut Held,
        interval: Duration,
        remark: impl FnOnce(&mut BackupRecord, DateTime<Utc>) -> Result<(), crate::record::IllegalTransition>,
    ) -> Next {
        let tries = held.tries;
        match self.change(held, Duration::ZERO, remark).await {
            Next::Now => {
                held.tries = tries;
                Next::After(interval)
            }
            other => other,
        }
    }
}

/// Each further look that fails for the same reason says nothing new.
fn log_once(cause: &Unavailable, what: &str) {
    if cause.is_unauthorized() {
        tracing::error!(%cause, what, "YBA refuses to be asked; the backup goes on, and it is looked at again");
    } else {
        tracing::warn!(%cause, kind = %cause.kind, what, "YBA cannot be asked; looking again");
    }
}
