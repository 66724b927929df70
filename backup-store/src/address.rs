//! Addresses: `sqlite:`, `postgres:`, `postgresql:`, and what JDBC drivers write.
//!
//! We read them ourselves: a JDBC URL may name several hosts, and sqlx only logs the parameters it does not know.

mod redaction;

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

pub(crate) use self::redaction::redacted;
use crate::error::ConnectError;

/// An address that was understood.
#[derive(Debug)]
pub(crate) enum Address {
    /// A file; `None`: in memory.
    Sqlite(Option<PathBuf>),
    /// A server.
    Postgres(Box<Server>),
}

/// A PostgreSQL or YugabyteDB server, or several nodes of one.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// Host and port, in the order they were given.
    pub(crate) hosts: Vec<Host>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) application_name: Option<String>,
    /// `currentSchema`: the first is where the tables are.
    pub(crate) schemas: Vec<String>,
    pub(crate) ssl: Ssl,
    /// `options`: settings of the session.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) login_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) balance: Balance,
    /// Parameters that nobody knows, and ones that only Java does.
    pub(crate) unknown: Vec<String>,
    pub(crate) java_only: Vec<String>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// How the connection is protected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ssl {
    /// One of the six words.
    pub(crate) mode: Option<String>,
    pub(crate) root_cert: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// How connections are spread over the nodes of a YugabyteDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) nodes: Nodes,
    /// `cloud.region.zone` with `*` for a part, in the order of preference.
    pub(crate) zones: Vec<Zone>,
    pub(crate) only_these_zones: bool,
    pub(crate) refresh: Duration,
    pub(crate) failed_host_delay: Duration,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            nodes: Nodes::Off,
            zones: Vec::new(),
            only_these_zones: false,
            refresh: Duration::from_mins(5),
            failed_host_delay: Duration::from_secs(5),
        }
    }
}

/// Which nodes get connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// The hosts of the address, the first that answers.
    Off,
    /// Every node.
    Any,
    /// Primary nodes only.
    OnlyPrimary,
    /// Read replicas only.
    OnlyReplicas,
    /// Primary nodes; others when there are none.
    PreferPrimary,
    /// Read replicas; others when there are none.
    PreferReplicas,
}

/// A place, and how much it is preferred (1 is best).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) cloud: String,
    pub(crate) region: String,
    /// `None`: any zone of the region.
    pub(crate) name: Option<String>,
    pub(crate) preference: u8,
}

impl Address {
    /// Reads an address.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        let fault = |what: String| ConnectError::Address { address: redacted(url), what };
        let trimmed = url.trim();
        if let Some(path) = trimmed.strip_prefix(SQLITE) {
            return sqlite(path).map(Self::Sqlite).map_err(fault);
        }
        let (rest, port, is_jdbc) = strip_scheme(trimmed).ok_or_else(|| fault(schemes()))?;
        let server = server(rest, port, is_jdbc).map_err(fault)?;
        Ok(Self::Postgres(Box::new(server)))
    }
}

fn schemes() -> String {
    "it begins with none of sqlite:, postgres:, postgresql:, jdbc:postgresql:, jdbc:yugabytedb:".to_owned()
}

const SQLITE: &str = "sqlite:";
/// How an address begins, its default port, and whether it is a JDBC driver's.
const SCHEMES: [(&str, u16, bool); 4] = [
    ("postgres:", 5432, false),
    ("postgresql:", 5432, false),
    ("jdbc:postgresql:", 5432, true),
    ("jdbc:yugabytedb:", 5433, true),
];

fn strip_scheme(url: &str) -> Option<(&str, u16, bool)> {
    SCHEMES.iter().find_map(|(scheme, port, is_jdbc)| Some((url.strip_prefix(scheme)?, *port, *is_jdbc)))
}

fn sqlite(path: &str) -> Result<Option<PathBuf>, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
    // sqlx's own spelling; we always open for reading and writing, and make the file.
    if parameters.split('&').any(|one| !one.is_empty() && one != "mode=rwc") {
        return Err(
            "the address of a SQLite file has no parameters (write %3F for a question mark in its name)"
                .to_owned(),
        );
    }
    if path.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err("a SQLite file has no user and no password (write %40 for an @ in its name)".to_owned());
    }
    match path {
        "" => Err("it names no file".to_owned()),
        ":memory:" => Ok(None),
        path => Ok(Some(PathBuf::from(decode(path, false)?))),
    }
}

