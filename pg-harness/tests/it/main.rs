//! The harness against the PostgreSQL of this machine.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pg_harness::{NOT_FOUND, Server, skip};

#[test]
fn tests_share_a_server_but_not_a_database() {
    let Some(server) = Server::shared() else {
        return skip("tests_share_a_server_but_not_a_database", NOT_FOUND);
    };
    let (mine, yours) = (server.database(), server.database());
    mine.psql("CREATE TABLE notes (id int, text text); INSERT INTO notes VALUES (1, 'one'), (2, NULL)");

    assert_eq!(mine.psql("SELECT * FROM notes ORDER BY id"), "1|one\n2|");
    assert_eq!(yours.psql("SELECT count(*) FROM pg_tables WHERE tablename = 'notes'"), "0");
    assert!(mine.url().starts_with(&format!("postgres:///{}?host=/", mine.name())));
    assert!(std::ptr::eq(server, Server::shared().expect("the same server")));
}

#[test]
fn a_restarted_server_has_its_databases_and_addresses_again() {
    let Some(mut server) = Server::start_on_tcp() else {
        return skip("a_restarted_server_has_its_databases_and_addresses_again", NOT_FOUND);
    };
    let database = server.database();
    let address = server.tcp_address().expect("it listens on TCP");
    database.psql("CREATE TABLE kept (id int)");

    server.stop();
    assert!(TcpStream::connect(address).is_err());
    server.start_again();
    server.restart();

    assert!(TcpStream::connect(address).is_ok());
    assert_eq!(database.psql("SELECT count(*) FROM kept"), "0");
}

#[test]
fn terminated_connections_are_told_why() {
    let Some(server) = Server::shared() else {
        return skip("terminated_connections_are_told_why", NOT_FOUND);
    };
    let database = server.database();
    assert_eq!(database.terminate_connections(), 0);

    let sleeper = {
        let database = database.clone();
        thread::spawn(move || database.psql("SELECT pg_sleep(60)"))
    };
    wait_until("the sleeper is connected", || database.terminate_connections() == 1);

    let panic = sleeper.join().expect_err("the sleeper was cut off");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("terminating connection due to administrator command"), "{message}");
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let Some(server) = Server::start() else {
        return skip("a_dropped_server_leaves_nothing_behind", NOT_FOUND);
    };
    let dir = server.socket_dir().to_owned();
    assert!(dir.exists());
    drop(server);
    assert!(!dir.exists());
}

/// The test runs itself once more as the process to be killed.
#[test]
fn a_server_ends_with_its_owner_even_by_sigkill() {
    const TEST: &str = "a_server_ends_with_its_owner_even_by_sigkill";
    const OWNER: &str = "PG_HARNESS_TEST_OWNER";
    let Some(server) = Server::start() else {
        return skip(TEST, NOT_FOUND);
    };
    if env::var_os(OWNER).is_some() {
        let _ = writeln!(io::stderr(), "{}", server.socket_dir().display());
        let _ = io::stdin().read(&mut [0]);
        return;
    }

    let mut owner = Command::new(env::current_exe().expect("our own path"))
        .args(["--exact", TEST])
        .env(OWNER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the owner starts");
    let mut dir = String::new();
    BufReader::new(owner.stderr.take().expect("a piped stderr")).read_line(&mut dir).expect("the directory");
    let dir = Path::new(dir.trim());
    let postmaster = fs::read_to_string(dir.join("data/postmaster.pid")).expect("a running server");
    let process = Path::new("/proc").join(postmaster.lines().next().expect("a process id"));

    owner.kill().expect("SIGKILL");
    owner.wait().expect("the end of the owner");

    wait_until("the directory is gone", || !dir.exists());
    wait_until("the server is gone", || !process.exists());
}

#[test]
fn a_skipped_test_is_named_in_the_list() {
    const TEST: &str = "a_skipped_test_is_named_in_the_list";
    const ROLE: &str = "PG_HARNESS_TEST_SKIPS";
    if env::var_os(ROLE).is_some() {
        assert!(Server::shared().is_none());
        return skip(TEST, "no server");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let list = dir.path().join("skipped");
    let run = |require: &str| {
        Command::new(env::current_exe().expect("our own path"))
            .args(["--exact", TEST])
            .env(ROLE, "1")
            .env("PG_BIN_DIR", dir.path())
            .env("REQUIRE_PG", require)
            .env("SKIPPED_TESTS", &list)
            .output()
            .expect("the test runs")
    };

    let skipped = run("0");
    assert!(skipped.status.success());
    assert!(String::from_utf8_lossy(&skipped.stderr).contains(&format!("skipped {TEST}: no server")));
    assert_eq!(fs::read_to_string(&list).expect("the list"), format!("{TEST}: no server\n"));

    let failed = run("1");
    assert!(!failed.status.success());
    assert!(String::from_utf8_lossy(&failed.stdout).contains(NOT_FOUND));
}

/// What happens in another process can only be looked at again and again.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited 30 s until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
