//! From a category to a target.

use std::sync::Arc;

use async_trait::async_trait;

use crate::target::BackupTarget;

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

/// A resolver over a fixed list of targets, checked once.
#[derive(Clone, Debug, Default)]
pub struct FixedTargets {
    targets: Vec<Arc<BackupTarget>>,
    incomplete: Vec<IncompleteTarget>,
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
        let fixed = Self {
            targets: targets.into_iter().map(Arc::new).collect(),
            incomplete: incomplete.into_iter().collect(),
        };
        fixed.check_clashes()?;
        Ok(fixed)
    }

    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let complete = self.targets.iter().map(|target| (target.key.as_str(), &target.category_codes));
        let incomplete = self.incomplete.iter().map(|target| (target.key.as_str(), &target.category_codes));
        complete.chain(incomplete).flat_map(|(key, codes)| {
            std::iter::once((key, key)).chain(codes.iter().map(move |code| (code.as_str(), key)))
        })
    }

    fn check_clashes(&self) -> Result<(), ResolveError> {
        let mut seen = std::collections::HashMap::new();
        for (code, key) in self.names() {
            if let Some(first) = seen.insert(code.to_ascii_lowercase(), key)
                && first != key
            {
                return Err(ResolveError::Clash {
                    code: code.into(),
                    first: first.into(),
                    second: key.into(),
                });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl ConfigResolver for FixedTargets {
    async fn resolve(&self, category: &str) -> Result<Arc<BackupTarget>, ResolveError> {
        if let Some(target) = self.targets.iter().find(|target| target.answers_to(category)) {
            return Ok(Arc::clone(target));
        }
        let half = self.incomplete.iter().find(|target| {
            std::iter::once(&target.key)
                .chain(&target.category_codes)
                .any(|name| name.eq_ignore_ascii_case(category))
        });
        if let Some(half) = half {
            return Err(ResolveError::NotConfigured {
                target: half.key.clone(),
                missing: half.missing.clone(),
            });
        }
        let mut known: Vec<String> = self.names().map(|(code, _)| code.to_owned()).collect();
        known.sort_unstable();
        known.dedup();
        Err(ResolveError::UnknownCategory { category: category.to_owned(), known })
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
    fn two_targets_with_one_code_are_both_named() {
        let error = FixedTargets::new([target("db1", "HWA"), target("db2", "hwa")], []).unwrap_err();
        assert_eq!(error.to_string(), "the category code \"hwa\" belongs to both \"db1\" and \"db2\"");
    }
}
