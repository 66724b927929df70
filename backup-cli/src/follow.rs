//! Follows one batch, wherever it runs: here, at the service, or nowhere yet.
//!
//! A batch that waits is nobody's: it is taken up when it is due, unless somebody else does so first.

use std::time::Duration;

use anyhow::Result;
use backup_core::{BackupRecord, BatchId, Error as CoreError, Orchestrator, Phase, Progress};
use chrono_tz::Tz;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::live::Live;
use crate::obstacle::Obstacle;
use crate::printer::Printer;
use crate::signal::{Signal, Signals};

/// How often a batch that is not followed here is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// At every so many looks it is looked for what stands in the way.
const LOOKS: u32 = 3;

/// Why following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The batch is where it was to be followed to.
    There,
    /// It took too long.
    TimedOut,
    /// Somebody stopped the program.
    Signalled(Signal),
}

/// Follows a batch.
pub(crate) struct Follow<'a> {
    pub(crate) orchestrator: &'a Orchestrator,
    pub(crate) printer: &'a Printer,
    pub(crate) signals: &'a Signals,
    /// Of the times on the screen.
    pub(crate) zone: Tz,
    /// No longer than until then.
    pub(crate) until: Option<Instant>,
}

impl Follow<'_> {
    /// Follows the batch until `is_there`, and shows it. The record is the last that was seen.
    pub(crate) async fn to(
        &self,
        record: BackupRecord,
        is_there: impl Fn(&BackupRecord) -> bool,
        live: &mut Live,
    ) -> Result<(BackupRecord, Stop)> {
        let mut steps = Steps::new(self, record.batch.clone());
        let mut seen = Progress { record: record.into(), percent: None };
        loop {
            live.show(&seen.record, seen.percent);
            if is_there(&seen.record) {
                return Ok((BackupRecord::clone(&seen.record), Stop::There));
            }
            let stop = tokio::select! {
                biased;
                signal = self.signals.first() => Stop::Signalled(signal),
                () = until(self.until) => Stop::TimedOut,
                step = steps.next() => {
                    seen = step?;
                    continue;
                }
            };
            live.leave();
            return Ok((BackupRecord::clone(&seen.record), stop));
        }
    }
}

/// Waits until then; without an instant, for ever.
pub(crate) async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The steps of a batch, as they are seen.
struct Steps<'a> {
    follow: &'a Follow<'a>,
    batch: BatchId,
    here: Option<watch::Receiver<Progress>>,
    /// The next look comes at once.
    hurry: bool,
    /// Whether trouble with the database was told.
    in_trouble: bool,
    /// Looks until what may stand in its way is looked for.
    patience: u32,
    obstacle: Option<Obstacle>,
}

impl<'a> Steps<'a> {
    fn new(follow: &'a Follow<'a>, batch: BatchId) -> Self {
        let here = follow.orchestrator.watch(&batch);
        Self { follow, batch, here, hurry: true, in_trouble: false, patience: 0, obstacle: None }
    }

    /// The next thing to show.
    async fn next(&mut self) -> Result<Progress> {
        // What happened before somebody watched is in the store alone.
        if !std::mem::take(&mut self.hurry) {
            match &mut self.here {
                Some(here) => {
                    if here.changed().await.is_ok() {
                        return Ok(here.borrow_and_update().clone());
                    }
                    // Not followed here any more: over, waiting, or somebody else's.
                    let last = here.borrow().clone();
                    self.here = None;
                    self.hurry = true;
                    return Ok(last);
                }
                None => sleep(LOOK).await,
            }
        }
        Ok(Progress { record: self.look().await?.into(), percent: None })
    }

    async fn look(&mut self) -> Result<BackupRecord> {
        loop {
            match self.try_look().await {
                Ok(record) => {
                    self.in_trouble = false;
                    return Ok(record);
                }
                Err(CoreError::Store(cause)) if cause.is_transient() => {
                    if !std::mem::replace(&mut self.in_trouble, true) {
                        self.follow.printer.warn(format_args!("{cause}; trying again"), true);
                    }
                    sleep(LOOK).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn try_look(&mut self) -> Result<BackupRecord, CoreError> {
        let orchestrator = self.follow.orchestrator;
        if self.here.is_none() && orchestrator.take_up(&self.batch).await? {
            self.here = orchestrator.watch(&self.batch);
        }
        let record = orchestrator.find(&self.batch).await?;
        if record.phase == Phase::Waiting {
            self.clear_the_way(&record).await?;
        }
        Ok(record)
    }

    /// Follows what stands in the way of the batch, if nobody else does.
    async fn clear_the_way(&mut self, waiting: &BackupRecord) -> Result<(), CoreError> {
        let Follow { orchestrator, printer, zone, .. } = self.follow;
        if let Some(obstacle) = &mut self.obstacle {
            if !obstacle.look(orchestrator).await? {
                self.obstacle = None;
            }
        } else if self.patience == 0 {
            self.patience = LOOKS;
            let live = || Live::new(printer, *zone);
            self.obstacle = Obstacle::take_up(waiting, orchestrator, live, printer).await?;
        } else {
            self.patience -= 1;
        }
        Ok(())
    }
}
