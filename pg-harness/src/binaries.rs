//! Where the server's programs are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Why there is no server, and what to do about it.
pub const NOT_FOUND: &str =
    "no PostgreSQL server binaries (install the package postgresql, or set PG_BIN_DIR)";

/// The programs of one PostgreSQL installation.
#[derive(Debug)]
pub(crate) struct Binaries {
    /// Holds `initdb`, `pg_ctl` and `postgres`.
    pub(crate) server_dir: PathBuf,
    /// Some server packages come without the client, so it may lie elsewhere.
    pub(crate) psql: PathBuf,
}

impl Binaries {
    /// The installation to test with.
    ///
    /// # Panics
    ///
    /// When there is none and `REQUIRE_PG=1`.
    pub(crate) fn find() -> Option<Self> {
        let found = Self::find_in(env::var_os("PG_BIN_DIR").map(PathBuf::from));
        let required = env::var_os("REQUIRE_PG").is_some_and(|value| value == "1");
        assert!(found.is_some() || !required, "REQUIRE_PG=1, but {NOT_FOUND}");
        found
    }

    /// `chosen` is the only candidate when there is one: pointing it at an empty directory tests the skipping.
    pub(crate) fn find_in(chosen: Option<PathBuf>) -> Option<Self> {
        let candidates = match chosen {
            Some(dir) => vec![dir],
            None => [debian_directories(), path_directories()].concat(),
        };
        let server_dir = candidates
            .into_iter()
            .find(|dir| ["initdb", "pg_ctl"].iter().all(|name| dir.join(name).is_file()))?;
        let psql = std::iter::once(server_dir.clone())
            .chain(path_directories())
            .map(|dir| dir.join("psql"))
            .find(|file| file.is_file())?;
        Some(Self { server_dir, psql })
    }
}

/// `/usr/lib/postgresql/*/bin`, the highest version first (15 before 9.6).
fn debian_directories() -> Vec<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(f32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn path_directories() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}
