//! Forgets finished work that is older than anybody wants to look at: slowly, in small portions, beside everything else.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::{pace, path::Path, store::StoreError};

/// A process that just started has better things to do.
const FIRST: Duration = Duration::from_mins(2);
const INTERVAL: Duration = Duration::from_hours(1);
/// Batches of one call to the store.
const PORTION: u32 = 1000;
/// Between two calls, so that the store is free for the steps of backups.
const PAUSE: Duration = Duration::from_millis(500);

/// Deletes what ended longer ago than `keep`: a while after the start, then every hour. Ends with `stop`.
pub(crate) async fn forget_finished_work(path: Arc<Path>, keep: Duration, stop: CancellationToken) {
    let mut pause = FIRST;
    // Replicas that start together delete one after the other.
    while stop.run_until_cancelled(path.clock.sleep(pace::poll_interval(0, pause, pause))).await.is_some() {
        // Longer ago than time itself: nothing is that old.
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
        let Some(before) = path.clock.now().checked_sub_signed(keep) else { return };
        match stop.run_until_cancelled(delete(&path, before)).await {
            Some(Ok(0)) => {}
            Some(Ok(deleted)) => tracing::info!(deleted, %before, "deleted the records of finished batches"),
            Some(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "old records could not be deleted; trying again in an hour"
            ),
            None => return,
        }
        pause = INTERVAL;
    }
}

/// Deletes portion by portion, until there is less than a portion.
async fn delete(path: &Path, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let portion = path.store.prune(before, PORTION).await?;
        deleted += portion;
        if portion < u64::from(PORTION) {
            return Ok(deleted);
        }
        path.clock.sleep(PAUSE).await;
    }
}
