//! Universes.

use reqwest::Method;
use serde_json::Value;

use crate::{
    client::YbaClient,
    error::Error,
    ids::UniverseId,
    request::Request,
    types::{Namespace, Table, Universe},
};

/// The universes of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use yba_client::simulator::Simulator;
///
/// let yba = Simulator::start().await;
/// yba.lock_universe(&yba.universe(), "SoftwareUpgrade");
/// let universe = yba.client().universes().get(&yba.universe()).await?;
/// assert_eq!(universe.details.updating_task.as_deref(), Some("SoftwareUpgrade"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Universes<'a>(&'a YbaClient);

impl YbaClient {
    /// The universes of the customer.
    pub fn universes(&self) -> Universes<'_> {
        Universes(self)
    }
}

impl Universes<'_> {
    /// All universes.
    pub async fn list(&self) -> Result<Vec<Universe>, Error> {
        let request = Request::get("universes.list", "/api/v1/customers/{customer}/universes");
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The universe of this name, if there is one.
    pub async fn find(&self, name: &str) -> Result<Option<Universe>, Error> {
        let request =
            Request::get("universes.find", "/api/v1/customers/{customer}/universes").query("name", name);
        let found: Vec<Universe> = self.0.fetch(self.0.scoped(request)).await?;
        Ok(found.into_iter().find(|universe| universe.name == name))
    }

    /// One universe.
    pub async fn get(&self, universe: &UniverseId) -> Result<Universe, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}";
        let request = Request::get("universes.get", template).with("universe", universe.as_str());
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The keyspaces of a universe.
    pub async fn namespaces(&self, universe: &UniverseId) -> Result<Vec<Namespace>, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/namespaces";
        let request = Request::get("universes.namespaces", template)
            .with("universe", universe.as_str())
            .query("includeSystemNamespaces", "false");
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The tables of a universe.
    pub async fn tables(&self, universe: &UniverseId) -> Result<Vec<Table>, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/tables";
        let request = Request::get("universes.tables", template).with("universe", universe.as_str());
        self.0.fetch(self.0.scoped(request)).await
    }

    /// Allows or forbids backups of a universe, for everybody.
    pub async fn set_backups_allowed(&self, universe: &UniverseId, allowed: bool) -> Result<(), Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/update_backup_state";
        let request = Request::new("universes.set_backups_allowed", Method::PUT, template)
            .with("universe", universe.as_str())
            .query("markActive", allowed.to_string());
        let _answer: Value = self.0.fetch(self.0.scoped(request)).await?;
        Ok(())
    }
}