fn server(rest: &str, default_port: u16, is_jdbc: bool) -> Result<Server, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut server = Server::default();
    let (authority, database) = match place.strip_prefix("//") {
        // The last slash: a password that was not encoded may hold others.
        Some(place) => place.rsplit_once('/').unwrap_or((place, "")),
        None => ("", place.trim_start_matches('/')),
    };
    if database.contains(['@', ':']) {
        let form = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        return Err(format!("user, host and port stand between two slashes and one: {form}"));
    }
    if !database.is_empty() {
        server.database = Some(decode(database, false)?);
    }
    let hosts = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, password) =
                user.split_once(':').map_or((user, None), |(user, pass)| (user, Some(pass)));
            server.user = Some(decode(user, false)?).filter(|user| !user.is_empty());
            server.password = password.map(|password| decode(password, false)).transpose()?.map(Into::into);
            hosts
        }
        None => authority,
    };
    let mut port = default_port;
    let mut named = Vec::new();
    for one in hosts.split(',').filter(|one| !one.is_empty()) {
        named.push(host(one)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name, is_jdbc)?, decode(value, is_jdbc)?);
        match name.as_str() {
            "host" | "hostaddr" => named = value.split(',').map(host).collect::<Result<_, _>>()?,
            "port" => port = number(&name, &value)?,
            _ => parameter(&mut server, &name, &value)?,
        }
    }
    for (name, own_port) in named {
        if name.starts_with('/') {
            server.socket = Some(PathBuf::from(&name));
        }
        server.hosts.push(Host { name, port: own_port.unwrap_or(port) });
    }
    if server.hosts.is_empty() {
        server.hosts.push(Host { name: "localhost".to_owned(), port });
    }
    Ok(server)
}

/// `name`, `name:port`, `[address]:port`, or the directory of a Unix socket.
fn host(text: &str) -> Result<(String, Option<u16>), String> {
    let text = decode(text, false)?;
    if text.starts_with('/') {
        return Ok((text, None));
    }
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name.to_owned(), rest.strip_prefix(':').map(str::to_owned)),
        None => match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name.to_owned(), Some(port.to_owned())),
            _ => (text, None),
        },
    };
    if name.is_empty() {
        return Err("a host has no name".to_owned());
    }
    let port = port.filter(|port| !port.is_empty()).map(|port| number("the port", &port)).transpose()?;
    Ok((name, port))
}

fn parameter(server: &mut Server, name: &str, value: &str) -> Result<(), String> {
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
    let path = || text().map(PathBuf::from);
    match name {
        "user" => server.user = text(),
        "password" => server.password = text().map(Into::into),
        "dbname" | "databaseName" => server.database = text(),
        "ApplicationName" | "application_name" => server.application_name = text(),
        "currentSchema" | "search_path" => server.schemas = schemas(value),
        "sslmode" => server.ssl.mode = Some(ssl_mode(value)?),
        "ssl" if matches!(value, "" | "true") => {
            server.ssl.mode.get_or_insert_with(|| "verify-full".to_owned());
        }
        "ssl" => {}
        "sslrootcert" => server.ssl.root_cert = path(),
        "sslcert" => server.ssl.cert = path(),
        "sslkey" => server.ssl.key = path(),
        "options" => server.settings = settings(value)?,
        "connectTimeout" | "connect_timeout" => server.connect_timeout = seconds(name, value)?,
        "loginTimeout" => server.login_timeout = seconds(name, value)?,
        "socketTimeout" => server.statement_timeout = seconds(name, value)?,
        "targetServerType" | "target_session_attrs" => wanted_server(name, value)?,
        "load-balance" | "loadBalanceHosts" => server.balance.nodes = nodes(value)?,
        "topology-keys" => server.balance.zones = zones(value)?,
        "fallback-to-topology-keys-only" => server.balance.only_these_zones = value == "true",
        "yb-servers-refresh-interval" => {
            server.balance.refresh = Duration::from_secs(number::<u64>(name, value)?.min(600));
        }
        "failed-host-reconnect-delay-secs" => {
            server.balance.failed_host_delay = Duration::from_secs(number::<u64>(name, value)?.min(60));
        }
        name if JAVA_ONLY.contains(&name) => server.java_only.push(name.to_owned()),
        name => server.unknown.push(name.to_owned()),
    }
    Ok(())
}

/// What only a Java driver can use. Nothing is lost by ignoring it.
const JAVA_ONLY: &[&str] = &[
    "adaptiveFetch",
    "adaptiveFetchMaximum",
    "adaptiveFetchMinimum",
    "allowEncodingChanges",
    "assumeMinServerVersion",
    "authenticationPluginClassName",
    "autosave",
    "binaryTransfer",
    "binaryTransferDisable",
    "binaryTransferEnable",
    "cancelSignalTimeout",
    "channelBinding",
    "cleanupSavepoints",
    "convertBooleanToNumeric",
    "databaseMetadataCacheFields",
    "databaseMetadataCacheFieldsMiB",
    "defaultRowFetchSize",
    "disableColumnSanitiser",
    "escapeSyntaxCallMode",
    "groupStartupParameters",
    "gssEncMode",
    "gssResponseTimeout",
    "gsslib",
    "hideUnprivilegedObjects",
    "hostRecheckSeconds",
    "jaasApplicationName",
    "jaasLogin",
    "kerberosServerName",
    "loadTypesFromCache",
    "localSocketAddress",
    "logServerErrorDetail",
    "logUnclosedConnections",
    "loggerFile",
    "loggerLevel",
    "maxResultBuffer",
    "maxSendBufferSize",
    "preferQueryMode",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "prepareThreshold",
    "protocolVersion",
    "queryTimeout",
    "quoteReturningIdentifiers",
    "readOnly",
    "readOnlyMode",
    "receiveBufferSize",
    "replication",
    "reWriteBatchedInserts",
    "sendBufferSize",
    "service",
    "socketFactory",
    "socketFactoryArg",
    "sslNegotiation",
    "sslResponseTimeout",
    "sslfactory",
    "sslfactoryarg",
    "sslhostnameverifier",
    "sslpassword",
    "sslpasswordcallback",
    "sspiServiceClass",
    "stringtype",
    "tcpKeepAlive",
    "tcpNoDelay",
    "unknownLength",
    "useSpnego",
    "xmlFactoryFactory",
];

