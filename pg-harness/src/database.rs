//! One database of a test server, and a way to look into it that shares nothing with the code under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A database that belongs to one test.
#[derive(Clone, Debug)]
pub struct Database {
    psql: PathBuf,
    socket_dir: PathBuf,
    port: u16,
    tcp: bool,
    name: String,
}

impl Database {
    pub(crate) fn create(psql: PathBuf, socket_dir: PathBuf, port: u16, tcp: bool) -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", CREATED.fetch_add(1, Ordering::Relaxed));
        let database = Self { psql, socket_dir, port, tcp, name };
        // Nobody can be connected to template0, which would make this fail.
        database.maintain(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        database
    }

    /// The address by the Unix socket, as sqlx and libpq understand it.
    pub fn url(&self) -> String {
        self.url_of(&self.name)
    }

    /// The address on the loopback interface as JDBC drivers write it, for a server started by
    /// [`Server::start_on_tcp`](crate::Server::start_on_tcp).
    ///
    /// # Panics
    ///
    /// When the server does not listen there.
    pub fn jdbc_url(&self) -> String {
        assert!(self.tcp, "this server listens on its Unix socket only");
        format!("jdbc:postgresql://127.0.0.1:{}/{}?user={}", self.port, self.name, self.user())
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role to connect as: a superuser, with any password or none.
    pub fn user(&self) -> &'static str {
        "postgres"
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port in the name of the Unix socket, and of TCP where the server listens there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements by the program `psql` and returns their rows: a line each, columns between `|`, NULL as nothing.
    ///
    /// # Panics
    ///
    /// When a statement fails, with the server's message.
    pub fn psql(&self, sql: &str) -> String {
        self.run(&self.name, sql)
    }

    /// Ends the connections to this database with 57P01, and says how many there were. The server stays up.
    ///
    /// # Panics
    ///
    /// When the server is down.
    pub fn terminate_connections(&self) -> usize {
        let ended = self.maintain(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ));
        ended.parse().expect("a count")
    }

    /// Runs a statement on this server, but not in this database.
    fn maintain(&self, sql: &str) -> String {
        self.run("postgres", sql)
    }

    fn run(&self, database: &str, sql: &str) -> String {
        let output = Command::new(&self.psql)
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"])
            .args(["--set=ON_ERROR_STOP=1", "--dbname", &self.url_of(database), "--command", sql])
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.psql.display()));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "psql: {}\nin: {sql}", errors.trim());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Names the port, lest `$PGPORT` does.
    fn url_of(&self, database: &str) -> String {
        let (dir, port, user) = (self.socket_dir.display(), self.port, self.user());
        format!("postgres:///{database}?host={dir}&port={port}&user={user}")
    }
}
