//! `backup-category-type`: the strategy that plans a target's backups.

use backup_core::strategy::{FULL, INCREMENTAL};

use crate::reader::{Key, Reader, Setting, Unfit, nearest, quoted};

/// The strategy that plans a target's backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CategoryType {
    /// Everything.
    Full,
    /// What changed since the base.
    Incremental,
    /// A strategy that an embedder registers under this name.
    Custom(String),
}

impl CategoryType {
    /// The name of the strategy.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Full => FULL,
            Self::Incremental => INCREMENTAL,
            Self::Custom(name) => name,
        }
    }

    /// Reads the strategy of a target. A name that no strategy is registered under is a fault: it would fail at
    /// the first backup.
    pub(super) fn of_target(reader: &mut Reader<'_>, key: Key, default: Self) -> Self {
        let path = key.path.clone();
        match reader.setting(key, default) {
            Self::Custom(name) => {
                let registered = reader.strategies.iter().find(|known| word(known) == word(&name));
                if let Some(registered) = registered {
                    return Self::Custom(registered.clone());
                }
                refuse(reader, &path, &name);
                Self::Custom(name)
            }
            ours => ours,
        }
    }
}

fn refuse(reader: &mut Reader<'_>, path: &str, name: &str) {
    let known: Vec<&str> =
        [FULL, INCREMENTAL].into_iter().chain(reader.strategies.iter().map(String::as_str)).collect();
    let message = format!("{} is not a strategy; allowed: {}", quoted(name), known.join(", "));
    let suggestion = nearest(&word(name), known);
    reader.fault_with_suggestion(path, message, suggestion);
}

/// Any case of letters, and `-` for `_`.
fn word(name: &str) -> String {
    name.trim().to_lowercase().replace('-', "_")
}

impl Setting for CategoryType {
    fn read(text: &str) -> Result<Self, Unfit> {
        Ok(match word(text).as_str() {
            FULL | "full" => Self::Full,
            INCREMENTAL | "incremental" => Self::Incremental,
            _ => Self::Custom(text.trim().to_owned()),
        })
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}
