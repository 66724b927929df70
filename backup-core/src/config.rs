//! From a category to a target.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;

use crate::target::{BackupTarget, fold_case};

/// Resolves a category to a target.
///
/// # Contract
///
/// The comparison ignores case. The answer for one category does not change while a batch of it is open,
/// other than by a restart of the process: a batch that is taken up again is resolved again by its target's key.
#[async_trait]
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait ConfigResolver: Send + Sync + 'static {
    /// The target that answers to `category`: by key, or by one of its category codes.
    ///
    /// # Errors
    ///
    /// [`ResolveError::UnknownCategory`] when none does; [`ResolveError::NotConfigured`] when one does but
    /// lacks settings.
    async fn resolve(&self, category: &str) -> Result<Arc<BackupTarget>, ResolveError>;
}

/// Why a category has no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing answers to it.
    #[error("no target answers to the category \"{category}\"; {}", known_words(known))]
    UnknownCategory {
        /// What was asked for.
        category: String,
        /// What would have been understood.
        known: Vec<String>,
    },
    /// The target exists and is incomplete.
    #[error("the target \"{target}\" is not fully configured; missing: {}", missing.join(", "))]
    NotConfigured {
        /// The target's key.
        target: String,
        /// The settings that are missing.
        missing: Vec<String>,
    },
    /// Two targets answer to one name. Found at start-up.
    #[error("the category code \"{code}\" belongs to both \"{first}\" and \"{second}\"")]
    Clash {
        /// The name.
        code: String,
        /// One target.
        first: String,
        /// The other.
        second: String,
    },
}

fn known_words(known: &[String]) -> String {
    if known.is_empty() { "none is configured".to_owned() } else { format!("known: {}", known.join(", ")) }
}

/// A target that someone began to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompleteTarget {
    /// The target's key.
    pub key: String,
    /// Other names for it.
    pub category_codes: Vec<String>,
    /// The settings that are missing.
    pub missing: Vec<String>,
}

impl IncompleteTarget {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key).chain(&self.category_codes).map(String::as_str)
    }
}

/// A resolver over a fixed list of targets, checked once. Resolving is one look-up, however many there are.
#[derive(Clone, Debug, Default)]
pub struct FixedTargets {
    targets: Vec<Known>,
    /// Every name, folded, and whose it is.
    by_name: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
enum Known {
    Ready(Arc<BackupTarget>),
    Incomplete(IncompleteTarget),
}

impl Known {
    fn key(&self) -> &str {
        match self {
            Self::Ready(target) => target.key.as_str(),
            Self::Incomplete(target) => &target.key,
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Ready(target) => target.names().collect(),
            Self::Incomplete(target) => target.names().collect(),
        }
    }
}

impl FixedTargets {
    /// Checks the list and takes it.
    ///
    /// # Errors
    ///
    /// [`ResolveError::Clash`] when two targets answer to one name.
    pub fn new(
        targets: impl IntoIterator<Item = BackupTarget>,
        incomplete: impl IntoIterator<Item = IncompleteTarget>,
    ) -> Result<Self, ResolveError> {
        let ready = targets.into_iter().map(|target| Known::Ready(Arc::new(target)));
        let targets: Vec<_> = ready.chain(incomplete.into_iter().map(Known::Incomplete)).collect();
        let by_name = by_name(&targets)?;
        Ok(Self { targets, by_name })
    }

    fn unknown(&self, category: &str) -> ResolveError {
        let names = self.targets.iter().flat_map(Known::names);
        let mut known: Vec<String> = names.map(str::to_owned).collect();
        known.sort_unstable();
        known.dedup();
        ResolveError::UnknownCategory { category: category.to_owned(), known }
    }
}

fn by_name(targets: &[Known]) -> Result<HashMap<String, usize>, ResolveError> {
    let mut by_name = HashMap::new();
    for (index, target) in targets.iter().enumerate() {
        for name in target.names() {
            let first = *by_name.entry(fold_case(name)).or_insert(index);
            if first != index {
                return Err(ResolveError::Clash {
                    code: name.to_owned(),
                    first: targets[first].key().to_owned(),
                    second: target.key().to_owned(),
                });
            }
        }
    }
    Ok(by_name)
}

#[async_trait]
impl ConfigResolver for FixedTargets {
    async fn resolve(&self, category: &str) -> Result<Arc<BackupTarget>, ResolveError> {
        match self.by_name.get(&fold_case(category)).map(|index| &self.targets[*index]) {
            Some(Known::Ready(target)) => Ok(Arc::clone(target)),
            Some(Known::Incomplete(half)) => {
                Err(ResolveError::NotConfigured { target: half.key.clone(), missing: half.missing.clone() })
            }
            None => Err(self.unknown(category)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(key: &str, code: &str) -> BackupTarget {
        BackupTarget::new(key, "yba", "universe", "storage").with_category_code(code)
    }

    #[tokio::test]
    async fn a_category_is_found_by_key_or_code_in_any_case() {
        let resolver = FixedTargets::new([target("db1", "HWA_FULL"), target("db2", "HWA_INCR")], []).unwrap();
        assert_eq!(resolver.resolve("DB1").await.unwrap().key.as_str(), "db1");
        assert_eq!(resolver.resolve("hwa_incr").await.unwrap().key.as_str(), "db2");
    }

    #[tokio::test]
    async fn an_unknown_category_lists_the_known_ones() {
        let resolver = FixedTargets::new([target("db1", "HWA_FULL")], []).unwrap();
        let error = resolver.resolve("nope").await.unwrap_err();
        assert_eq!(error.to_string(), "no target answers to the category \"nope\"; known: HWA_FULL, db1");
    }

    #[tokio::test]
    async fn a_half_set_target_says_what_is_missing() {
        let half = IncompleteTarget {
            key: "db2".into(),
            category_codes: vec!["HWA_INCR".into()],
            missing: vec!["api-token".into()],
        };
        let resolver = FixedTargets::new([target("db1", "HWA_FULL")], [half]).unwrap();
        let error = resolver.resolve("hwa_incr").await.unwrap_err();
        assert_eq!(error.to_string(), "the target \"db2\" is not fully configured; missing: api-token");
    }

    #[test]
    fn letters_of_every_alphabet_are_compared_without_their_case() {
        let error = FixedTargets::new([target("db1", "DÉPÔT"), target("db2", "dépôt")], []).unwrap_err();
        assert!(
            matches!(error, ResolveError::Clash { first, second, .. } if first == "db1" && second == "db2")
        );
        assert!(FixedTargets::new([target("db1", "a"), target("DB1", "b")], []).is_err());
        assert!(FixedTargets::new([target("db1", "DB1")], []).is_ok(), "a code may repeat the key");
    }

    #[test]
    fn two_targets_with_one_code_are_both_named() {
        let error = FixedTargets::new([target("db1", "HWA"), target("db2", "hwa")], []).unwrap_err();
        assert_eq!(error.to_string(), "the category code \"hwa\" belongs to both \"db1\" and \"db2\"");
    }
}
