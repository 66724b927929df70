//! Who we are, which version answers, and whether it leads.

use std::collections::BTreeMap;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    client::{Answer, YbaClient, decode},
    error::{Error, ErrorKind, Failure, texts},
    ids::{CustomerId, RequestId, UserId},
    request::Request,
    types::{ApiToken, AppVersion, Leadership, SessionInfo},
};

/// The session of the token.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use yba_client::{Proxy, SecretString, YbaClient, simulator::Simulator};
///
/// let yba = Simulator::start().await;
/// let bare = YbaClient::builder(yba.url()).proxy(Proxy::None).build()?;
/// let login = bare.session().log_in("admin@example.com", &SecretString::from("password")).await?;
/// let customer = login.customer.ok_or("no customer")?;
/// let client = YbaClient::builder(yba.url()).proxy(Proxy::None).customer(customer).token(login.token).build()?;
/// assert_eq!(client.session().info().await?.customer, Some(yba.customer()));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
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

    /// Whether a request id comes back as it was sent. Worth asking once at the start: where a proxy puts
    /// ids of its own in, or YBA is too old for them, a lost request cannot be found again by its id.
    pub async fn echoes_request_ids(&self) -> Result<bool, Error> {
        let request = Request::get("app_version", "/api/v1/app_version").anonymous();
        self.call(request.request_id(&RequestId::new()), |answer| Ok(answer.request_id_echoed)).await
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
    let text = error.api_text().filter(|_| error.kind() == ErrorKind::Api);
    match (error.status(), text) {
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

    /// Exchanges e-mail and password for an API token, for a client built without one.
    ///
    /// There is one token per user: treat the one in use until now as replaced.
    pub async fn log_in(&self, email: &str, password: &SecretString) -> Result<ApiToken, Error> {
        let body = json!({"email": email, "password": password.expose_secret()});
        let request =
            Request::post("session.log_in", "/api/v1/api_login").anonymous().answers_secret().json(&body);
        self.0.call(request, |answer| api_token(&answer)).await
    }

    /// Makes a new API token for the token's user. **The old one stops working**, for this client too.
    ///
    /// `version` is the [`ApiToken::version`] that is expected to be in force; another one refuses.
    pub async fn regenerate_token(&self, version: Option<i64>) -> Result<ApiToken, Error> {
        let template = "/api/v1/customers/{customer}/api_token";
        let mut request = Request::new("session.regenerate_token", Method::PUT, template);
        if let Some(version) = version {
            request = request.query("apiTokenVersion", version.to_string());
        }
        self.0.call(self.0.scoped(request.answers_secret()), |answer| api_token(&answer)).await
    }
}

fn api_token(answer: &Answer) -> Result<ApiToken, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        api_token: String,
        #[serde(default)]
        api_token_version: Option<i64>,
        #[serde(default, rename = "customerUUID")]
        customer: Option<CustomerId>,
        #[serde(default, rename = "userUUID")]
        user: Option<UserId>,
    }
    // The parser's words may quote the answer, and with it the token.
    let fields: Fields = serde_json::from_slice(&answer.body)
        .map_err(|_| Failure::decode(answer.status, "the answer holds no apiToken"))?;
    Ok(ApiToken {
        token: SecretString::from(fields.api_token),
        version: fields.api_token_version,
        customer: fields.customer,
        user: fields.user,
    })
}
