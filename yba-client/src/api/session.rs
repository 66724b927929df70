//! Who we are, which version answers, and whether it leads.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    client::{YbaClient, decode},
    error::{Error, texts},
    request::Request,
    types::{AppVersion, Leadership, SessionInfo},
};

/// The session of the token.
#[derive(Debug)]
pub struct Session<'a>(&'a YbaClient);

impl YbaClient {
    /// The session of the token.
    pub fn session(&self) -> Session<'_> {
        Session(self)
    }

    /// The version of the YBA that answers. Needs no token: the cheapest sign of life.
    pub async fn app_version(&self) -> Result<AppVersion, Error> {
        let request = Request::get("app_version", "/api/v1/app_version").anonymous();
        self.call(request, |answer| {
            let details: BTreeMap<String, Value> = decode(&answer)?;
            let details: BTreeMap<String, String> = details
                .into_iter()
                .map(|(key, value)| match value {
                    Value::String(text) => (key, text),
                    other => (key, other.to_string()),
                })
                .collect();
            let version = details.get("version").cloned().unwrap_or_default();
            Ok(AppVersion { version, details })
        })
        .await
    }

    /// Whether the YBA that answers leads its high-availability group. Needs no token.
    ///
    /// YBA answers 404 both for "I follow" and for "there is no group"; only the text tells them apart.
    pub async fn ha_leader(&self) -> Result<Leadership, Error> {
        let request = Request::get("ha_leader", "/api/v1/ha_leader").anonymous();
        leadership(self.call(request, |_| Ok(())).await)
    }
}

pub(crate) fn leadership(answer: Result<(), Error>) -> Result<Leadership, Error> {
    let error = match answer {
        Ok(()) => return Ok(Leadership::Leader),
        Err(error) => error,
    };
    match (error.status(), error.api_text()) {
        (Some(404), Some(text)) if texts::is_follower(text) => Ok(Leadership::Follower),
        (Some(404), Some(text)) if texts::has_no_ha(text) => Ok(Leadership::NotConfigured),
        (Some(404), Some(text)) if texts::unknown_route(text) => Ok(Leadership::NotSupported),
        _ => Err(error),
    }
}

impl Session<'_> {
    /// The customer and user of the token: the usual way to learn the customer's id.
    pub async fn info(&self) -> Result<SessionInfo, Error> {
        self.0.fetch(Request::get("session.info", "/api/v1/session_info")).await
    }
}
