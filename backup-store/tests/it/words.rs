//! Our SQL as text: both engines have the same migrations, and nothing that YugabyteDB lacks is used.

use std::{fs, path::Path};

/// Every file below a directory of this crate.
fn files(dir: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The lines of a file that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !["//", "--"].iter().any(|mark| line.trim_start().starts_with(mark)))
}

#[test]
fn both_engines_list_the_same_migrations() {
    let names = |engine: &str| -> Vec<String> {
        let files = files(&format!("migrations/{engine}"));
        files.into_iter().map(|(path, _)| path.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres);
    for (number, name) in (1..).zip(&sqlite) {
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
        for engine in ["sqlite", "postgres"] {
            let list = fs::read_to_string(format!("{}/src/{engine}/migrate.rs", env!("CARGO_MANIFEST_DIR")))
                .unwrap();
            let line = format!("{number} \"{}\",", name.trim_end_matches(".sql"));
            assert!(list.contains(&line), "src/{engine}/migrate.rs lacks {line}");
        }
    }
}

/// PostgreSQL's; SQLite's run in one transaction.
#[test]
fn every_statement_of_a_migration_can_run_twice() {
    for (path, text) in files("migrations/postgres") {
        for statement in text.split(";\n").map(|one| code(one).collect::<Vec<_>>().join("\n")) {
            let statement = statement.trim();
            let is_repeatable = statement.contains("IF NOT EXISTS")
                || statement.starts_with("COMMENT ON")
                || statement.contains(" SET (fillfactor");
            assert!(statement.is_empty() || is_repeatable, "{path}: {statement}");
        }
    }
}

#[test]
fn nothing_is_used_that_yugabytedb_lacks() {
    const FORBIDDEN: &[&str] = &[
        "pg_advisory",
        "pg_try_advisory",
        "LISTEN ",
        "NOTIFY ",
        "CREATE TRIGGER",
        "CREATE FUNCTION",
        "CREATE PROCEDURE",
        "CREATE TYPE",
        "SERIAL",
        "xmax",
        "xmin",
        "ctid",
        "LOCK TABLE",
        "TEMPORARY",
        "TEMP TABLE",
        "UNLOGGED",
        "EXCLUDE USING",
        "SELECT *",
        "RETURNING *",
        "NOWAIT",
        "SERIALIZABLE",
        "gen_random_uuid",
        "CREATE SEQUENCE",
        "DEFERRABLE",
        "INHERITS (",
    ];
    let sources = [files("migrations/postgres"), files("src/postgres")].concat();
    assert!(sources.len() > 10);
    for (path, text) in sources {
        for line in code(&text) {
            let word = FORBIDDEN.iter().find(|word| line.contains(*word));
            assert!(word.is_none(), "{path}: {line}");
        }
    }
}

#[test]
fn an_upsert_never_meets_a_partial_index() {
    // On several versions of YugabyteDB, DO UPDATE silently corrupts the partial indexes of its table.
    for (path, text) in files("src/postgres") {
        for (place, _) in text.match_indices("DO UPDATE") {
            let table = text[..place].rsplit("INSERT INTO ").next().unwrap();
            assert!(
                table.starts_with("backup_lease"),
                "{path}: DO UPDATE on {}",
                table.lines().next().unwrap()
            );
        }
    }
}
