//! Tasks: everything YBA does takes the shape of one.

use futures_util::Stream;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::{YbaClient, decode},
    error::{Error, Failure},
    ids::{TaskId, UniverseId},
    page::{self, Page},
    request::Request,
    types::{AbortAnswer, FailedSubtask, FailedSubtasks, Task, TaskQuery, TaskSummary},
    wait::Wait,
};

/// The tasks of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use yba_client::{CreateBackup, RequestId, TableType, TaskState, simulator::Simulator};
///
/// let yba = Simulator::start().await;
/// let client = yba.client();
/// yba.fail_next_backup(&yba.universe(), "AccessDenied");
/// let backup = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql);
/// let accepted = client.backups().create(&backup, &RequestId::new()).await?;
///
/// let end = client.tasks().wait(&accepted.task).await?;
/// assert_eq!(end.task.status, TaskState::Failure);
/// assert!(end.failures[0].error_string.as_ref().unwrap().contains("AccessDenied"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Tasks<'a>(&'a YbaClient);

impl YbaClient {
    /// The tasks of the customer.
    pub fn tasks(&self) -> Tasks<'_> {
        Tasks(self)
    }
}

impl Tasks<'_> {
    /// Where a task stands.
    ///
    /// A task that this YBA does not know, or has forgotten (120 days by default), is an error for
    /// which [`Error::is_not_found`] holds.
    pub async fn get(&self, task: &TaskId) -> Result<Task, Error> {
        let template = "/api/v1/customers/{customer}/tasks/{task}";
        let request = Request::get("tasks.get", template).with("task", task.as_str());
        self.0
            .call(self.0.scoped(request), |answer| {
                let raw: Value = decode(&answer)?;
                let task = Task::deserialize(&raw).map_err(|e| Failure::decode(answer.status, e))?;
                Ok(Task { raw, ..task })
            })
            .await
    }

    /// Follows a task to its end, with [`WaitPolicy`](crate::WaitPolicy)'s defaults.
    pub fn wait(&self, task: &TaskId) -> Wait {
        Wait::new(self.0.clone(), task.clone())
    }

    /// What failed in a failed task, with YBA's explanations, latest first.
    pub async fn failed_subtasks(&self, task: &TaskId) -> Result<Vec<FailedSubtask>, Error> {
        let template = "/api/v1/customers/{customer}/tasks/{task}/failed_subtasks";
        let request = Request::get("tasks.failed_subtasks", template).with("task", task.as_str());
        let failed: FailedSubtasks = self.0.fetch(self.0.scoped(request)).await?;
        Ok(failed.failed_sub_tasks)
    }

    /// The newest tasks, of one universe or of all, newest first. YBA cuts the list at 2000.
    pub async fn list(&self, universe: Option<&UniverseId>) -> Result<Vec<TaskSummary>, Error> {
        let mut request = Request::get("tasks.list", "/api/v1/customers/{customer}/tasks_list");
        if let Some(universe) = universe {
            request = request.query("uUUID", universe.as_str());
        }
        self.0.fetch(self.0.scoped(request)).await
    }

    /// Asks for a task to be aborted. It runs on until it reads `Aborted`.
    pub async fn abort(&self, task: &TaskId) -> Result<AbortAnswer, Error> {
        #[derive(Deserialize)]
        struct Message {
            #[serde(default)]
            message: Option<String>,
        }
        let template = "/api/v1/customers/{customer}/tasks/{task}/abort";
        let request = Request::post("tasks.abort", template).with("task", task.as_str());
        let answer: Message = self.0.fetch(self.0.scoped(request)).await?;
        Ok(AbortAnswer::of(answer.message.as_deref().unwrap_or_default()))
    }

    /// One page of the tasks; servers since 2.23 only. [`list`](Self::list) works everywhere.
    pub async fn page(&self, query: &TaskQuery) -> Result<Page<TaskSummary>, Error> {
        let request = Request::post("tasks.page", "/api/v1/customers/{customer}/tasks_list/page")
            .safe()
            .checked(query.validate())
            .json(query);
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The tasks, page after page.
    pub fn stream(&self, query: TaskQuery) -> impl Stream<Item = Result<TaskSummary, Error>> + Send + use<> {
        let client = self.0.clone();
        page::stream(
            query,
            |row: &TaskSummary| row.id.clone(),
            move |query| {
                let client = client.clone();
                async move { client.tasks().page(&query).await }
            },
        )
    }
}
