//! The database as an operator sees it: by statements, past the service.

use std::{collections::BTreeMap, path::Path};

use pg_harness::{Database, Server};
use sqlx::{Column as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::places::{Places, YUGABYTE};

/// A database of its own for one test.
pub(super) enum Tables {
    Sqlite(SqliteConnectOptions),
    Postgres {
        database: Database,
        /// It lives as long as its database is used.
        _server: Server,
    },
}

/// Which engine a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Tables {
    /// A new, empty database, and its address in the places; `None` where there is no PostgreSQL.
    pub(super) fn create(engine: Engine, folder: &Path, places: &mut Places) -> Option<Self> {
        match engine {
            Engine::Sqlite => {
                let file = folder.join("backups.db");
                places.datasource(&format!("sqlite:{}", file.display()), "", "org.sqlite.JDBC");
                Some(Self::Sqlite(SqliteConnectOptions::new().filename(file)))
            }
            Engine::Postgres => {
                let server = Server::start_on_tcp()?;
                let database = server.database();
                let address = server.tcp_address().expect("it listens");
                let url = format!(
                    "jdbc:yugabytedb://{address}/{}?ApplicationName=backupOrchestrator&currentSchema=epricing&load-balance=true",
                    database.name(),
                );
                places.datasource(&url, database.user(), YUGABYTE);
                Some(Self::Postgres { database, _server: server })
            }
        }
    }

    /// Runs a statement as it is printed; gives its rows, a line each, columns between `|`.
    pub(super) async fn run(&self, sql: &str) -> String {
        match self {
            Self::Sqlite(options) => on_sqlite(options, &in_sqlite_s_words(sql)).await,
            Self::Postgres { database, .. } => database.psql(&format!("SET search_path TO epricing; {sql}")),
        }
    }

    /// The type of a column; `None` where there is no such column.
    pub(super) async fn type_of(&self, table: &str, column: &str) -> Option<String> {
        let sql = match self {
            Self::Sqlite(_) => {
                format!("SELECT type FROM pragma_table_info('{table}') WHERE name = '{column}'")
            }
            Self::Postgres { .. } => format!(
                "SELECT data_type FROM information_schema.columns
                 WHERE table_schema = 'epricing' AND table_name = '{table}' AND column_name = '{column}'"
            ),
        };
        Some(self.run(&sql).await).filter(|found| !found.is_empty())
    }
}

/// A statement with its named parameters, as Spring's JDBC template fills them in.
pub(super) fn with_parameters(sql: &str, parameters: &BTreeMap<String, String>) -> String {
    // The longest first: `:batch_id` must not be taken for `:batch`.
    let mut names: Vec<&String> = parameters.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().fold(sql.to_owned(), |sql, name| {
        sql.replace(&format!(":{name}"), &format!("'{}'", parameters[name].replace('\'', "''")))
    })
}

/// SQLite has neither schemas nor `now()`.
fn in_sqlite_s_words(sql: &str) -> String {
    sql.replace("epricing.", "").replace("now()", "CURRENT_TIMESTAMP")
}

async fn on_sqlite(options: &SqliteConnectOptions, sql: &str) -> String {
    let mut connection = SqliteConnection::connect_with(options).await.expect("the service's file");
    let statement = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
    let rows = statement.fetch_all(&mut connection).await.unwrap_or_else(|error| panic!("{error} in: {sql}"));
    let line = |row: &sqlx::sqlite::SqliteRow| {
        let columns = row.columns().iter().map(|column| {
            row.try_get_unchecked::<Option<String>, _>(column.ordinal()).expect("text").unwrap_or_default()
        });
        columns.collect::<Vec<_>>().join("|")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
