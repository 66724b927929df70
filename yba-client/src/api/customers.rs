//! Customers.

use crate::{client::YbaClient, error::Error, request::Request, types::Customer};

/// The customers that the token's user can see.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use yba_client::simulator::Simulator;
///
/// let yba = Simulator::start().await;
/// assert_eq!(yba.client().customers().get().await?.universes, [yba.universe()]);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Customers<'a>(&'a YbaClient);

impl YbaClient {
    /// The customers that the token's user can see.
    pub fn customers(&self) -> Customers<'_> {
        Customers(self)
    }
}

impl Customers<'_> {
    /// All of them; usually one.
    pub async fn list(&self) -> Result<Vec<Customer>, Error> {
        self.0.fetch(Request::get("customers.list", "/api/v1/customers")).await
    }

    /// The client's own, with its universes.
    pub async fn get(&self) -> Result<Customer, Error> {
        let request = Request::get("customers.get", "/api/v1/customers/{customer}");
        self.0.fetch(self.0.scoped(request)).await
    }
}
