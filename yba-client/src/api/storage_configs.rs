//! Storage configurations.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::{YbaClient, decode},
    error::{Error, Failure},
    ids::StorageConfigId,
    request::Request,
    types::StorageConfig,
};

/// The storage configurations of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use yba_client::simulator::Simulator;
///
/// let yba = Simulator::start().await;
/// let config = yba.client().storage_configs().find_by_name("s3").await?.ok_or("not there")?;
/// assert!(config.is_active());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct StorageConfigs<'a>(&'a YbaClient);

impl YbaClient {
    /// The storage configurations of the customer.
    pub fn storage_configs(&self) -> StorageConfigs<'_> {
        StorageConfigs(self)
    }
}

impl StorageConfigs<'_> {
    /// All of them. YBA lists every kind of configuration; those of other kinds are left out.
    pub async fn list(&self) -> Result<Vec<StorageConfig>, Error> {
        let request = Request::get("storage_configs.list", "/api/v1/customers/{customer}/configs");
        self.0
            .call(self.0.scoped(request), |answer| {
                let rows: Vec<Value> = decode(&answer)?;
                rows.iter()
                    .filter(|row| row.get("type").and_then(Value::as_str) == Some("STORAGE"))
                    .map(|row| {
                        StorageConfig::deserialize(row).map_err(|error| Failure::decode(answer.status, error))
                    })
                    .collect()
            })
            .await
    }

    /// One of them, if it is there. YBA has no call for a single one.
    pub async fn find(&self, config: &StorageConfigId) -> Result<Option<StorageConfig>, Error> {
        let all = self.list().await?;
        Ok(all.into_iter().find(|row| row.config_uuid == *config))
    }

    /// The one of this name, if it is there.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<StorageConfig>, Error> {
        Ok(self.list().await?.into_iter().find(|row| row.config_name == name))
    }
}
