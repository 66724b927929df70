//! Universes.

use crate::{client::YbaClient, error::Error, ids::UniverseId, request::Request, types::Universe};

/// The universes of the customer.
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
}
