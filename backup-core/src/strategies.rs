//! The strategies that an orchestrator knows, by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::strategy::BackupStrategy;

/// Strategies by name, without regard to case.
#[derive(Clone, Default)]
pub(crate) struct Strategies(BTreeMap<String, Arc<dyn BackupStrategy>>);

impl Strategies {
    pub(crate) fn add(&mut self, strategy: Arc<dyn BackupStrategy>) {
        self.0.insert(strategy.name().to_ascii_uppercase(), strategy);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<dyn BackupStrategy>> {
        self.0.get(&name.to_ascii_uppercase())
    }
}

impl fmt::Debug for Strategies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
