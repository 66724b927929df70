//! Customers.

use serde::Deserialize;

use super::lenient;
use crate::ids::{CustomerId, UniverseId};

/// A customer (tenant).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Customer {
    /// The customer.
    pub uuid: CustomerId,
    /// A short code, such as `admin`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub code: String,
    /// A name for people.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub name: String,
    /// Its universes; only told about a single customer.
    #[serde(default, rename = "universeUUIDs", deserialize_with = "lenient::lossy")]
    pub universes: Vec<UniverseId>,
}
