//! Deletes the backup of a surplus, and only that: never with increments on it, and never believed before YBA shows it.

use yba_client::BackupState;

use super::{YbaInstances, no_answer};
use crate::{
    ids::BackupId,
    strategy::{Discard, Unavailable},
    target::BackupTarget,
};

impl YbaInstances {
    /// Asks for the deletion of a completed full backup that nothing builds on.
    pub(in crate::strategy) async fn discard(
        &self,
        target: &BackupTarget,
        backup: &BackupId,
    ) -> Result<Discard, Unavailable> {
        let instance = self.of(target)?;
        let backups = instance.client.backups();
        let id = yba_client::BackupId::from(backup.as_str());
        let row = match backups.get(&id).await {
            Ok(row) => row,
            Err(error) if error.is_not_found() => {
                instance.must_lead().await?;
                return Ok(Discard::Gone);
            }
            Err(error) => return Err(no_answer(&error)),
        };
        match &row.state {
            BackupState::Completed => {}
            BackupState::Deleted
            | BackupState::DeleteInProgress
            | BackupState::QueuedForDeletion
            | BackupState::QueuedForForcedDeletion => return Ok(Discard::Gone),
            state => return Ok(Discard::Refused(format!("YBA shows it as {state}"))),
        }
        if row.is_increment() {
            return Ok(Discard::Refused("it is an increment, and YBA deletes no increment alone".to_owned()));
        }
        let chain = backups.increments(&id).await.map_err(|error| no_answer(&error))?;
        if chain.iter().any(|member| member.backup_uuid != id) {
            return Ok(Discard::Refused("increments build on it".to_owned()));
        }
        let answer =
            backups.delete(std::slice::from_ref(&id), false).await.map_err(|error| no_answer(&error))?;
        // YBA's 200 leaves out what it will not delete.
        if answer.left_out.is_empty() {
            Ok(Discard::Asked)
        } else {
            Ok(Discard::Refused("YBA left it out of the deletion without a reason".to_owned()))
        }
    }
}
