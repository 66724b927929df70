//! From an address and settings to the options of a connection.
//!
//! The schema is the search path of every session, so that no statement has to be built around its name.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, PgConnection, Row,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::session::Session;
use crate::{
    address::{Server, Ssl},
    config::StoreConfig,
    error::ConnectError,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Every statement of ours takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that gives up a statement by itself, as it was told to, needs time to say so.
const GRACE: Duration = Duration::from_secs(1);
const APPLICATION_NAME: &str = "backup-orchestrator";

/// How to connect. It holds a password, so it has no `Debug` text.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) connect: PgConnectOptions,
    /// The same without a search path.
    pub(super) plain: PgConnectOptions,
    pub(super) search_path: String,
    /// Where the tables are; a plain identifier.
    pub(super) schema: String,
    pub(super) connect_timeout: Duration,
    pub(super) acquire_timeout: Duration,
    /// How long a server may stay silent before we take it for lost.
    pub(super) answer_timeout: Duration,
}

impl Plan {
    pub(super) fn new(server: &Server, config: &StoreConfig, address: &str) -> Result<Self, ConnectError> {
        note_parameters(server, address);
        let schema = schema(server, config)?;
        let mut plain = ssl(connect(server, config), &server.ssl, address)?;
        if let Some(timeout) = server.statement_timeout {
            plain = plain.options([("statement_timeout", timeout.as_millis())]);
        }
        let plain = plain.options(server.settings.iter().map(|(name, value)| (name, value)));
        let search_path = format!("\"{schema}\"");
        Ok(Self {
            connect: plain.clone().options([("search_path", &search_path)]),
            plain,
            search_path,
            schema,
            connect_timeout: server.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            acquire_timeout: server.login_timeout.unwrap_or(config.pool.acquire_timeout),
            answer_timeout: server.statement_timeout.map_or(ANSWER_TIMEOUT, |timeout| timeout + GRACE),
        })
    }
}

fn connect(server: &Server, config: &StoreConfig) -> PgConnectOptions {
    let mut connect = PgConnectOptions::new_without_pgpass()
        // We read no such number, and a pooler may refuse the setting.
        .extra_float_digits(None)
        .application_name(server.application_name.as_deref().unwrap_or(APPLICATION_NAME))
        .disable_statement_logging();
    if let Some(first) = server.hosts.first() {
        connect = connect.host(&first.name).port(first.port);
    }
    if let Some(socket) = &server.socket {
        connect = connect.socket(socket);
    }
    if let Some(database) = &server.database {
        connect = connect.database(database);
    }
    if let Some(user) = config.username.as_ref().or(server.user.as_ref()) {
        connect = connect.username(user);
    }
    if let Some(password) = config.password.as_ref().or(server.password.as_ref()) {
        connect = connect.password(password.expose_secret());
    }
    connect
}

fn ssl(mut connect: PgConnectOptions, ssl: &Ssl, address: &str) -> Result<PgConnectOptions, ConnectError> {
    if let Some(mode) = &ssl.mode {
        let mode: PgSslMode = mode.parse().map_err(|_| ConnectError::Address {
            address: address.to_owned(),
            what: format!("sslmode {mode}"),
        })?;
        connect = connect.ssl_mode(mode);
    }
    if let Some(file) = &ssl.root_cert {
        connect = connect.ssl_root_cert(file);
    }
    if let Some(file) = &ssl.cert {
        connect = connect.ssl_client_cert(file);
    }
    if let Some(file) = &ssl.key {
        connect = connect.ssl_client_key(pem(file, address)?);
    }
    Ok(connect)
}

/// Java's driver expects keys as DER or PKCS#12, and this one reads neither: better said than a failed handshake.
fn pem<'a>(file: &'a std::path::Path, address: &str) -> Result<&'a std::path::Path, ConnectError> {
    let is_other =
        std::fs::read(file).is_ok_and(|bytes| !bytes.windows(11).any(|text| text == b"-----BEGIN "));
    if is_other {
        let what =
            format!("sslkey {} is not a PEM file (openssl pkey -inform DER can make one)", file.display());
        return Err(ConnectError::Address { address: address.to_owned(), what });
    }
    Ok(file)
}

