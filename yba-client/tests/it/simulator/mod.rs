//! The simulator, seen through the client.

mod description;
mod faults;
mod leader;
mod lifecycle;
mod limits;
mod resources;
mod wait;

use std::time::Duration;

use yba_client::{
    Backup, CreateBackup, Error, RequestId, TableType, TaskAccepted, TimeUnit, YbaClient,
    simulator::Simulator,
};

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// A simulator whose tasks take a minute of a clock that only the test moves.
pub(crate) async fn still() -> Simulator {
    Simulator::builder().manual_clock().task_duration(MINUTE).start().await
}

pub(crate) fn full(yba: &Simulator) -> CreateBackup {
    CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql)
}

pub(crate) async fn start(client: &YbaClient, backup: &CreateBackup) -> Result<TaskAccepted, Error> {
    client.backups().create(backup, &RequestId::new()).await
}

/// Starts a full backup and lets it complete.
pub(crate) async fn completed(yba: &Simulator) -> Backup {
    let backup = full(yba).retain(Duration::from_hours(24), TimeUnit::Days);
    completed_as(yba, &backup).await
}

pub(crate) async fn completed_as(yba: &Simulator, backup: &CreateBackup) -> Backup {
    let client = yba.client();
    let accepted = start(&client, backup).await.expect("YBA takes the backup");
    yba.advance(MINUTE);
    client.backups().of_task(&yba.universe(), &accepted.task).await.expect("YBA knows the task").remove(0)
}
