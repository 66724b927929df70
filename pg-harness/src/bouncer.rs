//! pgbouncer in front of a test server: what stands between many services and their database.

use std::{
    env, fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    database::Database,
    server::{free_port, owned_directory, unprivileged},
};

/// Why there is no pooler, and what to do about it.
pub const NO_BOUNCER: &str = "no pgbouncer (install the package pgbouncer)";

/// Ends the pooler when its own input ends: when the test process ends, be it by SIGKILL.
const GUARDIAN: &str =
    r#"trap '' HUP INT TERM; "$1" "$2/bouncer.ini" & read -r _; kill -KILL $!; cd / && rm -rf "$2""#;

/// A running pgbouncer of one test.
#[derive(Debug)]
pub struct Bouncer {
    guardian: Child,
    address: SocketAddr,
}

impl Bouncer {
    /// A pooler in front of the server of this database, with these lines in its section `[pgbouncer]`; `None` when the
    /// machine has no pgbouncer.
    ///
    /// # Panics
    ///
    /// When there is one that does not start.
    pub fn start(database: &Database, settings: &str) -> Option<Self> {
        let program = find()?;
        let (dir, port) = (owned_directory("bouncer-"), free_port());
        let (host, server_port, user) = (database.socket_dir().display(), database.port(), database.user());
        let ini = format!(
            "[databases]\n* = host={host} port={server_port} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             logfile = {}/log\n{settings}\n",
            dir.display()
        );
        fs::write(dir.join("bouncer.ini"), ini).expect("our directory");
        let mut command = Command::new("sh");
        command.args(["-c", GUARDIAN, "sh"]).args([&program, &dir]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        unprivileged(&mut command, &dir);
        let guardian = command.spawn().expect("sh starts");
        let bouncer = Self { guardian, address: (Ipv4Addr::LOCALHOST, port).into() };
        bouncer.wait_until_it_listens(&dir);
        Some(bouncer)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_until_it_listens(&self, dir: &std::path::Path) {
        for _ in 0..1000 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("pgbouncer does not listen:\n{}", fs::read_to_string(dir.join("log")).unwrap_or_default());
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        if let Some(input) = self.guardian.stdin.as_mut() {
            // It ends by the end of its input, too.
            let _ = writeln!(input);
        }
        let _ = self.guardian.wait();
    }
}

/// On `$PATH`, or where Debian has it.
fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let directories: Vec<PathBuf> = [path, vec![PathBuf::from("/usr/sbin")]].concat();
    directories.into_iter().map(|dir| dir.join("pgbouncer")).find(|file| file.is_file())
}