fn schema(server: &Server, config: &StoreConfig) -> Result<String, ConnectError> {
    let schema = config.schema.as_deref().or(server.schemas.first().map(String::as_str));
    let schema = schema.unwrap_or(StoreConfig::DEFAULT_SCHEMA);
    let is_plain = schema.len() <= 63
        && schema.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && schema.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    if is_plain { Ok(schema.to_owned()) } else { Err(ConnectError::Schema { schema: schema.to_owned() }) }
}

fn note_parameters(server: &Server, address: &str) {
    if !server.java_only.is_empty() {
        let names = server.java_only.join(", ");
        tracing::debug!(
            address,
            names,
            "parameters of the database address that only a Java driver has are ignored"
        );
    }
    if !server.unknown.is_empty() {
        let names = server.unknown.join(", ");
        tracing::warn!(address, names, "unknown parameters of the database address are ignored");
    }
}

/// Makes a session ready, and answers what it is: every statement of ours reads and writes few rows by key, however small the
/// tables were when it was planned, and is planned once; one whose process froze in the middle of a transaction does not
/// lock others out. Settings that the server does not have are left alone.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<Session, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT
            count(set_config(wish.name, wish.setting, false)) AS settings,
            current_schema()::text AS schema,
            current_setting('search_path') AS search_path,
            current_setting('server_encoding') AS encoding,
            current_setting('transaction_read_only') = 'off' AS is_writable
        FROM (
            VALUES
                ('enable_seqscan', 'off'),
                ('enable_hashjoin', 'off'),
                ('enable_mergejoin', 'off'),
                ('jit', 'off'),
                ('idle_in_transaction_session_timeout', '10s'),
                ('plan_cache_mode', 'force_generic_plan')
        ) AS wish (name, setting)
        WHERE current_setting(wish.name, true) IS NOT NULL
        ",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    Ok(Session {
        schema: row.try_get("schema")?,
        search_path: row.try_get("search_path")?,
        encoding: row.try_get("encoding")?,
        is_writable: row.try_get("is_writable")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn plan(url: &str, change: impl FnOnce(&mut StoreConfig)) -> Result<Plan, ConnectError> {
        let mut config = StoreConfig::new(url);
        change(&mut config);
        let Address::Postgres(server) = Address::parse(url)? else { panic!("{url}") };
        Plan::new(&server, &config, "somewhere")
    }

    #[test]
    fn an_address_becomes_the_options_of_a_connection() {
        let url = "jdbc:postgresql://h:6000/app?user=u&currentSchema=other,public&sslmode=verify-ca&connectTimeout=3";
        let plan =
            plan(url, |config| config.username = Some("v".to_owned())).map_err(|error| error.to_string());
        let plan = plan.unwrap();
        assert_eq!((plan.connect.get_host(), plan.connect.get_port()), ("h", 6000));
        assert_eq!(plan.connect.get_username(), "v");
        assert_eq!(plan.connect.get_options(), Some("-c search_path=\"other\""));
        assert!(matches!(plan.connect.get_ssl_mode(), PgSslMode::VerifyCa));
        assert_eq!(plan.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn only_a_plain_identifier_is_a_schema() {
        for schema in ["", "a\"b", "1a", "a-b", "a b", "ä", &"a".repeat(64)] {
            let outcome = plan("postgres://h/app", |config| config.schema = Some(schema.to_owned()));
            assert!(matches!(outcome, Err(ConnectError::Schema { .. })), "{schema}");
        }
        assert!(plan("postgres://h/app", |config| config.schema = Some("Epricing_2".to_owned())).is_ok());
    }
}
