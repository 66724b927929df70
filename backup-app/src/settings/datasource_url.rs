//! The address of the store's database, which may hold a password.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

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
