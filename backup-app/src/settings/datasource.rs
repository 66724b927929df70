//! `datasource.*`: where records are kept. Spring's `spring.datasource.*` is understood as well.

use std::time::Duration;

use secrecy::SecretString;

use super::database;
use super::datasource_url::DatasourceUrl;
use super::yba::positive;
use crate::reader::{Key, Reader, Words};

/// The store's database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatasourceSettings {
    /// `datasource.url` (`sqlite:backups.db`): `sqlite:`, `postgres:`, `postgresql:`, `jdbc:postgresql:`,
    /// `jdbc:yugabytedb:`.
    pub url: DatasourceUrl,
    /// `datasource.username`.
    pub username: Option<String>,
    /// `datasource.password`.
    pub password: Option<SecretString>,
    /// `datasource.schema` (the URL's `currentSchema`, or `epricing`): PostgreSQL only.
    pub schema: String,
    /// `datasource.migrate` (true): tables are created and changed at start.
    pub migrate: bool,
    /// `datasource.ssl.enable`; absent: as the URL says.
    pub ssl_enable: Option<bool>,
    /// `datasource.ssl.mode`; absent: as the URL says.
    pub ssl_mode: Option<SslMode>,
    /// The pool, by Hikari's names.
    pub pool: PoolSettings,
    /// `datasource.retry.*`: what happens when the connection is lost.
    pub retry: RetrySettings,
}

/// The pool of connections; `spring.datasource.hikari.*` sets the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// `datasource.maximum-pool-size` (10).
    pub maximum_size: u32,
    /// `datasource.minimum-idle` (5, and no more than the pool holds).
    pub minimum_idle: u32,
    /// `datasource.connection-timeout` (30 s): how long work waits for a connection.
    pub connection_timeout: Duration,
    /// `datasource.idle-timeout` (10 min).
    pub idle_timeout: Duration,
    /// `datasource.max-lifetime` (30 min).
    pub max_lifetime: Duration,
}

/// Retries after a lost connection; contention is retried by the store's own rules.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetrySettings {
    /// `datasource.retry.max-attempts` (3).
    pub max_attempts: u32,
    /// `datasource.retry.initial-delay` (1 s).
    pub initial_delay: Duration,
    /// `datasource.retry.multiplier` (2).
    pub multiplier: f64,
    /// `datasource.retry.max-delay` (10 s).
    pub max_delay: Duration,
}

/// PostgreSQL's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only where the server insists.
    Allow,
    /// Where the server offers it.
    Prefer,
    /// Always, with whatever certificate.
    Require,
    /// Always, with a certificate of a known authority.
    VerifyCa,
    /// Always, with a certificate of a known authority for this host.
    VerifyFull,
}

impl SslMode {
    /// PostgreSQL's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl Words for SslMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

impl DatasourceSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = database::read(reader);
        let settings = Self {
            username: reader.optional(user("username")),
            password: reader.secret(user("password")),
            schema: schema(reader, &url),
            migrate: reader.setting("datasource.migrate", true),
            ssl_enable: reader.optional("datasource.ssl.enable"),
            ssl_mode: reader.optional("datasource.ssl.mode"),
            pool: PoolSettings::read(reader),
            retry: RetrySettings::read(reader),
            url,
        };
        settings.warn(reader);
        settings
    }

    fn warn(&self, reader: &mut Reader<'_>) {
        let is_sqlite = self.url.is_sqlite();
        if is_sqlite && self.username.is_some() {
            reader.warn("datasource.username", "means nothing to SQLite");
        }
        if self.ssl_enable == Some(true) && self.ssl_mode == Some(SslMode::Disable) {
            reader.fault("datasource.ssl.mode", "is `disable`, and `datasource.ssl.enable` is true");
        }
    }
}

/// Who connects, under our own name and Spring's; Hikari's own setting is stronger than that of the datasource.
pub(super) fn user(field: &str) -> Key {
    hikari(field).or(&format!("spring.datasource.{field}"))
}

/// A setting of Hikari's pool under our own name.
fn hikari(field: &str) -> Key {
    let ours = format!("datasource.hikari.{field}");
    Key::from(format!("datasource.{field}")).or(&ours).or(&format!("spring.datasource.hikari.{field}"))
}

fn schema(reader: &mut Reader<'_>, url: &DatasourceUrl) -> String {
    let from_url = url.schema().unwrap_or("epricing").to_owned();
    let schema: String = reader.setting(hikari("schema"), from_url);
    let mut letters = schema.chars();
    let starts_well = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || schema.len() > 63 || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        reader.fault("datasource.schema", "is no plain name: letters, digits and _, at most 63");
    }
    schema
}

impl PoolSettings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let maximum_size = reader.within(hikari("maximum-pool-size"), 10, 1..=10_000);
        let settings = Self {
            maximum_size,
            minimum_idle: reader.within(hikari("minimum-idle"), maximum_size.min(5), 0..=10_000),
            connection_timeout: positive(reader, hikari("connection-timeout"), Duration::from_secs(30)),
            idle_timeout: reader.setting(hikari("idle-timeout"), Duration::from_mins(10)),
            max_lifetime: reader.setting(hikari("max-lifetime"), Duration::from_mins(30)),
        };
        if settings.minimum_idle > settings.maximum_size {
            reader.fault("datasource.minimum-idle", "is more than `datasource.maximum-pool-size`");
        }
        settings
    }
}

impl RetrySettings {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            max_attempts: reader.within("datasource.retry.max-attempts", 3, 1..=100),
            initial_delay: positive(reader, "datasource.retry.initial-delay", Duration::from_secs(1)),
            multiplier: reader.within("datasource.retry.multiplier", 2.0, 1.0..=100.0),
            max_delay: positive(reader, "datasource.retry.max-delay", Duration::from_secs(10)),
        }
    }
}
