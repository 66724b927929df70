//! The server: started once per process or once per test, gone when its owner is.
//!
//! The server does not run under us but under a small shell script, the guardian (`guardian.sh`). It reads commands from
//! a pipe whose other end only we hold: when we end, by return, panic or SIGKILL, the pipe closes, and the guardian
//! stops the server and removes its directory. A `static` server needs this, since statics are never dropped.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::binaries::Binaries;
use crate::database::Database;

/// Nothing in a test needs to survive a crash of the machine.
const FOR_TESTS: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off";

/// PostgreSQL's defaults, for measurements: every commit reaches the disk.
const DURABLE: &str = "-c fsync=on";

/// Makes the files of a new server.
const INIT: &str = "init";

/// PostgreSQL's own port, in the name of the socket only: every server has its own directory.
const SOCKET_PORT: u16 = 5432;

/// A running PostgreSQL server with a directory of its own, reached by a Unix socket in it.
///
/// Dropping it stops the server as a crash would (connections just break) and removes the directory.
#[derive(Debug)]
pub struct Server {
    guardian: Child,
    answers: BufReader<ChildStdout>,
    dir: PathBuf,
    psql: PathBuf,
    port: u16,
    tcp: bool,
    settings: &'static str,
}

impl Server {
    /// The one server of this process, started on first use; `None` when the machine has no PostgreSQL.
    ///
    /// It can be neither stopped nor restarted, since other tests use it at the same time.
    ///
    /// # Panics
    ///
    /// When there is no PostgreSQL but `REQUIRE_PG=1`, and when there is one that does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server for the caller alone, to be stopped and restarted at will; `None` when the machine has no PostgreSQL.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start() -> Option<Self> {
        Binaries::find().map(|binaries| Self::launch(binaries, None, FOR_TESTS, INIT))
    }

    /// As [`Server::start`], listening on a free TCP port of the loopback interface too.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start_on_tcp() -> Option<Self> {
        Binaries::find().map(|binaries| Self::launch(binaries, Some(free_port()), FOR_TESTS, INIT))
    }

    /// As [`Server::start`], with PostgreSQL's default durability and its files on the disk: for measurements.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start_durable() -> Option<Self> {
        Binaries::find().map(|binaries| Self::launch(binaries, None, DURABLE, INIT))
    }

    /// A streaming standby of this server, on a TCP port of its own: it can be read, and takes no writes until it is
    /// promoted.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn standby(&self) -> Self {
        let binaries = Binaries::find().expect("those that this server runs by");
        let clone = format!("clone {} {}", self.dir.display(), self.port);
        Self::launch(binaries, Some(free_port()), FOR_TESTS, &clone)
    }

    /// Makes a standby take writes; returns when it does.
    pub fn promote(&mut self) {
        self.command("promote");
    }

    /// `first` makes the server's files.
    fn launch(binaries: Binaries, tcp_port: Option<u16>, settings: &'static str, first: &str) -> Self {
        let parent = if settings == DURABLE { env::temp_dir() } else { roomy_directory() };
        let dir = private_directory(&parent, "pg-");
        let mut guardian = guardian_command(&binaries.server_dir, &dir).spawn().expect("sh starts");
        let answers = guardian.stdout.take().expect("a piped stdout");
        let mut server = Self {
            guardian,
            answers: BufReader::new(answers),
            dir,
            psql: binaries.psql,
            port: tcp_port.unwrap_or(SOCKET_PORT),
            tcp: tcp_port.is_some(),
            settings,
        };
        server.command(first);
        server.start_again();
        server
    }

    /// A new, empty database that no other test has.
    ///
    /// It lives as long as the server does, not as long as the value.
    pub fn database(&self) -> Database {
        Database::create(self.psql.clone(), self.dir.clone(), self.port, self.tcp)
    }

    /// Where the server listens on TCP, if it does: see [`Server::start_on_tcp`].
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.then(|| (Ipv4Addr::LOCALHOST, self.port).into())
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// The server's first process, whose children serve its connections; `None` when it does not run.
    pub fn pid(&self) -> Option<u32> {
        let file = fs::read_to_string(self.dir.join("data/postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// Ends every connection with 57P01 (`admin_shutdown`), and returns when the server is down.
    pub fn stop(&mut self) {
        self.command("stop");
    }

    /// Starts a stopped server with its databases and addresses as before; returns when it accepts connections.
    pub fn start_again(&mut self) {
        let hosts = if self.tcp { "127.0.0.1" } else { "''" };
        let (dir, port, settings) = (self.dir.display(), self.port, self.settings);
        self.command(&format!(
            "start {settings} -c max_connections=200 -c listen_addresses={hosts} -c unix_socket_directories='{dir}' -c port={port}"
        ));
    }

    /// [`Server::stop`], then [`Server::start_again`].
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    fn command(&mut self, line: &str) {
        let mut answer = String::new();
        let commands = self.guardian.stdin.as_mut().expect("a piped stdin");
        let heard = writeln!(commands, "{line}").and_then(|()| self.answers.read_line(&mut answer));
        if heard.is_err() || answer.trim() != "0" {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            panic!("PostgreSQL in {}: `{line}` failed ({}):\n{log}", self.dir.display(), answer.trim());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closes the pipe first, which is what the guardian waits for.
        let _ = self.guardian.wait();
    }
}

/// The guardian over `dir`. The server refuses to run as root.
fn guardian_command(server_dir: &Path, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", include_str!("guardian.sh"), "sh"])
        .args([server_dir, dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal goes to the group of the tests; the guardian learns of their end by the pipe.
        .process_group(0);
    unprivileged(&mut command, dir);
    command
}

/// Lets a program run as somebody else where we are root, and gives them its directory.
pub(crate) fn unprivileged(command: &mut Command, dir: &Path) {
    let owner = fs::metadata(dir).expect("our directory").uid();
    if owner == 0 {
        let (uid, gid) = unprivileged_account();
        chown(dir, Some(uid), Some(gid)).expect("root may give a directory away");
        command.uid(uid).gid(gid);
    }
}

/// A directory of a program that the tests start, and that removes it.
pub(crate) fn owned_directory(prefix: &str) -> PathBuf {
    private_directory(&roomy_directory(), prefix)
}

fn private_directory(parent: &Path, prefix: &str) -> PathBuf {
    tempfile::Builder::new()
        .prefix(prefix)
        // Who reaches the socket is a superuser.
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .expect("a directory")
        .keep()
}

/// User and group of `postgres`, or of `nobody` where only the binaries are installed.
fn unprivileged_account() -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let account = fields.into_iter().find(|fields| fields[0] == *name)?;
            Some((account.get(2)?.parse().ok()?, account.get(3)?.parse().ok()?))
        })
        .expect("root cannot run PostgreSQL: an account `postgres` or `nobody`")
}

/// Memory when there is a gigabyte of it (containers often have 64 MB of /dev/shm): a database costs 20 ms there, and
/// up to 400 on a busy disk.
///
/// A directory for everybody, since the guardian removes ours and may be another user than we are.
fn roomy_directory() -> PathBuf {
    const GIGABYTE_IN_KB: u64 = 1 << 20;
    let memory = PathBuf::from("/dev/shm");
    let is_roomy = free_kilobytes(&memory).is_some_and(|free| free >= GIGABYTE_IN_KB);
    [is_roomy.then_some(memory), Some(env::temp_dir())]
        .into_iter()
        .flatten()
        .find(|dir| fs::metadata(dir).is_ok_and(|metadata| metadata.mode() & 0o003 == 0o003))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// The fourth column of the second line of `df`.
fn free_kilobytes(dir: &Path) -> Option<u64> {
    let report = Command::new("df").arg("-Pk").arg(dir).output().ok()?;
    let report = String::from_utf8(report.stdout).ok()?;
    report.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// A port nobody listens on, below those the system gives to outgoing connections: a client that keeps trying to reach
/// a stopped server could otherwise be given the very port, and talk to itself.
pub(crate) fn free_port() -> u16 {
    // No two servers of one process try the same port at once.
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) % 1000;
    let first = 20_000 + calls + u16::try_from(process::id() % 10_000).unwrap_or_default();
    (first..32_000)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free TCP port")
}
