//! What a session must be before anything is written in it.

use std::io;

/// A session as the server describes it.
#[derive(Debug)]
pub(super) struct Session {
    /// Where names without a schema are looked for first; `None`: in no schema that is there.
    pub(super) schema: Option<String>,
    pub(super) search_path: String,
    /// Of the database.
    pub(super) encoding: String,
    /// Not a standby, and not told to be read only.
    pub(super) is_writable: bool,
}

/// Why a database cannot be used, whichever of its nodes answers.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(
        "its encoding is {0}, which cannot hold the texts of YugabyteDB Anywhere: create the database with ENCODING 'UTF8' \
         (CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0)"
    )]
    Encoding(String),
    #[error(
        "the session looks for tables in the schema {found}, and not in \"{wanted}\": something between here and the server \
         drops the setting search_path. Behind a connection pooler set it for the role (ALTER ROLE .. SET search_path = {wanted})"
    )]
    Schema { wanted: String, found: String },
}

impl Session {
    /// Fails for a session in which nothing of ours may be written. A server that is read only counts as one that does not
    /// answer: there may be another.
    pub(super) fn check(&self, schema: &str) -> Result<(), sqlx::Error> {
        if self.encoding != "UTF8" {
            return Err(unfit(Unfit::Encoding(self.encoding.clone())));
        }
        if !self.is_in(schema) {
            let found =
                self.schema.as_ref().map_or_else(|| self.search_path.clone(), |found| format!("\"{found}\""));
            return Err(unfit(Unfit::Schema { wanted: schema.to_owned(), found }));
        }
        if !self.is_writable {
            return Err(sqlx::Error::Io(io::Error::other("the server is read only (a standby, or set so)")));
        }
        Ok(())
    }

    /// A schema that is not made yet is the first of the search path all the same.
    fn is_in(&self, schema: &str) -> bool {
        let first = self.search_path.split(',').next().unwrap_or_default().trim().trim_matches('"');
        self.schema.as_deref() == Some(schema) || (self.schema.is_none() && first == schema)
    }
}

fn unfit(why: Unfit) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(schema: Option<&str>, search_path: &str) -> Session {
        let schema = schema.map(str::to_owned);
        Session {
            schema,
            search_path: search_path.to_owned(),
            encoding: "UTF8".to_owned(),
            is_writable: true,
        }
    }

    #[test]
    fn the_schema_is_the_one_that_names_are_found_in() {
        for (there, path) in [
            (Some("epricing"), "\"epricing\""),
            (Some("epricing"), "\"$user\", public"),
            (None, "\"epricing\""),
            (None, "epricing, public"),
        ] {
            assert!(session(there, path).check("epricing").is_ok(), "{there:?} {path}");
        }
        // The last: our schema is second, and the first is there.
        for (there, path) in [
            (Some("public"), "\"$user\", public"),
            (None, ""),
            (None, "other"),
            (Some("public"), "public, epricing"),
        ] {
            let error = session(there, path).check("epricing").unwrap_err();
            assert!(error.to_string().contains("ALTER ROLE"), "{error}");
        }
    }

    #[test]
    fn a_read_only_server_counts_as_one_that_does_not_answer() {
        let standby = Session { is_writable: false, ..session(Some("epricing"), "epricing") };
        assert!(matches!(standby.check("epricing"), Err(sqlx::Error::Io(_))));
    }
}
