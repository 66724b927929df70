//! A real PostgreSQL server for tests, from the binaries of the system: no container, no download, no port to agree on.
//!
//! A test asks for the server of its process and for a database of its own, and says by name when it had to be skipped:
//!
//! ```no_run
//! fn a_row_survives_a_reconnect() {
//!     let Some(server) = pg_harness::Server::shared() else {
//!         return pg_harness::skip("a_row_survives_a_reconnect", pg_harness::NOT_FOUND);
//!     };
//!     let database = server.database();
//!     database.psql("CREATE TABLE t (id int)");
//!     // .. connect to `database.url()`, do the work, and look at it from outside:
//!     assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
//! }
//! ```
//!
//! The binaries are looked for in `$PG_BIN_DIR` (and then nowhere else), in the highest `/usr/lib/postgresql/*/bin`, and
//! on `$PATH`. With `REQUIRE_PG=1` a machine without them fails the tests instead of skipping them.
//!
//! A server costs a second and then about 30 ms per database, so tests of one process share one server
//! ([`Server::shared`]) and never a database. A test that stops or restarts its server starts its own
//! ([`Server::start`]). When the test process ends, whichever way, its servers end and their directories disappear.

mod binaries;
mod bouncer;
mod database;
mod server;

use std::fs::OpenOptions;
use std::io::{self, Write};

pub use self::binaries::NOT_FOUND;
pub use self::bouncer::{Bouncer, NO_BOUNCER};
pub use self::database::Database;
pub use self::server::Server;

/// Records that a test did not run: a line on stderr, and one in the file named by `$SKIPPED_TESTS`.
///
/// The line gets past libtest's capture of passing tests, because a test is never skipped silently.
///
/// # Panics
///
/// When `$SKIPPED_TESTS` is set and cannot be written: the count at the end of the run would be wrong.
pub fn skip(test: &str, why: &str) {
    let line = format!("{test}: {why}\n");
    let _ = io::stderr().write_all(format!("skipped {line}").as_bytes());
    if let Some(list) = std::env::var_os("SKIPPED_TESTS") {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("$SKIPPED_TESTS ({}): {error}", list.display()));
    }
}
