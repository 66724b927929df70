//! `datasource.*`: where records are kept. Spring's `spring.datasource.*` is understood as well.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::yba::positive;
use crate::explain::MASK;
use crate::reader::{Key, Reader, Setting, Unfit, Words};

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
    /// `datasource.minimum-idle` (1).
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

/// The address of a database. It may hold a password, so only [`expose`](Self::expose) shows all of it.
#[derive(Clone)]
pub struct DatasourceUrl(SecretString);

impl DatasourceUrl {
    /// The address as it was given.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The scheme: `sqlite`, `jdbc:postgresql`.
    fn scheme(text: &str) -> &str {
        let schemes = ["sqlite", "postgres", "postgresql", "jdbc:postgresql", "jdbc:yugabytedb"];
        let named = |scheme: &&str| text.strip_prefix(*scheme).is_some_and(|rest| rest.starts_with(':'));
        schemes.into_iter().find(named).unwrap_or_default()
    }

    /// The first schema of the search path that the URL names.
    fn schema(&self) -> Option<&str> {
        let (_, query) = self.expose().split_once('?')?;
        let schemas = query.split('&').find_map(|pair| pair.strip_prefix("currentSchema="))?;
        schemas.split(',').next().filter(|schema| !schema.is_empty())
    }
}

impl fmt::Display for DatasourceUrl {
    /// Whatever may be a password is masked; rather too much than too little.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.expose();
        let (start, rest) = text.split_at(text.find("//").map_or(0, |slashes| slashes + 2));
        let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, query)| (address, query));
        if query.contains('@') {
            // Nobody can tell whether this belongs to the password or to a parameter.
            return write!(f, "{start}{MASK}");
        }
        f.write_str(start)?;
        match address.rsplit_once('@') {
            Some((user, address)) => match user.split_once(':') {
                Some((user, _)) => write!(f, "{user}:{MASK}@{address}")?,
                None => write!(f, "{MASK}@{address}")?,
            },
            None => f.write_str(address)?,
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(masked).collect::<Vec<_>>();
        if pairs.is_empty() { Ok(()) } else { write!(f, "?{}", pairs.join("&")) }
    }
}

/// A parameter of a URL, without its value where that is a secret.
fn masked(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    }
}

fn is_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    ["pass", "pwd", "secret", "token"].iter().any(|word| parameter.contains(word))
}

impl fmt::Debug for DatasourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Setting for DatasourceUrl {
    fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if Self::scheme(text).is_empty() {
            return Err(Unfit::new(
                "names no database that we know; it begins with sqlite:, postgres:, postgresql:, jdbc:postgresql: or \
                 jdbc:yugabytedb:",
            ));
        }
        Ok(Self(SecretString::from(text.to_owned())))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl DatasourceSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.setting(spring("url"), DatasourceUrl(SecretString::from("sqlite:backups.db")));
        let settings = Self {
            username: reader.optional(spring("username")),
            password: reader.secret(spring("password")),
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
        let is_sqlite = DatasourceUrl::scheme(self.url.expose()) == "sqlite";
        if is_sqlite && self.username.is_some() {
            reader.warn("datasource.username", "means nothing to SQLite; is `datasource.url` missing?");
        }
        if self.ssl_enable == Some(true) && self.ssl_mode == Some(SslMode::Disable) {
            reader.fault("datasource.ssl.mode", "is `disable`, and `datasource.ssl.enable` is true");
        }
    }
}

/// A setting of Spring's datasource under our own name.
fn spring(field: &str) -> Key {
    Key::from(format!("datasource.{field}")).or(&format!("spring.datasource.{field}"))
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
        let settings = Self {
            maximum_size: reader.within(hikari("maximum-pool-size"), 10, 1..=10_000),
            minimum_idle: reader.within(hikari("minimum-idle"), 1, 0..=10_000),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatasourceUrl {
        DatasourceUrl::read(text).ok().unwrap()
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (text, shown) in [
            ("sqlite:backups.db", "sqlite:backups.db"),
            (
                "postgres://u:s3cret@h:5433/db?sslmode=require",
                "postgres://u:******@h:5433/db?sslmode=require",
            ),
            ("postgres://u:s3@cr/et@h/db", "postgres://u:******@h/db"),
            ("postgres://u:s3@cr/et?x@h/db", "postgres://******"),
            (
                "jdbc:yugabytedb://h:5433/db?user=u&password=s3cret",
                "jdbc:yugabytedb://h:5433/db?user=u&password=******",
            ),
            ("postgres://s3cret@h/db", "postgres://******@h/db"),
            ("postgres://h/db?password=s3@cret", "postgres://******"),
        ] {
            assert_eq!(url(text).to_string(), shown);
            assert_eq!(format!("{:?}", url(text)), format!("\"{shown}\""));
        }
    }

    #[test]
    fn the_schema_of_a_jdbc_url_is_seen() {
        assert_eq!(url("jdbc:postgresql://h/db?ssl=true&currentSchema=own,public").schema(), Some("own"));
        assert_eq!(url("jdbc:postgresql://h/db").schema(), None);
    }

    #[test]
    fn an_unknown_scheme_is_refused_without_showing_the_url() {
        let unfit = DatasourceUrl::read("mysql://u:s3cret@h").err().unwrap();
        assert!(unfit.message.contains("sqlite:") && !unfit.message.contains("s3cret"));
    }
}