fn schemas(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The store writes, so it always looks for a server that takes writes.
fn wanted_server(name: &str, value: &str) -> Result<(), String> {
    const WRITABLE: [&str; 8] = [
        "any",
        "primary",
        "master",
        "read-write",
        "preferprimary",
        "prefer-standby",
        "prefersecondary",
        "preferslave",
    ];
    const READ_ONLY: [&str; 4] = ["secondary", "slave", "standby", "read-only"];
    let lower = value.to_ascii_lowercase();
    if WRITABLE.contains(&lower.as_str()) {
        return Ok(());
    }
    if READ_ONLY.contains(&lower.as_str()) {
        return Err(format!(
            "{name} asks for a server that is read only, and the store writes: leave it out, or write primary"
        ));
    }
    Err(format!("{name} is not a kind of server that is known: leave it out, or write primary"))
}

fn ssl_mode(value: &str) -> Result<String, String> {
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    let mode = value.to_ascii_lowercase();
    if MODES.contains(&mode.as_str()) {
        return Ok(mode);
    }
    Err(format!("sslmode is none of {}", MODES.join(", ")))
}

/// `-c a=b -c c=d`, or `--a=b`; a backslash keeps a space in a value.
fn settings(value: &str) -> Result<Vec<(String, String)>, String> {
    let words = option_words(value);
    let mut words = words.iter().map(String::as_str);
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(joined) => Some(joined),
            None => word.strip_prefix("--"),
        };
        let pair = setting.and_then(|setting| setting.split_once('='));
        let (name, value) = pair.ok_or("options are written as -c name=value")?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

fn option_words(value: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (' ' | '\t' | '\n', _) => words.push(String::new()),
            (char, Some(word)) => word.push(char),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn nodes(value: &str) -> Result<Nodes, String> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "false" | "" => Nodes::Off,
        "true" | "any" => Nodes::Any,
        "only-primary" => Nodes::OnlyPrimary,
        "only-rr" => Nodes::OnlyReplicas,
        "prefer-primary" => Nodes::PreferPrimary,
        "prefer-rr" => Nodes::PreferReplicas,
        _ => {
            let known = "false, true, any, only-primary, only-rr, prefer-primary, prefer-rr";
            return Err(format!("load-balance is none of {known}"));
        }
    })
}

fn zones(value: &str) -> Result<Vec<Zone>, String> {
    let mut zones: Vec<Zone> =
        value.split(',').map(str::trim).filter(|key| !key.is_empty()).map(zone).collect::<Result<_, _>>()?;
    zones.sort_by_key(|zone| zone.preference);
    Ok(zones)
}

fn zone(key: &str) -> Result<Zone, String> {
    let fault = || "a key of topology-keys is not cloud.region.zone or cloud.region.zone:1 to 10".to_owned();
    let (place, preference) = match key.split_once(':') {
        Some((place, preference)) => (place, preference.parse().map_err(|_| fault())?),
        None => (key, 1),
    };
    let parts: Vec<&str> = place.split('.').collect();
    match parts[..] {
        [cloud, region, zone]
            if (1..=10).contains(&preference) && ![cloud, region].contains(&"*") && !place.contains("..") =>
        {
            let name = Some(zone).filter(|zone| *zone != "*").map(str::to_owned);
            Ok(Zone { cloud: cloud.to_owned(), region: region.to_owned(), name, preference })
        }
        _ => Err(fault()),
    }
}

/// Seconds; 0 means no limit.
fn seconds(name: &str, value: &str) -> Result<Option<Duration>, String> {
    let seconds: u64 = number(name, value)?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} is not a number in its range"))
}

/// Percent decoding; in the query of a JDBC URL a plus is a space. The text is never part of an error: it may be a
/// password.
fn decode(text: &str, plus_is_space: bool) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(
                    byte.ok_or("a percent sign is not followed by two hexadecimal digits (write %25)")?,
                );
                rest = &rest[2..];
            }
            b'+' if plus_is_space => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 once decoded".to_owned())
}

#[cfg(test)]
mod tests;
