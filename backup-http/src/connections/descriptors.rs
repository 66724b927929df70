//! File descriptors: each connection takes one, and the process may open only so many.

/// As many as a service of ours can use.
#[cfg(unix)]
const ENOUGH: u64 = 16 * 1024;

/// Raises the process's soft limit of open files as far as its hard limit and our needs go. For binaries, at their
/// start.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
        let is_low = limit.current.is_some_and(|current| current < wanted);
        if is_low && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
            tracing::warn!(%error, wanted, "the limit of open files cannot be raised");
        }
    }
}

/// The connections that the process has room for beside its database, its calls to YBA and its files.
pub(crate) fn room() -> usize {
    soft_limit().map_or(usize::MAX, beside_our_own)
}

fn beside_our_own(descriptors: usize) -> usize {
    let own = (descriptors / 4).clamp(32, 512);
    descriptors.saturating_sub(own).max(16)
}

#[cfg(unix)]
fn soft_limit() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn soft_limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_our_own_use() {
        let rooms = [20, 256, 1024, 65_536].map(beside_our_own);
        assert_eq!(rooms, [16, 192, 768, 65_024]);
    }
}
