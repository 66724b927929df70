//! The resources of YBA, one file each: a handle, its calls.

mod backups;
mod customers;
mod pitr;
mod restores;
mod schedules;
mod session;
mod storage_configs;
mod tasks;
mod universes;

pub use backups::Backups;
pub use customers::Customers;
pub use pitr::Pitr;
pub use restores::Restores;
pub use schedules::Schedules;
pub use session::Session;
pub(crate) use session::leadership;
pub use storage_configs::StorageConfigs;
pub use tasks::Tasks;
pub use universes::Universes;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::{Answer, decode},
    error::Failure,
    ids::TaskId,
    types::TaskAccepted,
};

/// Reads the answer to a change that became a task.
fn task_accepted(answer: &Answer) -> Result<TaskAccepted, Failure> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(rename = "taskUUID")]
        task: TaskId,
        #[serde(default, rename = "resourceUUID")]
        resource: Option<String>,
    }
    let body: Value = decode(answer)?;
    let fields = Fields::deserialize(&body).map_err(|error| Failure::decode(answer.status, error))?;
    if fields.task.as_str().is_empty() {
        return Err(Failure::decode(answer.status, "the taskUUID is empty"));
    }
    Ok(TaskAccepted {
        task: fields.task,
        resource: fields.resource,
        request_id_echoed: answer.request_id_echoed,
        body,
    })
}
