//! Opaque identifiers, cheap to clone. YBA's are whatever text YBA gives; ours are UUIDv7 unless a caller names one.

use std::{fmt, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id!(
    /// One requested execution: ours, or the caller's `batchExecutionId`.
    BatchId
);
text_id!(
    /// A caller's `Idempotency-Key`: the same key creates one batch, however often it is sent.
    IdempotencyKey
);
text_id!(
    /// The key of a configured target (`db1`).
    TargetKey
);
text_id!(
    /// The name of a configured YBA instance.
    InstanceName
);
text_id!(
    /// A universe, in YBA's words.
    UniverseId
);
text_id!(
    /// A storage config, in YBA's words.
    StorageConfigId
);
text_id!(
    /// A task: always YBA's.
    TaskId
);
text_id!(
    /// A backup, in YBA's words.
    BackupId
);

impl BatchId {
    /// A new id that sorts by time.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The id of the one batch of a target and a business date, for requests that ask for no more than one: whoever makes
    /// it, wherever and when, makes the same.
    pub(crate) fn of_date(target: &TargetKey, date: NaiveDate) -> Self {
        let digest = Sha256::digest(format!("once per date/{date}/{target}"));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().into())
    }
}

/// One POST to YBA: sent as `X-REQUEST-ID`, found again as the task's `correlationId`.
///
/// Always a plain 36-character UUID, because the length limit of YBA's column is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(Uuid);

impl AttemptId {
    /// A new id that sorts by time.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id that a marker names, if it is one as we send it: a hyphenated UUID in small letters.
    pub fn of_marker(marker: &str) -> Option<Self> {
        Uuid::try_parse(marker).ok().map(Self).filter(|id| id.to_string() == marker)
    }

    /// The id as a UUID, for a store's column.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for AttemptId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One running orchestrator (a replica of the service, or a command line): the owner of leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(Uuid);

impl OwnerId {
    /// A new owner; every start of a process is a new one.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id as a UUID, for a store's column.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for OwnerId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
