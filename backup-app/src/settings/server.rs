//! `server.*`: the HTTP service.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};

use super::yba::positive;
use crate::reader::{Bytes, Key, Reader, Words, quoted};

/// Shorter tokens can be guessed.
const SHORT_TOKEN: usize = 16;

/// Where the service listens, and how it answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerSettings {
    /// `server.port` (8989).
    pub port: u16,
    /// `server.address` (127.0.0.1).
    pub address: IpAddr,
    /// `server.wait-timeout` (60 s): how long a caller waits for the end of a backup before it is told that the
    /// backup is still running.
    pub wait_timeout: Duration,
    /// `server.legacy-status-codes` (false): 200 whatever happens, as the original answered.
    pub legacy_status_codes: bool,
    /// `server.zone` (Asia/Kolkata): the zone of business dates and of times in answers.
    pub zone: Tz,
    /// `server.auth.*`: who may call.
    pub auth: AuthSettings,
    /// `server.max-body` (64 KiB): the largest request, in bytes.
    pub max_body: usize,
    /// `server.read-timeout` (10 s): until the headers and the body of a request must have arrived.
    pub read_timeout: Duration,
    /// `server.keep-alive-timeout` (75 s): how long a connection may be idle between two requests. Longer than the
    /// 60 s of common balancers, so that it is they who close it.
    pub keep_alive_timeout: Duration,
    /// `server.write-timeout` (10 s): a client must take its answer, or the next 64 KiB of it, within this time.
    pub write_timeout: Duration,
    /// `server.max-connections` (10,000): connections at once; fewer where the process may not open as many files.
    pub max_connections: u32,
    /// `server.allowed-hosts`: names and addresses by which the service is called, beside `localhost`, loopback addresses
    /// and `server.address`. Asked for where there is no authentication; `*` is any.
    pub allowed_hosts: Vec<String>,
    /// `server.shutdown-timeout` (30 s): for requests under way when the service is told to stop.
    pub shutdown_timeout: Duration,
}

/// Who may call the service.
#[derive(Clone, Debug)]
pub enum AuthSettings {
    /// Anybody who can reach it.
    Open,
    /// Whoever presents one of these tokens.
    Tokens(Vec<SecretString>),
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    None,
    Token,
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("none", Self::None), ("token", Self::Token)];
}

impl ServerSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let shutdown = Key::from("server.shutdown-timeout").or("spring.lifecycle.timeout-per-shutdown-phase");
        let address = reader.setting("server.address", IpAddr::from(Ipv4Addr::LOCALHOST));
        Self {
            port: reader.setting("server.port", 8989),
            address,
            wait_timeout: reader.setting("server.wait-timeout", Duration::from_mins(1)),
            legacy_status_codes: reader.setting("server.legacy-status-codes", false),
            zone: reader.setting("server.zone", Tz::Asia__Kolkata),
            auth: AuthSettings::read(reader, address),
            max_body: reader.setting("server.max-body", Bytes(64 * 1024)).0,
            read_timeout: positive(reader, "server.read-timeout", Duration::from_secs(10)),
            keep_alive_timeout: positive(reader, "server.keep-alive-timeout", Duration::from_secs(75)),
            write_timeout: positive(reader, "server.write-timeout", Duration::from_secs(10)),
            max_connections: reader.within("server.max-connections", 10_000, 1..=1_000_000),
            allowed_hosts: allowed_hosts(reader),
            shutdown_timeout: reader.setting(shutdown, Duration::from_secs(30)),
        }
    }
}

/// Hosts are compared without a port: a forwarded one differs from ours.
fn allowed_hosts(reader: &mut Reader<'_>) -> Vec<String> {
    const KEY: &str = "server.allowed-hosts";
    let hosts = reader.list(KEY);
    for host in &hosts {
        if !is_host(host) {
            let message = format!("{} is no host; write a name or an address alone, or `*`", quoted(host));
            reader.fault(KEY, message);
        }
    }
    hosts
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    text == "*" || bare.parse::<IpAddr>().is_ok() || is_name(text)
}

impl AuthSettings {
    /// The service listens beyond this machine only with authentication, or where somebody said that it shall not
    /// have any.
    fn read(reader: &mut Reader<'_>, address: IpAddr) -> Self {
        let stated: Option<Mode> = reader.optional("server.auth.mode");
        let faults = reader.faults.len();
        let mut tokens = reader.secrets("server.auth.tokens");
        tokens.extend(reader.secret("server.auth.token"));
        if reader.faults.len() > faults {
            // What is wrong with the tokens is told; that none is left is no further fault.
            return Self::Open;
        }
        let mode = stated.unwrap_or(if tokens.is_empty() { Mode::None } else { Mode::Token });
        let is_public = !address.is_loopback();
        match (mode, stated.is_some()) {
            (Mode::Token, _) if tokens.is_empty() => {
                reader.fault("server.auth.mode", "is `token`, and `server.auth.token` is not set");
            }
            (Mode::None, false) if is_public => {
                let message = "listens beyond this machine without authentication; set `server.auth.token`, or say \
                               `server.auth.mode: none`";
                reader.fault("server.address", message);
            }
            (Mode::None, true) if !tokens.is_empty() => {
                reader.warn("server.auth.mode", "is `none`: the tokens that are set are not asked for");
            }
            (Mode::None, true) if is_public => {
                reader
                    .warn("server.auth.mode", "is `none`: anybody who reaches the service can start backups");
            }
            _ => {}
        }
        if tokens.iter().any(|token| token.expose_secret().len() < SHORT_TOKEN) {
            reader.warn(
                "server.auth.token",
                format!("a token has fewer than {SHORT_TOKEN} characters and can be guessed"),
            );
        }
        match mode {
            Mode::None => Self::Open,
            Mode::Token => Self::Tokens(tokens),
        }
    }
}
