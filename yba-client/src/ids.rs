//! Identifiers: opaque text, one type per thing it names.
//!
//! YBA's ids are UUIDs, but nothing here parses them: a client that refuses an id the server accepts
//! is wrong, and the types are there to stop a task id from being passed where a backup id belongs.
//!
//! An id that is *read* has a form all the same: it ends in paths, logs and tables, and whoever sends a megabyte, a `..`
//! or a line break has not sent an id. What the caller configures is taken as it is.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The longest id that is read, in bytes. YBA's have 36.
const LONGEST: usize = 256;

/// Reads an id of the form that ids have: printable ASCII that means nothing in a path.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match fault(&text) {
        None => Ok(text),
        Some(fault) => Err(D::Error::custom(format_args!("an id {fault}"))),
    }
}

/// What is wrong with an id, without repeating it.
fn fault(id: &str) -> Option<&'static str> {
    let is_legal = |byte: u8| byte.is_ascii_graphic() && !br#"/\?#%"'<>`"#.contains(&byte);
    if id.len() > LONGEST {
        Some("is longer than 256 bytes")
    } else if matches!(id, "" | "." | "..") {
        Some("names nothing")
    } else if !id.bytes().all(is_legal) {
        Some("holds characters that no id has")
    } else {
        None
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(deserialize_with = "id")] String);

        impl $name {
            /// The id as YBA writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id.to_string())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    )+};
}

ids! {
    /// A tenant of YBA; every resource path below `/customers/` names one.
    CustomerId;
    /// A YugabyteDB universe.
    UniverseId;
    /// A customer configuration of type `STORAGE`: where backups are written.
    StorageConfigId;
    /// A task of YBA. Every accepted change answers with one.
    TaskId;
    /// A backup row, full or incremental.
    BackupId;
    /// A backup schedule.
    ScheduleId;
    /// A restore row.
    RestoreId;
    /// A point-in-time-recovery configuration.
    PitrConfigId;
    /// A key-management configuration.
    KmsConfigId;
    /// A user of YBA.
    UserId;
    /// The caller's own mark on a request: sent as `X-REQUEST-ID`, kept by YBA as the task's
    /// `correlationId`.
    RequestId;
}

impl RequestId {
    /// A fresh id, sorted by time of creation (UUID version 7).
    pub fn new() -> Self {
        Self::from(uuid::Uuid::now_v7())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_no_uuid_is_kept_as_written() {
        let id: UniverseId = serde_json::from_str("\"universe-uuid-123\"").unwrap();
        assert_eq!(id, "universe-uuid-123");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"universe-uuid-123\"");
        assert_eq!(format!("{id} {id:?}"), "universe-uuid-123 UniverseId(universe-uuid-123)");
    }

    #[test]
    fn what_has_not_the_form_of_an_id_is_not_read_as_one() {
        let long = "a".repeat(LONGEST + 1);
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a b",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\0",
            "a?b",
            "a%2fb",
            &long,
        ] {
            let json = serde_json::to_string(text).unwrap();
            let error = serde_json::from_str::<TaskId>(&json).unwrap_err().to_string();
            assert!(error.starts_with("an id ") && error.len() < 80, "{error}");
        }
        for text in ["universe-uuid-123", "t.1_2:3~4@x", "...", &long[1..]] {
            assert_eq!(serde_json::from_value::<TaskId>(text.into()).unwrap(), text);
        }
    }
}
