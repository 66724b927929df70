//! Backups: start, list, look up.

use futures_util::Stream;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::task_accepted;
use crate::{
    client::{Answer, YbaClient, decode},
    error::{Error, Failure},
    ids::{BackupId, RequestId, TaskId, UniverseId},
    page::{self, Page},
    request::Request,
    types::{
        Backup, BackupQuery, BackupResp, CommonBackupInfo, CreateBackup, Deletion, EditBackup,
        KeyspaceSelection, LastBackup, TaskAccepted, UnreadableRow,
    },
};

/// The backups of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use futures_util::TryStreamExt;
/// use yba_client::{BackupQuery, CreateBackup, RequestId, TableType, TimeUnit, simulator::Simulator};
///
/// let yba = Simulator::builder().manual_clock().start().await;
/// let client = yba.client();
/// let backup = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql)
///     .retain(Duration::from_secs(30 * 86_400), TimeUnit::Days);
/// let full = client.backups().create(&backup, &RequestId::new()).await?;
/// yba.advance(Duration::from_secs(60));
/// let full = client.backups().of_task(&yba.universe(), &full.task).await?.remove(0);
///
/// client.backups().create(&backup.base(&full.backup_uuid), &RequestId::new()).await?;
/// yba.advance(Duration::from_secs(60));
/// assert_eq!(client.backups().increments(&full.backup_uuid).await?.len(), 2);
///
/// let query = BackupQuery::new().universe(yba.universe());
/// let chains: Vec<_> = client.backups().stream(query).try_collect().await?;
/// assert!(chains[0].has_incremental_backups);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Backups<'a>(&'a YbaClient);

impl YbaClient {
    /// The backups of the customer.
    pub fn backups(&self) -> Backups<'_> {
        Backups(self)
    }
}

