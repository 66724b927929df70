//! Restores.

use futures_util::Stream;

use super::task_accepted;
use crate::{
    client::YbaClient,
    error::Error,
    ids::RequestId,
    page::{self, Page},
    request::Request,
    types::{CreateRestore, PreflightReport, Restore, RestorePreflight, RestoreQuery, TaskAccepted},
};

/// The restores of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use yba_client::{CreateBackup, CreateRestore, RequestId, RestoreSource, TableType, simulator::Simulator};
///
/// let yba = Simulator::builder().manual_clock().start().await;
/// let client = yba.client();
/// let backup = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql).keyspaces(["orders"]);
/// let accepted = client.backups().create(&backup, &RequestId::new()).await?;
/// yba.advance(Duration::from_secs(60));
/// let backup = client.backups().of_task(&yba.universe(), &accepted.task).await?.remove(0);
///
/// let chain = client.backups().increments(&backup.backup_uuid).await?;
/// let place = chain[0].response_list[0].default_location.clone().ok_or("no location")?;
/// let source = RestoreSource::new(TableType::Ysql, "orders_drill", place);
/// let restore = CreateRestore::new(yba.universe(), yba.storage_config(), [source]);
/// let accepted = client.restores().create(&restore, &RequestId::new()).await?;
/// yba.advance(Duration::from_secs(60));
/// assert!(client.tasks().get(&accepted.task).await?.status.is_complete());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Restores<'a>(&'a YbaClient);

impl YbaClient {
    /// The restores of the customer.
    pub fn restores(&self) -> Restores<'_> {
        Restores(self)
    }
}

impl Restores<'_> {
    /// Asks whether a backup would fit into a universe. Every problem comes back as a 400 with words.
    pub async fn preflight(&self, restore: &RestorePreflight) -> Result<PreflightReport, Error> {
        let template = "/api/v1/customers/{customer}/restore/preflight";
        let request = Request::post("restores.preflight", template).safe().json(restore);
        self.0.fetch(self.0.scoped(request)).await
    }

    /// Starts a restore. Not idempotent, and never repeated by this crate.
    ///
    /// The restore has no call of its own afterwards: follow the task.
    pub async fn create(
        &self,
        restore: &CreateRestore,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let request = Request::post("restores.create", "/api/v1/customers/{customer}/restore")
            .checked(restore.validate())
            .json(restore)
            .request_id(request_id);
        self.0.call(self.0.scoped(request), |answer| task_accepted(&answer)).await
    }

    /// One page of the list of restores.
    pub async fn page(&self, query: &RestoreQuery) -> Result<Page<Restore>, Error> {
        let request = Request::post("restores.page", "/api/v1/customers/{customer}/restore/page")
            .safe()
            .checked(query.validate())
            .json(query);
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The list of restores, page after page.
    pub fn stream(&self, query: RestoreQuery) -> impl Stream<Item = Result<Restore, Error>> + Send + use<> {
        let client = self.0.clone();
        page::stream(
            query,
            |row: &Restore| row.restore_uuid.clone(),
            move |query| {
                let client = client.clone();
                async move { client.restores().page(&query).await }
            },
        )
    }
}
