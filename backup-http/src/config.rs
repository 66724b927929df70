//! What the service needs to know of `server.*`.

use std::{net::IpAddr, time::Duration};

use backup_app::settings::{AuthSettings, ServerSettings};
use chrono_tz::Tz;
use secrecy::SecretString;

/// How the service answers, and what it endures. The defaults are those of the configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// How the service calls itself in `/actuator/info`.
    pub application_name: String,
    /// How long `POST /backupProcess` waits for the end of a backup.
    pub wait_timeout: Duration,
    /// Whether `POST /backupProcess` answers 200 whatever happened, as the original did.
    pub legacy_status_codes: bool,
    /// The zone of the times in answers.
    pub zone: Tz,
    /// Who may call.
    pub auth: Auth,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// The time in which a request's headers must arrive, and then its body.
    pub read_timeout: Duration,
    /// The time that a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// The time in which a client must take its answer, or the next 64 KiB of it.
    pub write_timeout: Duration,
    /// Connections at once; fewer where the process may not open as many files.
    pub max_connections: usize,
    /// The address that the service listens on, where it is known: without authentication, a request may name it as its
    /// host.
    pub address: Option<IpAddr>,
    /// Further hosts that a request may name without authentication; `*` is any.
    pub allowed_hosts: Vec<String>,
    /// The time for everything that has to end when the service is told to stop.
    pub shutdown_timeout: Duration,
}

/// Who may call the service.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Anybody who can reach it.
    #[default]
    Open,
    /// Whoever presents one of these as a bearer token.
    Tokens(Vec<SecretString>),
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            application_name: "yugabytedb-backup".to_owned(),
            wait_timeout: Duration::from_mins(1),
            legacy_status_codes: false,
            zone: Tz::Asia__Kolkata,
            auth: Auth::default(),
            max_body: 64 * 1024,
            read_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            address: None,
            allowed_hosts: Vec::new(),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl From<&ServerSettings> for ServerConfig {
    fn from(settings: &ServerSettings) -> Self {
        Self {
            wait_timeout: settings.wait_timeout,
            legacy_status_codes: settings.legacy_status_codes,
            zone: settings.zone,
            auth: match &settings.auth {
                AuthSettings::Open => Auth::Open,
                AuthSettings::Tokens(tokens) => Auth::Tokens(tokens.clone()),
            },
            max_body: settings.max_body,
            read_timeout: settings.read_timeout,
            keep_alive_timeout: settings.keep_alive_timeout,
            write_timeout: settings.write_timeout,
            max_connections: settings.max_connections as usize,
            address: Some(settings.address),
            allowed_hosts: settings.allowed_hosts.clone(),
            shutdown_timeout: settings.shutdown_timeout,
            ..Self::default()
        }
    }
}
