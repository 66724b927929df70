//! YBA's message texts: the only file that reads them.
//!
//! Its 409s and 503s differ by nothing else, and they have no codes; these substrings are what the vendor's own clients
//! match. The rest of the crate, and its users, ask the methods of [`Error`](super::Error).

use super::Busy;

const LOCKED: &str = "currently in a locked state";
const QUEUED_BEHIND: &str = "cannot be queued on existing task ";
const QUEUE_FULL: &str = "Queue is already full";

pub(super) fn busy(text: &str) -> Option<Busy> {
    let holder = text.split_once(QUEUED_BEHIND).map(|(_, rest)| {
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    });
    let known = holder.is_some()
        || text.contains(QUEUED_BEHIND.trim_end())
        || text.contains(LOCKED)
        || text.contains(QUEUE_FULL);
    known.then(|| Busy { text: text.to_owned(), holder: holder.filter(|h| !h.is_empty()) })
}

pub(super) fn standby(text: &str) -> bool {
    text.contains("API not available for follower")
}

pub(super) fn stopping(text: &str) -> bool {
    text.contains("YBA is shutting down")
}

/// Refused by a filter in front of the handlers: nothing looked at the request.
pub(super) fn turned_away(text: &str) -> bool {
    standby(text) || stopping(text)
}

pub(super) fn missing_base(text: &str) -> bool {
    text.contains("No previous successful backup found")
}

pub(super) fn not_found(text: &str) -> bool {
    [
        "Invalid customer or backup UUID",
        "Invalid Customer Task UUID",
        "Not able to find task",
        "Invalid task info UUID",
        "Cannot find universe",
        "Invalid Customer UUID",
        "Invalid Universe UUID",
        "Invalid StorageConfig UUID",
        "Invalid Schedule UUID",
    ]
    .iter()
    .any(|known| text.contains(known))
}

/// `GET /ha_leader` answers 404 for two opposite reasons.
pub(crate) fn is_follower(text: &str) -> bool {
    text.contains("HA follower")
}

pub(crate) fn has_no_ha(text: &str) -> bool {
    text.contains("No HA Config")
}

/// A thing is not known, as opposed to a route that does not exist.
pub(crate) fn unknown_thing(text: &str) -> bool {
    not_found(text) || !unknown_route(text)
}

/// The framework's words for a route that does not exist.
pub(crate) fn unknown_route(text: &str) -> bool {
    text.contains("HTTP Client Error") || text.contains("Action Not Found")
}

/// The explanation of a subtask that ended because YBA stopped or started.
pub(crate) fn platform_interruption(text: &str) -> bool {
    text.contains("Platform restarted") || text.contains("Platform shutdown")
}

/// The explanation of a task that was accepted and then found the universe locked: servers without a
/// queue per universe tell it only here.
pub(crate) fn lost_race(text: &str) -> bool {
    text.contains("already being updated") || text.contains("backup for this universe is already in progress")
}

/// An abort that came too late is also a 200; only the message tells.
pub(crate) fn abort_not_running(message: &str) -> bool {
    message.contains("not running")
}

pub(crate) fn abort_accepted(message: &str) -> bool {
    message.contains("being aborted")
}

/// A 401 that is about rights, not about the token: the newer access model's word for a 403.
pub(super) fn lacks_right(text: &str) -> bool {
    text.to_ascii_lowercase().contains("unable to authorize")
}
