//! The address of the store's database, which may hold a password.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::address::masked_query;
use crate::explain::MASK;
use crate::reader::{Setting, Unfit};

/// The address of a database. It may hold a password, so only [`expose`](Self::expose) shows all of it.
#[derive(Clone)]
pub struct DatasourceUrl(SecretString);

impl DatasourceUrl {
    /// The address as it was given.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it is a file.
    pub fn is_sqlite(&self) -> bool {
        Self::scheme(self.expose()) == "sqlite"
    }

    /// The scheme: `sqlite`, `jdbc:postgresql`.
    fn scheme(text: &str) -> &str {
        let schemes = ["sqlite", "postgres", "postgresql", "jdbc:postgresql", "jdbc:yugabytedb"];
        let named = |scheme: &&str| text.strip_prefix(*scheme).is_some_and(|rest| rest.starts_with(':'));
        schemes.into_iter().find(named).unwrap_or_default()
    }

    /// The first schema of the search path that the URL names.
    pub(super) fn schema(&self) -> Option<&str> {
        let (_, query) = self.expose().split_once('?')?;
        let schemas = query.split('&').find_map(|pair| pair.strip_prefix("currentSchema="))?;
        schemas.split(',').next().filter(|schema| !schema.is_empty())
    }
}

impl Default for DatasourceUrl {
    fn default() -> Self {
        Self(SecretString::from("sqlite:backups.db"))
    }
}

impl fmt::Display for DatasourceUrl {
    /// Whatever may be a password is masked; rather too much than too little.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.expose();
        let (scheme, rest) = text.split_at(text.find(':').map_or(0, |colon| colon + 1));
        let shown = if self.is_sqlite() { masked_file(rest) } else { masked_server(text) };
        f.write_str(&shown.unwrap_or_else(|| format!("{scheme}{MASK}")))
    }
}

/// What lies behind `sqlite:`; nothing where it may be the address of a server.
fn masked_file(rest: &str) -> Option<String> {
    if rest.contains('@') {
        return None;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Some(format!("sqlite:{}", with_query(path, query)))
}

/// An address of a server without its password; nothing where it cannot be told what is the password.
fn masked_server(text: &str) -> Option<String> {
    let Some(slashes) = text.find("://") else {
        let (scheme, rest) = text.rsplit_once(':')?;
        let (database, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_plain = DatasourceUrl::scheme(text) == scheme && !rest.contains('@');
        return is_plain.then(|| format!("{scheme}:{}", with_query(database, query)));
    };
    let (start, rest) = text.split_at(slashes + 3);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains('@') {
        return None;
    }
    let (user, address) = match address.rsplit_once('@') {
        Some((user, address)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), address),
            None => (format!("{MASK}@"), address),
        },
        None => (String::new(), address),
    };
    let hosts = address.split('/').next().unwrap_or_default();
    hosts.split(',').all(is_host).then(|| format!("{start}{user}{}", with_query(address, query)))
}

/// `h`, `h:5433`, `[::1]:5433`: `user:password` without a host is none.
fn is_host(text: &str) -> bool {
    let behind = text.rsplit_once(']').map_or(text, |(_, behind)| behind);
    behind.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn with_query(address: &str, query: &str) -> String {
    let query = masked_query(query);
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

impl fmt::Debug for DatasourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Setting for DatasourceUrl {
    fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        let scheme = Self::scheme(text);
        let rest = text.get(scheme.len() + 1..).unwrap_or_default();
        match scheme {
            "" => Err(Unfit::new(
                "names no database that we know; it begins with sqlite:, postgres:, postgresql:, jdbc:postgresql: or \
                 jdbc:yugabytedb:",
            )),
            "sqlite" if rest.split_once('@').is_some_and(|(user, _)| user.contains(':')) => Err(Unfit::new(
                "names a file, and holds a user and a password; the address of a server begins with postgres:// \
                 or jdbc:postgresql://",
            )),
            "sqlite" => Ok(Self(SecretString::from(text.to_owned()))),
            _ if !rest.starts_with("//") && rest.contains(['@', ':']) => {
                Err(Unfit::new(format!("lacks the two slashes; write {scheme}://host:port/database")))
            }
            _ => Ok(Self(SecretString::from(text.to_owned()))),
        }
    }

    fn show(&self) -> String {
        self.to_string()
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
            ("postgres://u:s3@cr/et?x@h/db", "postgres:******"),
            (
                "jdbc:yugabytedb://h:5433/db?user=u&password=s3cret",
                "jdbc:yugabytedb://h:5433/db?user=u&password=******",
            ),
            ("postgres://s3cret@h/db", "postgres://******@h/db"),
            ("postgres://h/db?password=s3@cret", "postgres:******"),
            ("postgres://u:s3cret", "postgres:******"),
            ("postgres://u:s3cret/db", "postgres:******"),
            ("jdbc:postgresql:db?password=s3cret", "jdbc:postgresql:db?password=******"),
            ("postgres://h1:5433,[::1]:5433/db", "postgres://h1:5433,[::1]:5433/db"),
        ] {
            assert_eq!(url(text).to_string(), shown);
            assert_eq!(format!("{:?}", url(text)), format!("\"{shown}\""));
        }
    }

    #[test]
    fn a_mistyped_address_is_refused_and_never_shown() {
        for text in [
            "postgres:/u:s3cret@h/db",
            "postgres:u:s3cret@h/db",
            "jdbc:postgresql:u:s3cret@h/db",
            "jdbc:yugabytedb:/u:s3cret@h/db",
            "sqlite://u:s3cret@h/db",
            "sqlite:u:s3cret@h",
            "postgresql//u:s3cret@h/db",
            "postgress://u:s3cret@h/db",
            "u:s3cret@h/db",
        ] {
            let unfit = DatasourceUrl::read(text).err().unwrap();
            assert!(!unfit.message.contains("s3cret"), "{text}: {}", unfit.message);
            let shown = DatasourceUrl(SecretString::from(text.to_owned()));
            assert!(!format!("{shown} {shown:?}").contains("s3cret"), "{shown}");
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
