//! Point-in-time recovery.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::json;

use super::task_accepted;
use crate::{
    client::YbaClient,
    error::Error,
    ids::{PitrConfigId, RequestId, UniverseId},
    request::Request,
    types::{PitrConfig, PitrSettings, TableType, TaskAccepted},
};

/// The point-in-time-recovery configurations of one universe.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use yba_client::{PitrSettings, RequestId, TableType, simulator::Simulator};
///
/// let yba = Simulator::builder().manual_clock().start().await;
/// let client = yba.client();
/// let pitr = client.pitr(yba.universe());
/// let settings = PitrSettings::new(Duration::from_secs(86_400), Duration::from_secs(7 * 86_400));
/// pitr.create(&TableType::Ysql, "orders", &settings, &RequestId::new()).await?;
/// yba.advance(Duration::from_secs(60));
/// assert_eq!(pitr.list().await?[0].db_name.as_deref(), Some("orders"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Pitr<'a> {
    client: &'a YbaClient,
    universe: UniverseId,
}

impl YbaClient {
    /// The point-in-time-recovery configurations of a universe.
    pub fn pitr(&self, universe: impl Into<UniverseId>) -> Pitr<'_> {
        Pitr { client: self, universe: universe.into() }
    }
}

impl Pitr<'_> {
    fn request(&self, operation: &'static str, method: Method, template: &'static str) -> Request {
        let request = Request::new(operation, method, template);
        self.client.scoped(request.with("universe", self.universe.as_str()))
    }

    async fn submit(&self, request: Request, id: &RequestId) -> Result<TaskAccepted, Error> {
        self.client.call(request.request_id(id), |answer| task_accepted(&answer)).await
    }

    /// All of them.
    pub async fn list(&self) -> Result<Vec<PitrConfig>, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/pitr_config";
        self.client.fetch(self.request("pitr.list", Method::GET, template)).await
    }

    /// Begins to snapshot a keyspace, by a task.
    pub async fn create(
        &self,
        table_type: &TableType,
        keyspace: &str,
        settings: &PitrSettings,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/keyspaces/{table_type}/{keyspace}\
                        /pitr_config";
        let request = self
            .request("pitr.create", Method::POST, template)
            .with("table_type", table_type.as_str())
            .with("keyspace", keyspace)
            .checked(settings.validate())
            .json(settings);
        self.submit(request, request_id).await
    }

    /// Changes how often to snapshot and how long to keep it, by a task.
    pub async fn update(
        &self,
        config: &PitrConfigId,
        settings: &PitrSettings,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/pitr_config/{config}";
        let request = self
            .request("pitr.update", Method::PUT, template)
            .with("config", config.as_str())
            .checked(settings.validate())
            .json(settings);
        self.submit(request, request_id).await
    }

    /// Stops snapshots and drops those there are, by a task.
    pub async fn delete(&self, config: &PitrConfigId, request_id: &RequestId) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/pitr_config/{config}";
        let request = self.request("pitr.delete", Method::DELETE, template).with("config", config.as_str());
        self.submit(request, request_id).await
    }

    /// Takes the keyspace back to a moment, by a task. What was written since is lost.
    pub async fn restore(
        &self,
        config: &PitrConfigId,
        moment: DateTime<Utc>,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/pitr";
        let body = json!({
            "pitrConfigUUID": config,
            "restoreTimeInMillis": moment.timestamp_millis(),
        });
        let request = self.request("pitr.restore", Method::POST, template).json(&body);
        self.submit(request, request_id).await
    }
}
