//! `yba.*`: what all calls to YBA have in common.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::file::read::bounded;
use crate::reader::{Key, Reader, quoted};

/// Larger than any bundle of certificates.
const MAX_CERTIFICATE: u64 = 16 * 1024 * 1024;

/// Timeouts and retries of calls to YBA, and what instances start from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct YbaSettings {
    /// `yba.connection-timeout` (30 s): to reach YBA.
    pub connection_timeout: Duration,
    /// `yba.read-timeout` (60 s): for YBA's answer.
    pub read_timeout: Duration,
    /// `yba.call-timeout` (the time to connect and twice the time to answer): for a call as a whole, however slowly the answer
    /// drips in. Starting a backup may always take that default.
    pub call_timeout: Duration,
    /// `yba.max-retry-attempts` (3): how often a call is sent that is safe to repeat.
    pub max_retry_attempts: u32,
    /// `yba.ca-certificate`: a private authority (PEM) for every instance that names none of its own.
    pub ca_certificate: Option<PathBuf>,
    /// `yba.insecure-skip-verify` (false): certificates are not checked, for every instance that does not say.
    pub insecure_skip_verify: bool,
    /// `yba.max-concurrent-calls` (16): calls under way at once, for every instance that does not say.
    pub max_concurrent_calls: u32,
    /// `yba.max-calls-per-second` (no limit): calls sent in a second, for every instance that does not say.
    pub max_calls_per_second: Option<NonZeroU32>,
}

impl YbaSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let connection_timeout = positive(reader, "yba.connection-timeout", Duration::from_secs(30));
        let read_timeout = positive(reader, "yba.read-timeout", Duration::from_mins(1));
        let whole = connection_timeout.saturating_add(read_timeout.saturating_mul(2));
        Self {
            connection_timeout,
            read_timeout,
            call_timeout: positive(reader, "yba.call-timeout", whole),
            max_retry_attempts: reader.within("yba.max-retry-attempts", 3, 1..=100),
            ca_certificate: certificate(reader, "yba.ca-certificate"),
            insecure_skip_verify: skip_verify(reader, "yba.insecure-skip-verify", false),
            max_concurrent_calls: reader.within("yba.max-concurrent-calls", 16, 1..=10_000),
            max_calls_per_second: per_second(reader, "yba.max-calls-per-second"),
        }
    }
}

/// A span of time that must not be nothing.
pub(super) fn positive(reader: &mut Reader<'_>, key: impl Into<Key>, default: Duration) -> Duration {
    let key = key.into();
    let value = reader.setting(key.clone(), default);
    if value.is_zero() {
        reader.fault(&key.path, "must be longer than nothing");
    }
    value
}

/// A number of calls per second; without one there is no limit.
pub(super) fn per_second(reader: &mut Reader<'_>, key: &str) -> Option<NonZeroU32> {
    reader.optional_within(key, 1..=10_000).and_then(NonZeroU32::new)
}

/// A certificate's file, which must be readable now rather than at the first call.
pub(super) fn certificate(reader: &mut Reader<'_>, key: &str) -> Option<PathBuf> {
    let path: PathBuf = reader.optional(key)?;
    if let Err(error) = bounded(&path, MAX_CERTIFICATE) {
        reader.fault(key, format!("the file {} cannot be read: {error}", path.display()));
    }
    Some(path)
}

pub(super) fn skip_verify(reader: &mut Reader<'_>, key: &str, default: bool) -> bool {
    let skip = reader.optional(key);
    if skip == Some(true) {
        let message = "certificates of YBA are NOT checked: anybody on the way can read the token; \
                       name the authority with `ca-certificate` instead";
        reader.warn(key, message);
    }
    skip.unwrap_or(default)
}

/// Tokens over plain HTTP are for a simulator on this machine.
pub(super) fn warn_plaintext(reader: &mut Reader<'_>, key: &str, url: &Url) {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        reader.warn(key, "sends the token over plain http");
    }
}

/// YBA's ids are UUIDs; ours are opaque text, because stand-ins use anything.
pub(super) fn warn_no_uuid(reader: &mut Reader<'_>, key: &str, id: &str) {
    let parts: Vec<&str> = id.split('-').collect();
    let lengths = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
    if !lengths || !parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        reader.warn(key, format!("{} is no UUID; YugabyteDB Anywhere will refuse it", quoted(id)));
    }
}
