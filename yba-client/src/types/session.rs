//! Session, version and high availability.

use serde::Deserialize;

use super::lenient;
use crate::ids::{CustomerId, UserId};

/// Who the token belongs to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The customer of the token's user.
    #[serde(default, rename = "customerUUID", deserialize_with = "lenient::lossy")]
    pub customer: Option<CustomerId>,
    /// The token's user.
    #[serde(default, rename = "userUUID", deserialize_with = "lenient::lossy")]
    pub user: Option<UserId>,
}

/// The version of a YBA.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppVersion {
    /// As YBA writes it, such as `2024.2.0.0-b145`.
    pub version: String,
    /// Everything the call told.
    pub details: std::collections::BTreeMap<String, String>,
}

impl AppVersion {
    /// The numbers before `-b`, for comparing: `[2024, 2, 0, 0]`.
    pub fn numbers(&self) -> Vec<u32> {
        let numbers = self.version.split('-').next().unwrap_or_default();
        numbers.split('.').map_while(|number| number.parse().ok()).collect()
    }
}

/// Whether a YBA leads its high-availability group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leadership {
    /// It leads: what it says holds.
    Leader,
    /// It follows: its reads are from an old copy, and it refuses changes.
    Follower,
    /// There is no high availability here.
    NotConfigured,
    /// The server is older than the question.
    NotSupported,
}

impl Leadership {
    /// A "not there" of this server may be believed: it is no follower.
    pub fn is_authoritative(self) -> bool {
        self != Self::Follower
    }
}

/// A token that YBA has just given out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiToken {
    /// The token.
    pub token: secrecy::SecretString,
    /// Which of the user's tokens it is; a regeneration may name the one it expects to replace.
    pub version: Option<i64>,
    /// The customer of its user.
    pub customer: Option<CustomerId>,
    /// Its user.
    pub user: Option<UserId>,
}
