//! What YBA sends and accepts, in plain types.
//!
//! Reading is lenient: unknown fields are ignored, unknown enum values are kept, `null` is accepted
//! wherever YBA has been seen to send it. Fields without which an answer would mean nothing (the
//! status of a task, the id of a backup) are required, so that garbage is an error and not a default.

mod backup_orders;
mod backups;
mod customers;
pub(crate) mod lenient;
mod pitr;
mod restores;
mod schedules;
mod session;
mod storage_configs;
mod tasks;
mod universes;

pub use backup_orders::*;
pub use backups::*;
pub use customers::*;
pub use pitr::*;
pub use restores::*;
pub use schedules::*;
pub use session::*;
pub use storage_configs::*;
pub use tasks::*;
pub use universes::*;

/// An enum over YBA's words that keeps a word it does not know.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value that this version of the crate does not know, as YBA wrote it.
            Other(String),
        }

        impl $name {
            /// Every value this version knows.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The value as YBA writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                Self::from(word.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(word.as_ref()))
            }
        }
    };
}
pub(crate) use open_enum;

/// A duration as YBA counts it.
pub(crate) fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