impl Backups<'_> {
    /// Starts a backup, full or incremental.
    ///
    /// Not idempotent, and never repeated by this crate. When the error's [`reach`](Error::reach) is
    /// `Unknown`, look for a task whose `correlation_id` is the request id before starting another.
    pub async fn create(&self, backup: &CreateBackup, request_id: &RequestId) -> Result<TaskAccepted, Error> {
        let request = Request::post("backups.create", "/api/v1/customers/{customer}/backups");
        self.start(self.0.scoped(request), backup, request_id).await
    }

    /// Starts a backup at a URL that was configured as a whole.
    ///
    /// # Errors
    /// Kind [`Build`](crate::ErrorKind::Build) unless the URL has the scheme, host and port of one of
    /// the client's addresses or allowed hosts.
    pub async fn create_at(
        &self,
        url: &str,
        backup: &CreateBackup,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let request = Request::absolute("backups.create_at", Method::POST, url);
        self.start(request, backup, request_id).await
    }

    async fn start(
        &self,
        request: Request,
        backup: &CreateBackup,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let request = request.checked(backup.validate()).json(backup).request_id(request_id).patient();
        self.0.call(request, |answer| task_accepted(&answer)).await
    }

    /// The last backups as told by a URL that was configured as a whole: an array of them.
    ///
    /// YBA itself has no such call; a gateway in front of it may.
    pub async fn last_at(&self, url: &str) -> Result<Vec<LastBackup>, Error> {
        self.0.fetch(Request::absolute("backups.last_at", Method::GET, url)).await
    }

    /// One backup, full or incremental.
    pub async fn get(&self, backup: &BackupId) -> Result<Backup, Error> {
        let template = "/api/v1/customers/{customer}/backups/{backup}";
        let request = Request::get("backups.get", template).with("backup", backup.as_str());
        self.0.call(self.0.scoped(request), |answer| read_backup(&answer, decode(&answer)?)).await
    }

    /// The backup that a task made: the way from a task to its backup, for increments too.
    ///
    /// Empty while the task has not made its row yet, and for ever if it failed before.
    pub async fn of_task(&self, universe: &UniverseId, task: &TaskId) -> Result<Vec<Backup>, Error> {
        self.0
            .call(self.of_task_request(universe, task), |answer| {
                let rows: Vec<Value> = decode(&answer)?;
                rows.into_iter().map(|row| read_backup(&answer, row)).collect()
            })
            .await
    }

    /// What [`of_task`](Self::of_task) reads, row by row: one that cannot be read does not hide the others.
    pub async fn rows_of_task(
        &self,
        universe: &UniverseId,
        task: &TaskId,
    ) -> Result<Vec<Result<Backup, UnreadableRow>>, Error> {
        let rows: Vec<Value> = self.0.fetch(self.of_task_request(universe, task)).await?;
        Ok(rows.into_iter().map(Backup::read).collect())
    }

    fn of_task_request(&self, universe: &UniverseId, task: &TaskId) -> Request {
        let template = "/api/v1/customers/{customer}/universes/{universe}/backups/tasks/{task}";
        let request = Request::get("backups.of_task", template)
            .with("universe", universe.as_str())
            .with("task", task.as_str());
        self.0.scoped(request)
    }

    /// One page of the backup list: full backups only, each standing for its chain.
    pub async fn page(&self, query: &BackupQuery) -> Result<Page<BackupResp>, Error> {
        let request = Request::post("backups.page", "/api/v1/customers/{customer}/backups/page")
            .safe()
            .checked(query.validate())
            .json(query);
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The backup list, page after page.
    pub fn stream(&self, query: BackupQuery) -> impl Stream<Item = Result<BackupResp, Error>> + Send + use<> {
        let client = self.0.clone();
        page::stream(
            query,
            |row: &BackupResp| row.common_backup_info.backup_uuid.clone(),
            move |query| {
                let client = client.clone();
                async move { client.backups().page(&query).await }
            },
        )
    }

    /// The chain that begins with this full backup, newest first, the full backup included.
    pub async fn increments(&self, base: &BackupId) -> Result<Vec<CommonBackupInfo>, Error> {
        let template = "/api/v1/customers/{customer}/backups/{backup}/list_increments";
        let request = Request::get("backups.increments", template).with("backup", base.as_str());
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The keyspaces and tables that can be restored from a chain.
    pub async fn restorable_keyspaces(&self, base: &BackupId) -> Result<Vec<KeyspaceSelection>, Error> {
        let template = "/api/v1/customers/{customer}/backups/{backup}/restorable_keyspace_tables";
        let request = Request::get("backups.restorable_keyspaces", template).with("backup", base.as_str());
        self.0.fetch(self.0.scoped(request)).await
    }

    /// Changes when a full backup expires, or where it is said to lie.
    pub async fn edit(&self, backup: &BackupId, change: &EditBackup) -> Result<Backup, Error> {
        let template = "/api/v1/customers/{customer}/backups/{backup}";
        let request =
            Request::new("backups.edit", Method::PUT, template).with("backup", backup.as_str()).json(change);
        self.0.call(self.0.scoped(request), |answer| read_backup(&answer, decode(&answer)?)).await
    }

    /// Asks for backups to be deleted, each with its chain.
    ///
    /// YBA silently leaves out what it will not delete; the answer tells which.
    /// `force` forgets a backup even if its files cannot be removed.
    pub async fn delete(&self, backups: &[BackupId], force: bool) -> Result<Deletion, Error> {
        #[derive(Deserialize)]
        struct Tasks {
            #[serde(default, rename = "ybpTaskList")]
            tasks: Option<Vec<Entry>>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "taskUUID")]
            task: TaskId,
            #[serde(rename = "resourceUUID")]
            backup: BackupId,
        }
        let infos: Vec<Value> = backups.iter().map(|id| json!({"backupUUID": id})).collect();
        let body = json!({"deleteBackupInfos": infos, "deleteForcefully": force});
        let empty = backups.is_empty().then(|| "no backup is named".to_owned());
        let request = Request::post("backups.delete", "/api/v1/customers/{customer}/backups/delete")
            .checked(empty.map_or(Ok(()), Err))
            .json(&body);
        let answer: Tasks = self.0.fetch(self.0.scoped(request)).await?;
        let entries = answer.tasks.unwrap_or_default();
        let accepted: Vec<(BackupId, TaskId)> =
            entries.into_iter().map(|entry| (entry.backup, entry.task)).collect();
        let left_out = backups.iter().filter(|id| !accepted.iter().any(|(done, _)| done == *id));
        Ok(Deletion { left_out: left_out.cloned().collect(), accepted })
    }

    /// Stops a backup made by the older script. For YB-Controller abort the task instead.
    pub async fn stop(&self, backup: &BackupId) -> Result<(), Error> {
        let template = "/api/v1/customers/{customer}/backups/{backup}/stop";
        let request = Request::post("backups.stop", template).with("backup", backup.as_str());
        let _answer: Value = self.0.fetch(self.0.scoped(request)).await?;
        Ok(())
    }
}

fn read_backup(answer: &Answer, raw: Value) -> Result<Backup, Failure> {
    Backup::read(raw).map_err(|row| Failure::decode(answer.status, row.complaint))
}
